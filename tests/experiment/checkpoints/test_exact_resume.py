"""A training that is broken off and goes on ends as one that never was, bit for bit."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback

from finai_rl.agents.curriculum import CurriculumProgress, StageEnd
from finai_rl.agents.own_callbacks import OwnCallbacks
from finai_rl.config.command import CONFIG_DIR
from finai_rl.data.market import MarketData
from finai_rl.experiment.checkpoints.store import CheckpointStore
from finai_rl.experiment.checkpoints.training_state import record
from finai_rl.tracking.signals import sigterm_raises
from tests.experiment.checkpoints.resumed import (
    OUR_ENV,
    STEPS,
    differences,
    generators_of,
    history,
    tiny,
    trained,
    whole_state,
)
from tests.markets import generated_market

AGENTS = sorted(file.stem for file in (CONFIG_DIR / "agent").glob("*.yaml"))


@pytest.fixture(scope="module")
def data() -> MarketData:
    return generated_market(n_days=40, n_stocks=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_goes_on_exactly(name: str, data: MarketData, tmp_path: Path) -> None:
    cfg = tiny(f"agent={name}")
    whole = trained(cfg, data, tmp_path / "whole")
    assert trained(cfg, data, tmp_path / "broken", every=60, until=150) is None
    assert trained(cfg, data, tmp_path / "broken", every=45, until=200) is None
    resumed = trained(cfg, data, tmp_path / "broken", every=45)
    assert differences(whole_state(whole), whole_state(resumed)) == []
    assert history(tmp_path / "whole") == history(tmp_path / "broken")


@pytest.mark.parametrize(("name", "window"), [("ppo", 2), ("erl_ppo", 1)])
def test_accounts_on_tensors_go_on_exactly(
    name: str, window: int, data: MarketData, tmp_path: Path
) -> None:
    on_tensors = ("env.backend=torch", f"env.window={window}", "reward=mean_variance")
    cfg = tiny(f"agent={name}", *on_tensors, settings=OUR_ENV[:2])
    whole = trained(cfg, data, tmp_path / "whole")
    assert trained(cfg, data, tmp_path / "broken", every=60, until=150) is None
    resumed = trained(cfg, data, tmp_path / "broken", every=45)
    assert differences(whole_state(whole), whole_state(resumed)) == []
    assert history(tmp_path / "whole") == history(tmp_path / "broken")


def test_checkpoints_change_nothing(data: MarketData, tmp_path: Path) -> None:
    cfg = tiny("agent=sac")
    without = whole_state(trained(cfg, data, tmp_path / "without"))
    for every in (24, 100):
        agent = trained(cfg, data, tmp_path / str(every), every=every)
        assert differences(without, whole_state(agent)) == []
        assert history(tmp_path / "without") == history(tmp_path / str(every))


@pytest.mark.parametrize("name", ["ppo", "td3"])
def test_a_signal_writes_a_checkpoint_and_does_what_it_does(
    name: str, data: MarketData, tmp_path: Path
) -> None:
    cfg = tiny(f"agent={name}")
    whole = trained(cfg, data, tmp_path / "whole")

    class Signalled(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps == 99:
                signal.raise_signal(signal.SIGTERM)
            return True

    with sigterm_raises(), pytest.raises(SystemExit) as ended:
        trained(cfg, data, tmp_path / "run", every=10_000, callbacks=lambda *_: [Signalled()])
    assert ended.value.code == 128 + signal.SIGTERM
    ((step, _),) = CheckpointStore(tmp_path / "run", 2).files()
    assert 99 <= step <= 120
    quiet = [Signalled()]
    quiet[0]._on_step = lambda: True  # type: ignore[method-assign]
    resumed = trained(cfg, data, tmp_path / "run", every=10_000, callbacks=lambda *_: quiet)
    assert differences(whole_state(whole), whole_state(resumed)) == []


def test_a_signal_of_the_last_iteration_is_not_lost(data: MarketData, tmp_path: Path) -> None:
    class AtTheEnd(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps == STEPS:
                signal.raise_signal(signal.SIGTERM)
            return True

    cfg = tiny("agent=a2c")
    with sigterm_raises(), pytest.raises(SystemExit):
        trained(cfg, data, tmp_path / "run", every=10_000, callbacks=lambda *_: [AtTheEnd()])
    last = CheckpointStore(tmp_path / "run", 2).latest()
    assert last is not None
    assert (last.step, last.values["trained"]) == (STEPS, True)


@pytest.mark.parametrize(
    "env",
    [
        ("env=portfolio", *OUR_ENV),
        ("env=finrl",),
        ("env=finrl", "env.start_method=fork"),
        ("env=stock_trading", "env.threads=2", "env.allow_short=true", *OUR_ENV),
    ],
    ids=["portfolio", "finrl", "finrl_processes", "stock_trading"],
)
def test_environments_go_on_exactly(env: tuple[str, ...], data: MarketData, tmp_path: Path) -> None:
    cfg = tiny("agent=a2c", "env.record=true", settings=env)
    whole = trained(cfg, data, tmp_path / "whole")
    assert trained(cfg, data, tmp_path / "broken", every=48, until=150) is None
    resumed = trained(cfg, data, tmp_path / "broken", every=48)
    assert differences(whole_state(whole), whole_state(resumed)) == []
    assert history(tmp_path / "whole") == history(tmp_path / "broken")
    for agent in (whole, resumed):
        agent.get_env().close()


def test_a_curriculum_and_callbacks_go_on_where_they_stood(
    data: MarketData, tmp_path: Path
) -> None:
    class Counts(BaseCallback):
        """A callback of a user, with a state and a generator of its own."""

        def __init__(self) -> None:
            super().__init__()
            self.drawn: list[float] = []
            self.rng = np.random.default_rng(0)

        def _on_step(self) -> bool:
            self.drawn.append(float(self.rng.normal()))
            return True

    seen: list[Counts] = []

    def callbacks(agent: Any, env: Any) -> list[BaseCallback]:
        seen.append(Counts())
        ends = [StageEnd("first", 60), StageEnd("second", 190)]
        return [CurriculumProgress(ends), OwnCallbacks({"mine": seen[-1]})]

    cfg = tiny("agent=ppo", "curriculum=costs")
    whole = trained(cfg, data, tmp_path / "whole", callbacks=callbacks)
    folder = tmp_path / "broken"
    assert trained(cfg, data, folder, every=24, until=170, callbacks=callbacks) is None
    resumed = trained(cfg, data, folder, every=24, callbacks=callbacks)
    assert differences(whole_state(whole), whole_state(resumed)) == []
    assert seen[0].drawn == seen[2].drawn
    assert len(seen[0].drawn) == 80


def test_a_trained_agent_is_trained_further_exactly(data: MarketData, tmp_path: Path) -> None:
    whole = trained(tiny("agent=sac"), data, tmp_path / "whole")
    half = tiny("agent=sac", "total_timesteps=120")
    trained(half, data, tmp_path / "half", every=60)
    store = CheckpointStore(tmp_path / "half", 2)
    checkpoint = store.latest()
    assert checkpoint is not None
    assert checkpoint.values["trained"]
    further = trained(tiny("agent=sac"), data, tmp_path / "more", every=60, further=store)
    own = ("callbacks", "logger")
    apart = differences(whole_state(whole), whole_state(further))
    assert [name for name in apart if not name.startswith(own)] == []


def test_every_generator_that_can_be_reached_is_recorded(data: MarketData, tmp_path: Path) -> None:
    agent = trained(tiny("agent=td3"), data, tmp_path)
    nodes, _, unknown = record(agent, [])
    in_nodes = repr(nodes).count("'$': 'generator'")
    assert in_nodes == len(generators_of(agent))
    assert unknown == set()


def test_a_checkpoint_a_step_is_no_trouble_to_what_is_replayed(
    data: MarketData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = tiny("agent=sac")
    without = whole_state(trained(cfg, data, tmp_path / "without"))
    agent = trained(cfg, data, tmp_path / "each", every=1)
    assert "was not written" not in caplog.text
    assert differences(without, whole_state(agent)) == []


def test_a_checkpoint_that_fails_costs_no_training(
    data: MarketData, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    def fails(*_: Any) -> Any:
        raise ValueError("no state")

    cfg = tiny("agent=a2c")
    without = whole_state(trained(cfg, data, tmp_path / "without"))
    monkeypatch.setattr("finai_rl.experiment.checkpoints.progress.record", fails)
    agent = trained(cfg, data, tmp_path / "failing", every=50)
    assert "was not written: ValueError: no state" in caplog.text
    assert differences(without, whole_state(agent)) == []

"""A training that is broken off and goes on ends as one that never was, bit for bit."""

from __future__ import annotations

import enum
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from stable_baselines3.common.buffers import RolloutBuffer
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
def test_every_agent_goes_on_exactly(
    name: str, data: MarketData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = tiny(f"agent={name}")
    whole = trained(cfg, data, tmp_path / "whole")
    assert trained(cfg, data, tmp_path / "broken", every=60, until=150) is None
    assert trained(cfg, data, tmp_path / "broken", every=45, until=200) is None
    resumed = trained(cfg, data, tmp_path / "broken", every=45)
    assert differences(whole_state(whole), whole_state(resumed)) == []
    assert history(tmp_path / "whole") == history(tmp_path / "broken")
    assert not [said for said in caplog.messages if "checkpoints" in said]


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


class Phase(enum.Enum):
    WARM = 1
    MAIN = 2


def counting_schedule() -> Any:
    calls = [0]

    def schedule(remaining: float) -> float:
        calls[0] += 1
        return 1e-3 / calls[0]

    return schedule


class OwnBuffer(RolloutBuffer):
    """A buffer of a user, with statistics that outlive an iteration."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mean, self.seen = 0.0, 0

    def compute_returns_and_advantage(self, last_values: Any, dones: Any) -> None:
        super().compute_returns_and_advantage(last_values, dones)
        self.seen += 1
        self.mean += (float(self.advantages.mean()) - self.mean) / self.seen
        self.advantages -= self.mean


class OwnState(BaseCallback):
    """A callback of a user whose state is of many kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.phase = Phase.WARM
        self.window = np.zeros((2, 3))
        self.newest = self.window[:, -1]
        self.counted: Counter[str] | None = None
        self.schedule = counting_schedule()
        self.found: list[Any] = []

    def _on_step(self) -> bool:
        if self.num_timesteps > 60:
            self.phase = Phase.MAIN
            self.counted = self.counted or Counter()
            self.counted[self.phase.name] += 1
        self.window[:] = np.roll(self.window, -1, axis=1)
        self.newest += self.num_timesteps
        rate = self.schedule(1.0)
        self.found.append((self.phase.name, self.window.sum(), rate, dict(self.counted or {})))
        return True


def test_state_of_every_kind_goes_on_exactly(
    data: MarketData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[OwnState] = []

    def callbacks(agent: Any, env: Any) -> list[BaseCallback]:
        seen.append(OwnState())
        return [seen[-1]]

    named = f"_target_: hydra.utils.get_class, path: {OwnBuffer.__module__}.OwnBuffer"
    buffer = f"+agent.rollout_buffer_class={{{named}}}"
    cfg = tiny("agent=a2c", buffer, "trusted_packages=[tests]")
    whole = trained(cfg, data, tmp_path / "whole", callbacks=callbacks)
    folder = tmp_path / "broken"
    assert trained(cfg, data, folder, every=24, until=170, callbacks=callbacks) is None
    resumed = trained(cfg, data, folder, every=24, callbacks=callbacks)
    assert differences(whole_state(whole), whole_state(resumed)) == []
    # Those of the interrupted attempt behind the checkpoint are taken again.
    assert seen[0].found == seen[2].found
    assert not [line for line in caplog.messages if "checkpoints" in line]


def test_what_cannot_go_on_is_told_when_it_is_written(
    data: MarketData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Tracker:
        days = 0

    class Late(BaseCallback):
        def _on_step(self) -> bool:
            self.tracker = getattr(self, "tracker", Tracker())
            self.table = pd.DataFrame({"step": [self.num_timesteps]})
            return True

    trained(tiny("agent=a2c"), data, tmp_path / "run", every=24, callbacks=lambda *_: [Late()])
    told = [line for line in caplog.messages if "checkpoints" in line]
    assert len(told) == 2
    assert "not known: pandas" in told[0]
    assert "when a training begins there is no callbacks[" in told[1]
    assert "].tracker (" in told[1]
    assert "Tracker); make it in the constructor" in told[1]


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

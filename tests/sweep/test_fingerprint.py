"""What makes two searches the same."""

from __future__ import annotations

from typing import Any

import pytest

from finai_rl.config.check import check
from finai_rl.config.schemas import MOVED_TARGETS
from finai_rl.sweep.fingerprint import differences, settings_of, short_hash
from finai_rl.sweep.space import SearchSpace
from tests.config.composition import composed

PARAMS = {"agent.learning_rate": "tag(log,interval(1e-5,1e-2))"}


def settings(
    *overrides: str,
    params: dict[str, Any] = PARAMS,
    conditional: dict[str, Any] | None = None,
    direction: str = "maximize",
    sha256: str = "0" * 64,
) -> dict[str, str]:
    space = SearchSpace.parse(params, conditional or {}, overrides)
    cfg = check(composed(*space.first()))
    return settings_of(cfg, space, direction, sha256)


@pytest.fixture(scope="module")
def plain() -> dict[str, str]:
    return settings("agent=ppo")


def test_the_same_command_has_the_same_name(plain: dict[str, str]) -> None:
    assert short_hash(settings("agent=ppo")) == short_hash(plain)
    assert len(short_hash(plain)) == 8
    assert short_hash(dict(reversed(plain.items()))) == short_hash(plain)


def test_callbacks_are_part_of_it_where_there_are_any(plain: dict[str, str]) -> None:
    # A search that was made before there were callbacks goes on.
    assert "callbacks" not in plain
    assert "env.pro_rata" not in plain
    assert settings("agent=ppo", "env.pro_rata=true")["env.pro_rata"] == "true"
    stop = "{_target_: stable_baselines3.common.callbacks.StopTrainingOnMaxEpisodes}"
    assert "callbacks" in settings("agent=ppo", f"callbacks=[{stop}]")


@pytest.mark.parametrize(
    "override",
    [
        "tracking=none",
        "tracking.experiment_name=other",
        "tracking.uri=sqlite:///elsewhere.db",
        "sweep.register=true",
        "sweep.alias=champion",
        "sweep.trial=3",
        "sweep.attempt=2",
        "output_root=elsewhere",
        "model_dir=elsewhere",
        "progress_bar=false",
        "log_interval=3",
        "checkpoint_every=null",
        "trusted_packages=[mine]",
        "+agent.tensorboard_log=board",
    ],
)
def test_where_results_go_changes_nothing(plain: dict[str, str], override: str) -> None:
    assert settings("agent=ppo", override) == plain


def test_a_store_named_by_a_variable_changes_nothing(
    plain: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "stocks")
    assert settings("agent=ppo") == plain


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "objective=sortino_ratio",
        "total_timesteps=1000",
        "agent=a2c",
        "agent.gamma=0.9",
        "env.n_envs=8",
        "data.tickers=[AAPL,JPM]",
        "split.train=0.6",
        "evaluation.risk_free=0.01",
        "sweep.seeds=3",
        "sweep.aggregate=iqm",
        "sweep.ruined=-5",
        "sweep.evaluations=3",
    ],
)
def test_what_objectives_depend_on_changes_the_name(plain: dict[str, str], override: str) -> None:
    assert short_hash(settings("agent=ppo", override)) != short_hash(plain)


def test_ranges_and_direction_change_the_name(plain: dict[str, str]) -> None:
    wider = settings("agent=ppo", params={"agent.learning_rate": "tag(log,interval(1e-5,1e-1))"})
    more = settings("agent=ppo", params={**PARAMS, "agent.gamma": "interval(0.9,0.99)"})
    turned = settings("agent=ppo", direction="minimize")
    assert len({short_hash(known) for known in (plain, wider, more, turned)}) == 4


def test_what_varies_is_known_by_its_range_alone(plain: dict[str, str]) -> None:
    assert "agent.learning_rate" not in plain
    assert "agent.gamma" in plain
    assert "1e-05" in plain["range of agent.learning_rate"]
    branches = {"agent": {"ppo": PARAMS}}
    known = settings("agent=ppo,a2c", params={}, conditional=branches)
    assert not [key for key in known if key.startswith("agent.")]
    assert set(key for key in known if key.startswith("range of ")) == {
        "range of agent",
        "range of ppo:agent.learning_rate",
    }


def test_differences_can_be_read() -> None:
    then, now = {"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "4", "d": "5"}
    assert differences(then, now) == [
        "b: 2 then, 4 now",
        "c: 3 then, not set now",
        "d: not set then, 5 now",
    ]
    assert differences(then, then) == []


def test_a_search_keeps_its_name_when_a_target_gets_another(plain: dict[str, str]) -> None:
    recorded = {new: old for old, new in MOVED_TARGETS.items()}
    for data in ("sp500", "synthetic", "processed_csv", "yahoo"):
        known = settings("agent=ppo", f"data={data}")
        target = composed(f"data={data}").data._target_
        assert known["data._target_"] == recorded[target]
    assert plain["data._target_"] in MOVED_TARGETS

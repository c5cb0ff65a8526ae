"""A curriculum from its YAML to the step at which an agent goes on, or to one message."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from finai_rl.config.check import check
from finai_rl.config.command import CONFIG_DIR
from finai_rl.data import synthetic_market
from finai_rl.data.market import MarketData
from finai_rl.errors import ConfigError
from finai_rl.experiment.environments import Environments
from finai_rl.train import train
from tests.config.composition import composed
from tests.markets import generated_market

OPTIONS = sorted(file.stem for file in (CONFIG_DIR / "curriculum").glob("*.yaml"))
SMALL = ("data=synthetic", "data.n_days=120", "data.n_stocks=3", "debug=fast", "tracking=none")
OFTEN = ("env.episode_days=20", "log_interval=1")
MARKET = generated_market(n_days=80, n_stocks=3)


def with_stages(*stages: dict[str, Any], overrides: tuple[str, ...] = ()) -> Any:
    cfg = composed(*overrides)
    cfg.curriculum = {"stages": list(stages)}
    return cfg


def stages_of(cfg: Any, *blocks: MarketData) -> list[Any]:
    return list(Environments(check(cfg)).training(*(blocks or (MARKET,))).unwrapped.stages)


def stage(**changes: Any) -> dict[str, Any]:
    return {"name": "first", "until": 0.5, **changes}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_curriculum_can_be_learned_by(option: str) -> None:
    cfg = composed(f"curriculum={option}")
    stages = stages_of(cfg)
    assert len(stages) == len(cfg.curriculum.stages) + 1
    own = stages[-1].unwrapped
    for before in stages[:-1]:
        other = before.unwrapped
        same = other.data is own.data and (other.terms.rates == own.terms.rates).all()
        assert not same or other.episode_steps != own.episode_steps


def test_without_one_the_environment_is_what_it_was() -> None:
    env = Environments(check(composed())).training(MARKET)
    assert not hasattr(env.unwrapped, "stages")


def test_a_stage_has_its_own_settings_and_days() -> None:
    first, last = MARKET.day_names[10], MARKET.day_names[40]
    changes = stage(env={"buy_cost_pct": 0.0}, first_day=first, last_day=last)
    early, own = (env.unwrapped for env in stages_of(with_stages(changes)))
    assert early.data.day_names == MARKET.day_names[10:41]
    assert (early.terms.rates[0] == 0).all()
    assert (early.terms.rates[1] == own.terms.rates[1]).all()
    assert own.data is MARKET


def test_the_calmest_days_are_those_of_the_lowest_risk() -> None:
    calm = stages_of(with_stages(stage(calmest=0.25)))[0].unwrapped.data
    assert calm.n_days == 20
    risk = MARKET.risk
    assert risk is not None
    means = [risk[day : day + 20].mean() for day in range(61)]
    assert calm.day_names[0] == MARKET.day_names[int(np.argmin(means))]


def test_a_generated_market_has_the_shape_of_the_data() -> None:
    node = {"_target_": "finai_rl.data.synthetic_market", "kind": "momentum", "n_days": 50}
    first = stages_of(with_stages(stage(data=node)))[0].unwrapped.data
    assert (first.n_days, first.n_stocks, len(first.feature_names)) == (50, 3, 2)


def test_a_generated_market_may_have_another_strength() -> None:
    overrides = ("data=synthetic", "data.kind=momentum", "data.n_days=60", "data.n_stocks=3")
    cfg = with_stages(stage(data={"sharpe_ratio": 12.0}), overrides=overrides)
    market = synthetic_market(kind="momentum", n_days=60, n_stocks=3)
    strong, own = stages_of(cfg, market)
    assert own.unwrapped.data is market
    assert strong.unwrapped.data.n_days == 60
    assert not np.array_equal(strong.unwrapped.data.close, own.unwrapped.data.close)


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "finai_rl.data.synthetic_market", "kind": "noise", "n_days": 60},
        {"sharpe_ratio": 12.0},
        {"seed": 0, "kind": "pair"},
    ],
)
def test_a_generated_stage_tells_nothing_of_the_days_of_a_generated_market(
    node: dict[str, Any],
) -> None:
    overrides = ("data=synthetic", "data.kind=momentum", "data.n_days=60", "data.n_stocks=3")
    market = synthetic_market(kind="momentum", n_days=60, n_stocks=3)
    first = stages_of(with_stages(stage(data=node), overrides=overrides), market)[0].unwrapped.data
    assert not np.isin(first.features, market.features).any()
    moves = [np.diff(np.log(one.close), axis=0).ravel() for one in (first, market)]
    assert abs(np.corrcoef(*moves)[0, 1]) < 0.35


def test_the_last_day_of_a_stage_has_all_of_its_bars() -> None:
    days = np.datetime64("2024-01-02") + np.repeat(np.arange(4), 6)
    hours = np.tile(np.arange(10, 16), 4)
    dates = (days.astype("datetime64[h]") + hours).astype("datetime64[ns]")
    bars = replace(generated_market(n_days=24, n_stocks=3), dates=dates)
    for last, n_bars in (("2024-01-04", 12), ("2024-01-04T11", 8)):
        cfg = with_stages(stage(first_day="2024-01-03", last_day=last))
        assert stages_of(cfg, bars)[0].unwrapped.data.n_days == n_bars


def test_each_stretch_of_days_is_learned_on_in_every_stage() -> None:
    blocks = MARKET.slice_days(0, 30), MARKET.slice_days(50, 80)
    cfg = with_stages(stage(env={"buy_cost_pct": 0.0}), overrides=("env.episode_days=10",))
    assert [len(env.segments) for env in stages_of(cfg, *blocks)] == [2, 2]
    with pytest.raises(ConfigError, match="days are held out in between"):
        stages_of(with_stages(stage(calmest=0.5), overrides=("env.episode_days=10",)), *blocks)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"env": {"buy_cots": 0}}, "stages[0].env.buy_cots: no such setting; did you mean"),
        ({"env": {"buy_cost_pct": 2.0}}, "stages[0].env.buy_cost_pct: must be below 1, got 2.0"),
        ({"env": {"n_envs": 2}}, "stages[0].env.n_envs: is the same in all stages"),
        ({"env": {"window": 2}}, "stages[0].env.window: is the same in all stages"),
        ({}, "stages[0]: changes nothing; give it one of env, data, first_day"),
        ({"calmest": 1.5}, "stages[0].calmest: must lie between 0 and 1"),
        ({"calmest": 0.5, "last_day": "2020-02-01"}, "calmest: chooses the days"),
        ({"calmest": 0.5, "until": None}, "stages[0].until: must not be null"),
        ({"calmest": 0.5, "until": 1.0}, "stages[0].until: must lie between 0 and 1, got 1.0"),
        ({"calmest": 0.5, "every": 100}, "every: the steps between looks at until_score"),
        ({"calmest": 0.5, "untl": 1}, "stages[0].untl: no such setting; did you mean"),
        ({"data": {"_target_": "os.system"}}, "data._target_: os.system is not in a package"),
    ],
)
def test_what_is_no_stage_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        check(with_stages(stage(**changes)))
    assert said in str(refusal.value)


def test_stages_end_one_after_the_other() -> None:
    second = stage(calmest=0.3, until=0.4)
    with pytest.raises(ConfigError, match=r"stages\[1\].until: must be above .* 0.5, got 0.4"):
        check(with_stages(stage(calmest=0.2), second))
    with pytest.raises(ConfigError, match="must be a list of stages"):
        check(with_stages())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"env": {"indicators": []}}, "its observations are Box"),
        ({"env": {"fill": "next_open", "turbulence_threshold": float("nan")}}, "turbulence_thres"),
        ({"last_day": "2019-01-01"}, "first_day, last_day: 0 of its days lie between"),
        ({"last_day": "soon"}, "first_day, last_day: no date"),
        (
            {"data": {"_target_": "finai_rl.data.synthetic_market", "n_stocks": 5}},
            "its observations are Box",
        ),
    ],
)
def test_a_stage_that_cannot_be_built_is_one_message(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        stages_of(with_stages(stage(**changes)))
    lines = str(refusal.value).splitlines()
    assert lines[1].startswith(
        ("  - curriculum.stages[0] (first): ", "  - curriculum.stages[0].env.")
    )
    assert said in lines[1]


def test_a_stage_needs_a_risk_index_to_know_what_is_calm() -> None:
    from dataclasses import replace

    with pytest.raises(ConfigError, match="calmest: needs a risk index"):
        stages_of(with_stages(stage(calmest=0.5)), replace(MARKET, risk=None, risk_name=None))


def test_episodes_are_no_length_of_a_curriculum() -> None:
    with pytest.raises(ConfigError, match="total_episodes: stages of a curriculum end by total"):
        stages_of(with_stages(stage(calmest=0.5), overrides=("total_episodes=3",)))


@pytest.mark.parametrize("agent", ["a2c", "td3", "erl_a2c"])
def test_an_agent_goes_on_at_the_step_that_is_due(agent: str, tmp_path: Path) -> None:
    if agent.startswith("erl"):
        pytest.importorskip("elegantrl")
    free = stage(env={"buy_cost_pct": 0.0}, until=0.25)
    cfg = with_stages(free, overrides=(*SMALL, f"agent={agent}", *OFTEN))
    train(cfg, tmp_path / "once")
    # Where several episodes end in one step, an agent logs a row for each, but it once.
    progress = pd.read_csv(tmp_path / "once" / "progress.csv").dropna(subset="curriculum/stage")
    stages, steps = progress["curriculum/stage"], progress["time/total_timesteps"]
    total = cfg.total_timesteps
    assert set(stages) == {1, 2}
    assert (stages[steps < 0.25 * total] == 1).all()
    assert (stages[steps >= 0.25 * total] == 2).all()
    assert stages.iloc[-1] == 2
    assert steps[stages == 2].min() < 0.25 * total + 100
    train(OmegaConf.create(cfg), tmp_path / "again")
    books = Path("backtest", "account_value.csv")
    one, other = (pd.read_csv(tmp_path / name / books) for name in ("once", "again"))
    pd.testing.assert_frame_equal(one, other)


def test_a_score_ends_a_stage_before_its_time(tmp_path: Path) -> None:
    easy = stage(
        env={"buy_cost_pct": 0.0}, until=0.9, until_score={"sharpe_ratio": -1e9}, every=200
    )
    cfg = with_stages(easy, overrides=(*SMALL, "agent=a2c", "log_interval=1"))
    train(cfg, tmp_path / "easy")
    progress = pd.read_csv(tmp_path / "easy" / "progress.csv")
    left = progress["time/total_timesteps"][progress["curriculum/stage"] == 2].min()
    assert 200 <= left <= 300
    cfg.curriculum.stages[0].until_score = {"sharpe_ratio": 1e9}
    train(cfg, tmp_path / "hard")
    progress = pd.read_csv(tmp_path / "hard" / "progress.csv")
    left = progress["time/total_timesteps"][progress["curriculum/stage"] == 2].min()
    assert left >= 0.9 * cfg.total_timesteps
    cfg.curriculum.stages[0].until_score = {"sharp": 1.0}
    with pytest.raises(
        ConfigError, match=r"stages\[0\]\.until_score: no metric 'sharp'; did you mean sharpe_ratio"
    ):
        train(cfg, tmp_path / "unknown")


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_an_agent_learns_by_every_curriculum(option: str, tmp_path: Path) -> None:
    cfg = composed(*SMALL, "agent=a2c", f"curriculum={option}", "data.kind=regimes")
    assert np.isfinite(train(cfg, tmp_path))

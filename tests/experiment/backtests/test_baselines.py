"""Baselines and random agents on a run's own terms."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finai_rl.data.cache.code import PACKAGE
from finai_rl.data.market import MarketData
from finai_rl.errors import ConfigError
from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
from finai_rl.evaluation.result import BacktestResult
from finai_rl.experiment.backtests import baselines
from finai_rl.experiment.backtests.baselines import LABELS, RULES, run_baselines, run_random_band
from finai_rl.experiment.backtests.holdout import Holdout
from finai_rl.experiment.environments import Environments, Opening
from tests.config.composition import composed
from tests.markets import generated_market

MARKET = generated_market(n_days=110, n_stocks=5, seed=4, drift=0.0005)
# Some stocks move more than others: else shrinkage takes every covariance for the same.
WHOLE = replace(MARKET, close=MARKET.close * (MARKET.close / MARKET.close[0]) ** np.arange(5))
HISTORY, BLOCK = WHOLE.slice_days(0, 50), WHOLE.slice_days(50, 110)
NO_RESULT = ("errors.py", "type_aliases.py", "data/cache/", "config/safety/")
"""What runs with a baseline and cannot change its result: exceptions, types, files, refusals."""

EVERY_BASELINE = """
import sys
import numpy as np
from omegaconf import OmegaConf
from finai_rl.data.market import DataSource, MarketData
from finai_rl.experiment.backtests.baselines import LABELS, run_baselines
from finai_rl.experiment.environments import Environments, Opening
close = 50 * np.exp(np.random.default_rng(0).normal(0, 0.01, (90, 4)).cumsum(axis=0))
whole = MarketData(
    np.datetime64("2020-01-01") + np.arange(90), tuple("ABCD"), close, np.empty((90, 0, 4)), (),
    DataSource("made", "0" * 64),
)
env = {"_target_": "finai_rl.envs.stock_trading.StockTradingVecEnv", "buy_cost_pct": 0.001}
cfg = OmegaConf.create({"env": env, "evaluation": {"env": {}}, "seed": 0})
block, history = whole.slice_days(50, 90), whole.slice_days(0, 50)
opening = Opening(1e6, (0.0,) * 4)
run_baselines(Environments(cfg), block, history, list(LABELS), opening=opening, window=40)
print(*(m.__file__ for name, m in sys.modules.items() if name.partition(".")[0] == "finai_rl"))
"""

CHEAP = ("cash", "equal_weight", "equal_weight_rebalanced", "inverse_volatility", "momentum")


def ran(
    *overrides: str,
    names: tuple[str, ...] = CHEAP,
    data: MarketData = BLOCK,
    history: MarketData | None = HISTORY,
    **settings: Any,
) -> dict[str, BacktestResult]:
    settings = {"opening": Opening(1e6, (0.0,) * 5), "window": 40} | settings
    return run_baselines(Environments(composed(*overrides)), data, history, names, **settings)


def test_every_baseline_has_the_blocks_days_and_an_account_of_its_own() -> None:
    results = ran("env.hmax=100000", names=tuple(LABELS))
    assert list(results) == list(LABELS)
    for name, result in results.items():
        assert result.name == LABELS[name]
        assert result.dates.tolist() == BLOCK.dates.tolist()
        assert result.account_value[0] == 1e6
        decided = [0, 21, 42] if name in RULES else [] if name == "cash" else [0]
        assert np.flatnonzero(result.trades.any(axis=1)).tolist() == decided
        assert np.abs(result.trades).max() < 100_000
    assert (results["cash"].account_value == 1e6).all()
    values = {result.account_value[-1] for result in results.values()}
    assert len(values) == len(results)


def test_buy_and_hold_is_the_holdouts() -> None:
    holdout = Holdout(Environments(composed("env.fill=next_open")), BLOCK)
    result = ran("env.fill=next_open", names=("equal_weight",))["equal_weight"]
    np.testing.assert_array_equal(result.account_value, holdout.baseline.account_value)


@pytest.mark.parametrize("env", ["stock_trading", "portfolio", "finrl"])
def test_terms_are_those_of_the_agents_evaluation_whatever_its_environment(env: str) -> None:
    costs = ("+evaluation.env.buy_cost_pct=0.01", "+evaluation.env.sell_cost_pct=0.02")
    for name, result in ran(f"env={env}", *costs).items():
        traded = result.trades * result.fill_price
        due = 0.01 * np.maximum(traded, 0) + 0.02 * np.maximum(-traded, 0)
        np.testing.assert_allclose(result.costs, due.sum(axis=1), err_msg=name)


def test_later_prices_change_no_earlier_trade() -> None:
    close = BLOCK.close.copy()
    close[43:, 0] *= 3
    other = ran(data=replace(BLOCK, close=close))
    for name, result in ran().items():
        np.testing.assert_array_equal(result.trades[:43], other[name].trades[:43])


def test_too_little_history_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with_enough = ran()
    assert not caplog.text
    alone = ran(history=None)
    assert "inverse_volatility, momentum: equal weight on the first 40 of 60 days" in caplog.text
    first = alone["momentum"].trades[0]
    assert first.tolist() == with_enough["equal_weight_rebalanced"].trades[0].tolist()
    assert first.tolist() != with_enough["momentum"].trades[0].tolist()


def test_results_are_found_again_bit_by_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ran(cache_folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == len(CHEAP)

    def never(*_: Any) -> None:
        raise AssertionError("a baseline was run again")

    monkeypatch.setattr(baselines, "backtest", never)
    monkeypatch.setattr(baselines, "backtests", never)
    # Neither the agent nor its seed, its risk rule or its observations are a baseline's.
    again = ran("agent=sac", "seed=7", "env.turbulence_threshold=1", cache_folder=tmp_path)
    for name, result in first.items():
        assert_same_bits(result, again[name])


def assert_same_bits(result: BacktestResult, other: BacktestResult) -> None:
    for field in fields(result):
        one, two = getattr(result, field.name), getattr(other, field.name)
        same = one.tobytes() == two.tobytes() if isinstance(one, np.ndarray) else one == two
        assert same, (result.name, field.name)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("env.fractional_shares=true", "env.fill=next_open"),
        ("env.max_order=0.05", "env.slippage_bps=5"),
        ("env.finrl_compat=true",),
        ("env=portfolio", "env.buy_cost_pct={S00: 0.01, S01: 0, S02: 0.002, S03: 0, S04: 0.03}"),
        ("env=portfolio", "env.fractional_shares=false", "env.impact=0.5"),
    ],
    ids=str,
)
def test_baselines_run_together_are_as_they_are_alone(
    tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    names = tuple(name for name in LABELS if name != "hierarchical_risk_parity")
    together = ran(*overrides, names=names)
    # What is found is not run again beside those that are not there yet.
    ran(*overrides, names=names[2:4], cache_folder=tmp_path)
    rest = ran(*overrides, names=names, cache_folder=tmp_path)
    assert list(together) == list(rest) == list(names)
    for name in names:
        alone = ran(*overrides, names=(name,))[name]
        assert_same_bits(together[name], alone)
        assert_same_bits(rest[name], alone)


@pytest.mark.parametrize(
    "change",
    [
        {"overrides": ["env.buy_cost_pct=0.002"]},
        {"overrides": ["+evaluation.env.sell_cost_pct=0.002"]},
        {"overrides": ["env.slippage_bps=1"]},
        {"overrides": ["env.impact=0.1"]},
        {"overrides": ["env.fill=next_open"]},
        {"overrides": ["env.hmax=99"]},
        {"overrides": ["env.fractional_shares=true"]},
        {"overrides": ["env.pro_rata=true"]},
        {"overrides": ["env.finrl_compat=true"]},
        {"opening": Opening(999_999.0, (0.0,) * 5)},
        {"opening": Opening(1e6, (1.0, 0.0, 0.0, 0.0, 0.0))},
        {"every": 5},
        {"window": 41},
        {"history": None},
        {"history": WHOLE.slice_days(0, 49)},
        {"data": replace(BLOCK, close=np.nextafter(BLOCK.close, 0))},
        {"data": replace(BLOCK, open=BLOCK.close)},
        {"data": replace(BLOCK, dates=BLOCK.dates + np.timedelta64(1, "D"))},
        {"data": replace(BLOCK, source=replace(BLOCK.source, sha256="other"))},
        {"data": BLOCK.slice_days(0, 59)},
    ],
    ids=str,
)
def test_any_change_of_data_terms_or_settings_is_computed_anew(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    names = ("inverse_volatility",)
    ran(names=names, cache_folder=tmp_path)
    overrides = change.pop("overrides", [])
    ran(*overrides, names=names, cache_folder=tmp_path, **change)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_feature_that_forbids_trades_is_no_other_markets(tmp_path: Path) -> None:
    free = replace(BLOCK, features=BLOCK.features.copy())
    free.features[:, 0] = 0.5
    banned = replace(free, features=free.features.copy())
    banned.features[:20, 0, 2] = 1.0
    shares = [
        ran("env.finrl_compat=true", names=("equal_weight",), data=data, cache_folder=tmp_path)[
            "equal_weight"
        ].shares[10, 2]
        for data in (free, banned)
    ]
    assert shares[0] > 0
    assert shares[1] == 0


@pytest.mark.slow
def test_every_module_that_may_change_a_result_is_hashed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERY_BASELINE],
        cwd=PACKAGE.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = {Path(file).relative_to(PACKAGE).as_posix() for file in done.stdout.split()}
    assert {"envs/kernels/stepping.py", "evaluation/policies/weight_rules.py"} < loaded
    hashed = {name for name in loaded if any(name.startswith(room) for room in baselines.CODE)}
    rooms = {name for name in loaded if name.endswith("__init__.py")}
    others = loaded - hashed - rooms
    assert {name for name in others if not name.startswith(NO_RESULT)} == set()


@pytest.mark.parametrize(
    ("overrides", "settings", "said"),
    [
        ((), {"names": ("momentun",)}, "no baseline 'momentun'; choose from.*'momentum'"),
        ((), {"window": 10, "names": ("momentum",)}, "momentum: .*more than 21 returns"),
        (
            (),
            {"opening": Opening(1.0, (0.0,) * 5), "names": ("equal_weight",)},
            r"does not buy one share.*raise it, or set env\.fractional_shares=true",
        ),
        ((), {"history": BLOCK}, "must end before"),
        (("env.buy_cost_pct=2",), {}, "buy_cost_pct"),
    ],
)
def test_what_cannot_be_run_is_said_in_terms_of_the_config(
    overrides: tuple[str, ...], settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        ran(*overrides, **settings)


@pytest.mark.parametrize("env", ["stock_trading", "portfolio"])
def test_random_agents_trade_the_agents_turnover_on_its_terms(env: str) -> None:
    cfg = composed(f"env={env}", "+evaluation.env.num_stock_shares=[10,0,0,0,20]")
    market = Environments(cfg).evaluation(BLOCK)
    action = np.array([0.2, -0.1, 0.3, 0.1, -0.2, 0.0])[: market.action_space.shape[0]]
    agent = backtest(ConstantAction(action), market, BLOCK, "agent")
    band = run_random_band(Environments(cfg), BLOCK, agent, n_draws=100, seed=1)
    assert band.account_value.shape == (100, BLOCK.n_days)
    np.testing.assert_allclose(band.account_value[:, 0], agent.account_value[0])
    # Not all of it: the draws have to sell other stocks than they open with.
    assert band.turnover_error.max() < 0.1 * band.agent_turnover
    assert 0 <= band.sharpe_percentile <= 100
    np.testing.assert_array_equal(
        band.total_return,
        run_random_band(Environments(cfg), BLOCK, agent, n_draws=100, seed=1).total_return,
    )

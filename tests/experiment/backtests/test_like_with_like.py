"""The benchmark lives in the agent's market, at every price, account size and number of stocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from finai_rl.data.market import MarketData
from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.metrics import exposures, metrics
from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
from finai_rl.evaluation.policies.target_weights import ORDER_LIMIT
from finai_rl.evaluation.result import BacktestResult
from finai_rl.experiment.backtests.baselines import equal_weight, run_baselines, run_random_band
from finai_rl.experiment.environments import Environments, Opening
from tests.config.composition import composed
from tests.evaluation.accounts import ScriptedPolicy
from tests.markets import generated_market

NAMES = ("cash", "equal_weight", "equal_weight_rebalanced", "inverse_volatility", "momentum")
LIMIT = 10**12
MONEY = {"final_account_value", "total_costs"}
"""Metrics in the currency of the prices."""

several_seeds = settings(max_examples=30, deadline=None)


def market(seed: int, n_stocks: int, n_days: int = 12) -> MarketData:
    """Make a market whose stocks cost between 0.0001 and 500,000."""
    data = generated_market(n_days, n_stocks, seed=seed)
    lots = np.random.default_rng(seed)
    level = 10 ** lots.uniform(-4, np.log10(500_000), n_stocks) / data.close[0]
    assert data.open is not None
    return replace(data, close=data.close * level, open=data.open * level)


def environments(env: str, cash: float, *, fractional: bool, hmax: int = LIMIT) -> Environments:
    # Which order is the largest one in shares, and is served first, is a matter of the price.
    # Weights of nothing at all are linear: a softmax leaves a little of everything.
    shares = [f"env.hmax={hmax}", "env.pro_rata=true"]
    own = shares if env == "stock_trading" else ["env.weights=linear"]
    return Environments(
        composed(
            f"env={env}", f"env.fractional_shares={str(fractional).lower()}",
            f"env.initial_amount={cash}", *own,
        )
    )  # fmt: skip


def asking_for_the_same(
    built: Environments, data: MarketData, baseline: BacktestResult
) -> BacktestResult:
    """Backtest an agent that asks for equal weights once, in its own words."""
    env = built.evaluation(data)
    if built.order_limit is None:
        action = np.append(np.ones(data.n_stocks), -1.0)
        return backtest(ConstantAction(action), env, data, "agent")
    actions = np.zeros((data.n_days, data.n_stocks))
    # Half a share more, which an order of whole shares loses again.
    extra = 0.5 * (baseline.trades % 1 == 0) * (baseline.trades > 0)
    actions[:-1] = (baseline.trades + extra) / built.order_limit.shares
    return backtest(ScriptedPolicy(actions), env, data, "agent")


@several_seeds
@given(
    seed=st.integers(0, 10_000), n_stocks=st.sampled_from([1, 2, 3, 29, 120, 500]),
    cash=st.floats(100, 1e9), fractional=st.booleans(),
    env=st.sampled_from(["stock_trading", "portfolio"]),
)  # fmt: skip
def test_the_benchmark_is_invested_as_an_agent_that_asks_for_the_same(
    seed: int, n_stocks: int, cash: float, fractional: bool, env: str
) -> None:
    data = market(seed, n_stocks)
    built = environments(env, cash, fractional=fractional)
    if not fractional and cash < 2 * data.close[0].min():
        return
    # More shares than a benchmark orders at once: a hundred million of money in a stock of 0.0001.
    assume(cash / data.close[0].min() < ORDER_LIMIT)
    baseline = equal_weight(built, data, Opening(cash, (0.0,) * n_stocks))
    agent = asking_for_the_same(built, data, baseline)
    # Costs are known to the benchmark, and cut the agent's orders, of whole shares by up to one.
    share = 0.0 if fractional else float(data.close[0].max(where=baseline.shares[1] > 0, initial=0))
    apart = abs(exposures(baseline)[0] - exposures(agent)[0])
    assert apart <= 2e-3 + share / cash
    held = (baseline.shares[1] > 0), (agent.shares[1] > 0)
    assert (held[0] == held[1]).mean() > 0.95


def every_account(built: Environments, data: MarketData, cash: float) -> dict[str, Any]:
    """Return the metrics of every baseline and of random agents, those in money left out."""
    opening = Opening(cash, (0.0,) * data.n_stocks)
    history, block = data.slice_days(0, 30), data.slice_days(30, data.n_days)
    results = run_baselines(built, block, history, NAMES, opening=opening, every=5, window=25)
    found = {
        name: {k: v for k, v in metrics(result).items() if k not in MONEY}
        for name, result in results.items()
    }
    band = run_random_band(built, block, results["momentum"], n_draws=8)
    return found | {"random": {"sharpe": band.sharpe_ratio, "turnover": band.turnover}}


def assert_same(found: dict[str, Any], expected: dict[str, Any], tolerance: float) -> None:
    for name, values in expected.items():
        for metric, value in values.items():
            np.testing.assert_allclose(
                found[name][metric], value, rtol=tolerance, atol=tolerance, err_msg=name + metric
            )


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 999), fractional=st.booleans(), power=st.integers(-12, 12),
    env=st.sampled_from(["stock_trading", "portfolio"]), cash=st.floats(1e3, 1e7),
)  # fmt: skip
def test_other_units_of_money_change_no_metric(
    seed: int, fractional: bool, power: int, env: str, cash: float
) -> None:
    data = generated_market(50, 5, seed=seed)
    assert data.open is not None
    unit = 2.0**power
    scaled = replace(data, close=data.close * unit, open=data.open * unit)
    expected, found = (
        every_account(environments(env, money, fractional=fractional), prices, money)
        for prices, money in ((data, cash), (scaled, cash * unit))
    )
    assert_same(found, expected, 1e-9)


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 999), parts=st.integers(2, 50), stock=st.integers(0, 4),
    env=st.sampled_from(["stock_trading", "portfolio"]), impact=st.sampled_from([0.0, 1.0]),
)  # fmt: skip
def test_a_split_changes_no_metric_where_fractions_are_traded(
    seed: int, parts: int, stock: int, env: str, impact: float
) -> None:
    data = generated_market(50, 5, seed=seed)
    assert data.volume is not None
    assert data.open is not None
    factor = np.ones(5)
    factor[stock] = parts
    split = replace(
        data, close=data.close / factor, open=data.open / factor, volume=data.volume * factor
    )
    built = environments(env, 1e5, fractional=True)
    built.evaluation_settings["impact"] = impact
    expected, found = (every_account(built, prices, 1e5) for prices in (data, split))
    # Random agents see prices in float32.
    assert_same(found, expected, 1e-5)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000), n_stocks=st.sampled_from([1, 2, 29, 200]),
    cash=st.floats(1e3, 1e9), fractional=st.booleans(), hmax=st.sampled_from([1, 100, LIMIT]),
    fill=st.sampled_from(["same_close", "next_open", "next_close"]),
    env=st.sampled_from(["stock_trading", "portfolio"]),
)  # fmt: skip
def test_every_account_adds_up_and_owes_nothing(
    seed: int, n_stocks: int, cash: float, fractional: bool, hmax: int, fill: str, env: str
) -> None:
    data = market(seed, n_stocks, n_days=50)
    if not fractional and cash < 2 * data.close.min(axis=1).max():
        return
    built = environments(env, cash, fractional=fractional, hmax=hmax)
    built.evaluation_settings |= {"fill": fill, "slippage_bps": 5.0}
    history, block = data.slice_days(0, 30), data.slice_days(30, 50)
    opening = Opening(cash, (0.0,) * n_stocks)
    results = run_baselines(built, block, history, NAMES, opening=opening, every=5, window=25)
    for name, result in results.items():
        held, traded = result.shares, result.trades * result.fill_price
        gains = (held[1:] * result.close[1:] - held[:-1] * result.close[:-1]).sum(axis=1)
        change = gains - traded.sum(axis=1) - result.costs
        np.testing.assert_allclose(
            np.diff(result.account_value), change, rtol=0, atol=1e-9 * cash, err_msg=name
        )
        np.testing.assert_allclose(
            result.costs, 0.0015 * np.abs(traded).sum(axis=1), atol=1e-9 * cash, err_msg=name
        )
        assert result.cash.min() >= 0, name
        assert held.min() >= 0, name
        assert built.order_limit is None or np.abs(result.trades).max() <= hmax, name
        if not fractional:
            assert (held == np.round(held)).all(), name

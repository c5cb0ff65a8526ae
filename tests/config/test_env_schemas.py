"""The roles of an environment's settings, against what constructors and configs have."""

from __future__ import annotations

import inspect

import pytest

from finai_rl.config.env_schemas import COST, EPISODE, WRAPPER, baseline_rules, settings_with
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.terms import terms_of_trade
from finai_rl.envs.wrappers.observations import normalized
from tests.config.composition import composed
from tests.markets import generated_market


def parameters(function: object) -> set[str]:
    return set(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_costs_are_terms_of_trade() -> None:
    assert set(settings_with(COST)) == {"buy_cost_pct", "sell_cost_pct", "slippage_bps", "impact"}
    assert set(settings_with(COST)) <= parameters(terms_of_trade)


def test_wrappers_settings_are_not_the_environments() -> None:
    wrappers = set(settings_with(WRAPPER))
    assert wrappers <= {"window", *parameters(normalized)}
    for environment in (StockTradingVecEnv, PortfolioVecEnv):
        assert not wrappers & parameters(environment)


@pytest.mark.parametrize("env", ["stock_trading", "portfolio", "finrl"])
def test_a_backtest_sets_what_belongs_to_the_episode(env: str) -> None:
    changed = composed(f"env={env}").evaluation.env
    assert set(changed) == set(settings_with(EPISODE))


def test_a_baselines_market_is_a_stock_trading_one() -> None:
    assert set(baseline_rules()) <= parameters(StockTradingVecEnv)
    StockTradingVecEnv(generated_market(n_days=10, n_stocks=2), **baseline_rules())

"""The backtest on a block beside its baselines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finai_rl.assembly import new_agent, training_env
from finai_rl.config import ConfigError
from finai_rl.holdout import Holdout
from tests.markets import generated_market
from tests.test_config import composed

MARKET = generated_market(n_days=60, n_stocks=3, seed=1, drift=0.001)


def test_baselines_open_with_what_the_agents_account_is_worth() -> None:
    cfg = composed("env.num_stock_shares=[100,0,50]", "env.initial_amount=20000")
    holdout = Holdout(cfg, MARKET)
    worth = 20_000 + 100 * MARKET.close[0, 0] + 50 * MARKET.close[0, 2]
    assert holdout.baseline.account_value[0] == pytest.approx(worth)
    assert holdout.index is not None
    assert holdout.index[0] == pytest.approx(worth)
    assert (holdout.baseline.shares[1:] > 0).all()


def test_the_baseline_knows_neither_order_limit_nor_risk_rule() -> None:
    limited = Holdout(composed("env.hmax=1", "env.turbulence_threshold=0"), MARKET)
    free = Holdout(composed("env.hmax=100000"), MARKET)
    np.testing.assert_array_equal(limited.baseline.account_value, free.baseline.account_value)


def test_the_report_measures_the_agent_over_every_day(tmp_path: Path) -> None:
    cfg = composed("agent=a2c", "env.n_envs=2")
    env = training_env(cfg, MARKET)
    agent = new_agent(cfg, env)
    agent.learn(64)
    report = Holdout(cfg, MARKET).backtest(agent, env, "a2c", tmp_path)
    assert report.metrics["agent"]["final_account_value"] > 0
    assert {"break_even_cost", "sharpe_ratio_lo"} <= set(report.metrics["agent"])
    assert set(report.metrics) == {"agent", "equal_weight", "index"}
    rows = (tmp_path / "account_value.csv").read_text().splitlines()
    assert len(rows) == 1 + MARKET.n_days


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("objective=luck", "no metric 'luck'"),
        ("env.initial_amount=1", "does not buy one share"),
        ("evaluation.env.record=false", "record=True"),
        ("evaluation.env.n_envs=2", "one environment"),
        ("evaluation.env.episode_days=20", "covers its whole block"),
        ("evaluation.periods_per_year=1638", "set evaluation.periods_per_year=365"),
        ("+evaluation.env.hmx=1", "no such setting"),
    ],
)
def test_what_cannot_be_backtested_is_refused_before_training(override: str, said: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Holdout(composed(override), MARKET)
    assert said in str(refusal.value)


def test_the_baseline_pays_what_the_evaluation_says() -> None:
    cheap = Holdout(composed(), MARKET).baseline
    dear = Holdout(composed("+evaluation.env.buy_cost_pct=0.1"), MARKET).baseline
    assert dear.costs[0] == pytest.approx(0.1 / 1.1 * 1e6, rel=0.01)
    assert cheap.costs[0] == pytest.approx(0.001 / 1.001 * 1e6, rel=0.01)


def test_finrls_phantom_shares_of_a_single_stock_are_refused() -> None:
    single = generated_market(n_days=60, n_stocks=1)
    compat = "env.finrl_compat=true"
    with pytest.raises(ConfigError, match=r"env\.num_stock_shares"):
        Holdout(composed(compat, "env.num_stock_shares=[10]"), single)
    Holdout(composed(compat, "env.num_stock_shares=[0]"), single)


def test_the_baseline_pays_slippage_and_costs_by_ticker() -> None:
    costs = "env.buy_cost_pct={S00:0.001,S01:0.002,S02:0.003}"
    plain = Holdout(composed(costs), MARKET).baseline
    slipping = Holdout(composed(costs, "env.slippage_bps=50"), MARKET).baseline
    assert plain.costs[0] == pytest.approx(0.002 * 1e6, rel=0.02)
    assert slipping.costs[0] == pytest.approx(0.007 * 1e6, rel=0.02)

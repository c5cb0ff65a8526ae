"""The backtest on a block beside its baselines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from omegaconf import DictConfig

from finai_rl.data.market import MarketData
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.errors import ConfigError
from finai_rl.evaluation.result import BacktestResult
from finai_rl.experiment.backtests.holdout import Holdout
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from tests.config.composition import composed
from tests.evaluation.accounts import HMAX, RecordingMarket, ScriptedPolicy
from tests.markets import generated_market

MARKET = generated_market(n_days=60, n_stocks=3, seed=1, drift=0.001)
FREE = "env.hmax=1000000"
"""No order limit to speak of."""


def test_baselines_open_with_the_agents_account() -> None:
    cfg = composed("env.num_stock_shares=[300,0,0]", "env.initial_amount=20000")
    holdout = Holdout(Environments(cfg), MARKET)
    worth = 20_000 + 300 * MARKET.close[0, 0]
    assert holdout.opening.shares == (300, 0, 0)
    assert holdout.baseline.shares[0].tolist() == [300, 0, 0]
    assert holdout.baseline.account_value[0] == pytest.approx(worth)
    assert holdout.index is not None
    assert holdout.index[0] == pytest.approx(worth)
    # What is too much of one is sold for the others, at the cost of selling.
    assert holdout.baseline.trades[0, 0] < 0
    assert (holdout.baseline.trades[0, 1:] > 0).all()


def test_a_short_opening_is_covered() -> None:
    state = [1e6, *MARKET.close[0].tolist(), -100.0, 0.0, 50.0]
    cfg = composed(f"env.previous_state={state}", "env.allow_short=true", "env.hmax=100000")
    holdout = Holdout(Environments(cfg), MARKET)
    assert holdout.baseline.shares[0].tolist() == [-100, 0, 50]
    assert (holdout.baseline.shares[1:] > 0).all()
    assert holdout.coverage.is_whole


@pytest.mark.parametrize("n_stocks", [1, 3])
def test_finrls_market_opens_with_a_previous_state_as_it_stands(n_stocks: int) -> None:
    data = generated_market(n_days=60, n_stocks=n_stocks, seed=1)
    shares = [5.0, 7.0, -3.0][:n_stocks]
    state = [1e6, *data.close[0].tolist(), *shares]
    cfg = composed(f"env.previous_state={state}", "env.finrl_compat=true", FREE)
    holdout = Holdout(Environments(cfg), data)
    holdout.check()
    assert holdout.baseline.shares[0].tolist() == shares


def test_the_baseline_knows_the_order_limit_and_no_risk_rule() -> None:
    limited = Holdout(Environments(composed("env.hmax=30", "env.turbulence_threshold=0")), MARKET)
    assert np.abs(limited.baseline.trades).max() == 30
    assert (limited.baseline.trades[:20] > 0).all()
    of_value = Holdout(Environments(composed("env.max_order=0.05", "env.hmax=1")), MARKET).baseline
    worth = of_value.trades * of_value.close[:-1] / of_value.account_value[:-1, np.newaxis]
    assert 0.04 < worth.max() <= 0.05
    free = Holdout(Environments(composed("env.hmax=1000000")), MARKET)
    assert np.flatnonzero(free.baseline.trades.any(axis=1)).tolist() == [0]


def test_a_benchmark_that_is_not_in_the_market_is_told_with_what_would_change_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for overrides, said in {
        ("env.hmax=3",): "a larger env.hmax (now 3 shares of a stock a day)",
        ("env.initial_amount=300", "env.hmax=1000"): "env.fractional_shares=true or a larger",
        ("env=portfolio", "env.initial_amount=300", "env.fractional_shares=false"): "fractional",
    }.items():
        caplog.clear()
        holdout = Holdout(Environments(composed(*overrides)), MARKET)
        holdout.check()
        assert said in caplog.text, overrides
        assert holdout.coverage.shortfall in caplog.text
        # What holds equal weight back, and nothing else, is to be changed.
        assert ("hmax" in caplog.text) == (said.find("hmax") >= 0)
        assert ("initial_amount would" in caplog.text) == (said.find("hmax") < 0)
    caplog.clear()
    whole = composed("env.initial_amount=300", "env.hmax=1000", "env.fractional_shares=true")
    Holdout(Environments(whole), MARKET).check()
    assert "invested" not in caplog.text


def test_the_report_measures_the_agent_over_every_day(tmp_path: Path) -> None:
    cfg = composed("agent=a2c", "env.n_envs=2")
    env = Environments(cfg).training(MARKET)
    agent = new_agent(cfg, env)
    agent.learn(64)
    report = Holdout(Environments(cfg), MARKET).backtest(agent, env, "a2c", tmp_path)
    assert report.metrics["agent"]["final_account_value"] > 0
    assert {"break_even_cost", "sharpe_ratio_lo"} <= set(report.metrics["agent"])
    assert set(report.metrics) == {"agent", "equal_weight", "index"}
    assert "break_even_cost" in report.metrics["agent"]
    assert "break_even_cost" not in report.metrics["equal_weight"]
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
        ("+evaluation.env.hmax=-5", "evaluation.env: hmax must be at least 1"),
    ],
)
def test_what_cannot_be_backtested_is_refused_before_training(override: str, said: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Holdout(Environments(composed(override)), MARKET).check()
    assert said in str(refusal.value)


@pytest.mark.parametrize(("periods", "told"), [(252, True), (365, False), (360, False)])
def test_days_of_a_market_that_never_closes_are_365(
    periods: int, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    Holdout(Environments(composed(f"evaluation.periods_per_year={periods}")), MARKET).check()
    assert ("evaluation.periods_per_year=365 has them by the dates" in caplog.text) is told


def test_nothing_is_run_before_the_check() -> None:
    cfg = composed("evaluation.env.record=false", "objective=luck")
    holdout = Holdout(Environments(cfg), MARKET)
    with pytest.raises(ConfigError):
        holdout.check()


def test_a_backtest_leaves_nothing_behind_for_the_next(tmp_path: Path) -> None:
    cfg = composed("env.turbulence_threshold=100", "env.window=2")
    holdout = Holdout(Environments(cfg), MARKET)
    actions = np.random.default_rng(0).uniform(-1, 1, (MARKET.n_days, 3))
    first = holdout.run(ScriptedPolicy(actions), None, "first")
    holdout.run(ScriptedPolicy(-actions), None, "another")
    again = holdout.run(ScriptedPolicy(actions), None, "first")
    fresh = Holdout(Environments(cfg), MARKET).run(ScriptedPolicy(actions), None, "first")
    for other in (again, fresh):
        np.testing.assert_array_equal(other.account_value, first.account_value)
        np.testing.assert_array_equal(other.trades, first.trades)


class Sticky(StockTradingVecEnv):
    """A user's environment with noise that its seed does not reach."""

    def __init__(self, data: MarketData, **settings: Any) -> None:
        super().__init__(data, **settings)
        self.noise = np.random.default_rng(0)

    def observe(self) -> Any:
        return super().observe() + self.noise.normal(0, 1, (1, 1)).astype(np.float32)


class FollowsTheFirst:
    """Trades as its observation says, noise included."""

    def predict(self, observation: Any, state: Any, **_: Any) -> tuple[np.ndarray, None]:
        return np.tanh(observation[:, :3] - observation[:, :3].mean() % 1), None


def test_an_environment_of_ones_own_is_made_anew_for_each_backtest() -> None:
    cfg = composed("env.n_envs=1")
    cfg.env._target_ = "tests.experiment.backtests.test_holdout.Sticky"
    holdout = Holdout(Environments(cfg), MARKET)
    holdout.check()
    agent: Any = FollowsTheFirst()
    first, again = (holdout.run(agent, None, "agent") for _ in range(2))
    np.testing.assert_array_equal(first.account_value, again.account_value)


def test_the_baseline_pays_what_the_evaluation_says() -> None:
    cheap = Holdout(Environments(composed(FREE)), MARKET).baseline
    paying = composed(FREE, "+evaluation.env.buy_cost_pct=0.1")
    dear = Holdout(Environments(paying), MARKET).baseline
    assert dear.costs[0] == pytest.approx(0.1 / 1.1 * 1e6, rel=0.01)
    assert cheap.costs[0] == pytest.approx(0.001 / 1.001 * 1e6, rel=0.01)


def test_finrls_phantom_shares_of_a_single_stock_are_refused() -> None:
    single = generated_market(n_days=60, n_stocks=1)
    compat = "env.finrl_compat=true"
    with pytest.raises(ConfigError, match=r"env\.num_stock_shares"):
        Holdout(Environments(composed(compat, "env.num_stock_shares=[10]")), single).check()
    Holdout(Environments(composed(compat, "env.num_stock_shares=[0]")), single).check()


def test_the_baseline_pays_slippage_and_costs_by_ticker() -> None:
    costs = "env.buy_cost_pct={S00:0.001,S01:0.002,S02:0.003}"
    plain = Holdout(Environments(composed(costs, FREE)), MARKET).baseline
    slipping = Holdout(Environments(composed(costs, FREE, "env.slippage_bps=50")), MARKET).baseline
    assert plain.costs[0] == pytest.approx(0.002 * 1e6, rel=0.02)
    assert slipping.costs[0] == pytest.approx(0.007 * 1e6, rel=0.02)


def short_market(
    data: MarketData, *, initial_amount: float, buy_cost_pct: float, record: bool, mood: str = ""
) -> RecordingMarket:
    """An environment with settings, and a way to ruin, that the baselines' has not."""
    return RecordingMarket(data, cash=initial_amount, cost=buy_cost_pct, short=True, record=record)


class WeightsMarket(RecordingMarket):
    """Takes one target weight a stock and one for cash; zeros are equal weights."""

    def __init__(
        self, data: MarketData, *, initial_amount: float, buy_cost_pct: float, record: bool
    ) -> None:
        super().__init__(data, cash=initial_amount, cost=buy_cost_pct, record=record)
        self.action_space = gym.spaces.Box(-1, 1, (data.n_stocks + 1,))

    def _orders(self) -> list[float]:
        price = self.data.close[self.day]
        weights = np.exp(self.actions[0]) / np.exp(self.actions[0]).sum()
        worth = self.cash + self.shares @ price
        return [float(int(order)) for order in weights[:-1] * worth / price - self.shares]


def with_env(target: str, **settings: Any) -> DictConfig:
    cfg = composed()
    cfg.env = {
        "_target_": f"tests.experiment.backtests.test_holdout.{target}",
        "initial_amount": 1e6,
        "buy_cost_pct": 0.001,
        "record": False,
        **settings,
    }
    return cfg


@pytest.fixture(scope="module")
def whole_baseline() -> BacktestResult:
    return Holdout(Environments(composed(FREE)), MARKET).baseline


@pytest.mark.parametrize("n_stocks", [1, 3])
def test_the_baseline_does_not_depend_on_what_an_action_means(n_stocks: int) -> None:
    data = generated_market(n_days=60, n_stocks=n_stocks, seed=1, drift=0.001)
    expected = Holdout(Environments(composed(FREE)), data).baseline
    for cfg in (with_env("WeightsMarket"), with_env("short_market", mood="bullish")):
        baseline = Holdout(Environments(cfg), data).baseline
        np.testing.assert_array_equal(baseline.account_value, expected.account_value)


@pytest.mark.parametrize(
    "overrides",
    [
        ("env=finrl", FREE, "env.turbulence_threshold=0"),
        ("env.finrl_compat=true", "env.sentiment=true", FREE),
        ("env.turbulence_threshold=0", "env.reward_scaling=1", FREE, "env.pro_rata=true"),
        ("env=portfolio", "env.fractional_shares=false", "env.turbulence_threshold=0"),
        ("env.allow_short=true", "env.threads=2", FREE),
    ],
)
def test_the_baseline_is_the_same_in_every_market_of_whole_shares(
    overrides: tuple[str, ...], whole_baseline: BacktestResult
) -> None:
    baseline = Holdout(Environments(composed(*overrides)), MARKET).baseline
    np.testing.assert_array_equal(baseline.trades, whole_baseline.trades)
    np.testing.assert_allclose(
        baseline.account_value, whole_baseline.account_value, rtol=1e-14, atol=0
    )


@pytest.mark.parametrize(
    "overrides",
    [("env=portfolio",), ("env=portfolio", "env.allow_short=true"), ("env.allow_short=true",)],
)
def test_the_baseline_is_the_same_in_every_market_of_fractions(overrides: tuple[str, ...]) -> None:
    fractions = "env.fractional_shares=true"
    expected = Holdout(Environments(composed(fractions, FREE)), MARKET).baseline
    free = [FREE] if "env=portfolio" not in overrides else []
    baseline = Holdout(Environments(composed(fractions, *overrides, *free)), MARKET).baseline
    np.testing.assert_array_equal(baseline.trades, expected.trades)
    assert (expected.trades[0] % 1 > 0).all()


def test_finrls_market_trades_what_finrl_would() -> None:
    """FinRL takes the first feature at 1.0 for a ban on trading, and so does the baseline."""
    flagged = generated_market(n_days=60, n_stocks=3, seed=1, flag_first_feature=True)
    for env in ("env=finrl", "env.finrl_compat=true"):
        baseline = Holdout(Environments(composed(env, FREE)), flagged).baseline
        for stock in range(3):
            allowed = int(np.argmax(flagged.features[:, 0, stock] != 1.0))
            assert np.flatnonzero(baseline.trades[:, stock])[0] == allowed
    assert (flagged.features[0, 0] == 1.0).any()


@pytest.mark.parametrize("fill", ["next_open", "next_close"])
@pytest.mark.parametrize("env", ["stock_trading", "portfolio"])
def test_the_baseline_of_later_fills_is_near_equal_weights(env: str, fill: str) -> None:
    free = [FREE] if env == "stock_trading" else []
    cfg = composed(f"env={env}", f"env.fill={fill}", *free)
    baseline = Holdout(Environments(cfg), MARKET).baseline
    np.testing.assert_allclose(baseline.traded_weights[0][:-1], 1 / 3, atol=0.02)
    assert (baseline.cash >= 0).all()
    price = MARKET.open if fill == "next_open" else MARKET.close
    assert price is not None
    np.testing.assert_array_equal(baseline.fill_price, price[1:])


def test_the_baseline_pays_for_its_impact(whole_baseline: BacktestResult) -> None:
    moving = Holdout(Environments(composed("env.impact=1", FREE)), MARKET).baseline
    np.testing.assert_allclose(moving.traded_weights[0][:-1], 1 / 3, atol=0.001)
    assert moving.costs[0] > 1.01 * whole_baseline.costs[0]
    assert (moving.cash >= 0).all()


def test_a_short_seller_is_ruined_by_a_gap(tmp_path: Path) -> None:
    close = MARKET.close.copy()
    close[10:, 0] *= 3
    data = replace(MARKET, close=close)
    cfg = composed("env.allow_short=true", "env.hmax=1000000")
    actions = np.zeros((data.n_days, 3))
    actions[0, 0] = -1.0
    report = Holdout(Environments(cfg), data).backtest(
        ScriptedPolicy(actions), Environments(cfg).training(data), "short seller", tmp_path
    )
    assert report.ruined_on == str(data.dates[10])
    assert report.metrics["agent"]["total_return"] < -1


def test_an_environment_without_the_cost_of_buying_is_refused() -> None:
    cfg = with_env("short_market")
    del cfg.env["buy_cost_pct"]
    with pytest.raises(ConfigError, match=r"needs the settings \['buy_cost_pct'\]"):
        Holdout(Environments(cfg), MARKET).check()


def test_a_ruined_agent_is_reported_up_to_its_ruin(tmp_path: Path) -> None:
    close = MARKET.close.copy()
    close[:, 0] = np.geomspace(10, 100, MARKET.n_days)
    data = replace(MARKET, close=close)
    cfg = with_env("short_market")
    holdout = Holdout(Environments(cfg), data)
    actions = np.zeros((data.n_days, 3))
    actions[0, 0] = -40_000 / HMAX
    # 400,000 come in and 1,000,000 are there: lost when the stock costs more than 35.
    ruin = int(np.argmax(1e6 * (1 + 0.4 * 0.999) - 40_000 * close[:, 0] <= 0))
    report = holdout.backtest(
        ScriptedPolicy(actions), Environments(cfg).training(data), "short seller", tmp_path
    )
    assert report.ruined_on == str(data.dates[ruin])
    agent, equal_weight = report.metrics["agent"], report.metrics["equal_weight"]
    assert agent["total_return"] <= -1
    assert agent["cagr"] == -1
    assert {"alpha", "beta", "break_even_cost"} <= set(agent)
    until = holdout.baseline.account_value[ruin] / holdout.baseline.account_value[0] - 1
    assert equal_weight["total_return"] == pytest.approx(until)
    assert data.benchmark is not None
    rise = data.benchmark[ruin] / data.benchmark[0] - 1
    assert report.metrics["index"]["total_return"] == pytest.approx(rise)
    rows = (tmp_path / "account_value.csv").read_text().splitlines()
    assert len(rows) == 1 + ruin + 1
    assert all(file.stat().st_size for file in report.files)


def test_an_agent_that_is_not_ruined_is_not_said_to_be(tmp_path: Path) -> None:
    cfg = with_env("short_market")
    idle = ScriptedPolicy(np.zeros((MARKET.n_days, 3)))
    report = Holdout(Environments(cfg), MARKET).backtest(
        idle, Environments(cfg).training(MARKET), "idle", tmp_path
    )
    assert report.ruined_on is None
    assert report.metrics["agent"]["total_return"] == 0


class GivesUp(RecordingMarket):
    """Ends on the tenth day once anything was bought."""

    def __init__(
        self, data: MarketData, *, initial_amount: float, buy_cost_pct: float, record: bool
    ) -> None:
        super().__init__(data, cash=initial_amount, cost=buy_cost_pct, record=record)

    def step_wait(self) -> Any:
        self.last = 9 if any(self.shares) else self.data.n_days - 1
        return super().step_wait()


def test_an_early_end_without_ruin_is_an_error(tmp_path: Path) -> None:
    cfg = with_env("GivesUp")
    holdout = Holdout(Environments(cfg), MARKET)
    buyer = ScriptedPolicy(np.full((MARKET.n_days, 3), 1 / HMAX))
    with pytest.raises(ConfigError, match=r"covers its whole block.*'buyer' covers 10 of 60 days"):
        holdout.backtest(buyer, Environments(cfg).training(MARKET), "buyer", tmp_path)

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.policies.buy_and_hold import ConstantAction, bought_once
from finai_rl.evaluation.policies.random_agents import RandomAgents, TradingStyle
from finai_rl.evaluation.policies.target_weights import ORDER_LIMIT, TargetWeights
from finai_rl.evaluation.random_band import LEVELS, RandomBand, random_band
from finai_rl.leakage.trained_agents import with_oracle
from tests.evaluation.accounts import sold_short
from tests.markets import generated_market

CASH = 1_000_000.0


def market(data, n_envs=1, **env):
    env = {"fractional_shares": True, "hmax": ORDER_LIMIT} | env
    return StockTradingVecEnv(data, n_envs=n_envs, initial_amount=CASH, **env)


class Noise:
    """Orders drawn by lot, with likes and dislikes of its own that stay: knows nothing."""

    def __init__(self, n_stocks, seed, size=0.3, taste=1.0):
        self._lots, self._size = np.random.default_rng(seed), size
        self._taste = taste * self._lots.normal(0, 0.3, n_stocks)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        action = self._taste + self._lots.normal(0, 1, self._taste.shape)
        return np.clip(self._size * action, -1, 1)[None], state


def noise_agent(data, seed, size=0.3, **env):
    settings = {"fractional_shares": False, "hmax": 3000, "record": True} | env
    return backtest(Noise(data.n_stocks, seed, size), market(data, **settings), data, "noise")


def oracle(data):
    """All in the stock that rises most until the next close, and in cash where none does."""
    env = market(data, record=True, fractional_shares=False)
    foretold = with_oracle(data, "same_close").features[:-1, 0]
    targets = np.eye(data.n_stocks)[foretold.argmax(axis=1)] * (foretold > 0)
    return backtest(TargetWeights(targets, env), env, data, "oracle")


@given(
    seed=st.integers(0, 999), n_stocks=st.integers(2, 7), size=st.floats(0.01, 1),
    fill=st.sampled_from(["same_close", "next_open", "next_close"]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_draws_trade_as_much_as_the_agent_on_every_day(seed, n_stocks, size, fill):
    data = generated_market(40, n_stocks, seed=seed)
    agent = noise_agent(data, seed, size, fill=fill)
    band = random_band(agent, market(data, 20, fill=fill), seed=seed)
    assert band.account_value.shape == (20, 40)
    # A draw that has not the stocks to sell, or the cash, trades less that day and never more.
    assert (band.turnover <= band.agent_turnover * (1 + 1e-5) + 1e-9).all()
    lacking = band.agent_turnover - band.turnover
    np.testing.assert_allclose(lacking, band.turnover_error, atol=1e-5 * band.agent_turnover)
    assert np.median(band.turnover) >= 0.9 * band.agent_turnover


def test_turnover_exposure_and_holdings_are_the_agents_day_by_day():
    data = generated_market(60, 8, seed=2)
    agent = noise_agent(data, 2)
    style = TradingStyle.of(agent)
    draw = backtest(RandomAgents(style, 1, seed=5), market(data, record=True), data, "draw")
    own = TradingStyle.of(draw)
    # But where all other holdings together are worth less than is to be sold.
    assert np.mean(np.isclose(own.turnover, style.turnover, rtol=1e-4)) > 0.9
    before = (draw.shares * draw.close).sum(axis=1)[:-1] / draw.account_value[:-1]
    within_reach = np.abs(style.exposure - before) < style.turnover
    assert within_reach.sum() > 40
    apart = np.abs(own.exposure - style.exposure)[within_reach]
    assert np.mean(apart < 1e-3) > 0.9
    assert apart.max() < 0.05
    largest = [np.sort(result.weights[:, :-1], axis=1)[-1] for result in (agent, draw)]
    np.testing.assert_allclose(largest[0], largest[1], atol=0.1)


def test_a_draw_in_which_all_names_stay_is_the_agent():
    data = generated_market(60, 2, seed=2)
    agent = noise_agent(data, 2)
    band = random_band(agent, market(data, 30), seed=0)
    same = np.isclose(band.account_value, agent.account_value, rtol=1e-4).all(axis=1)
    assert 5 < same.sum() < 25


def test_an_agent_that_knows_nothing_lies_anywhere_in_the_band():
    percentiles = []
    for seed in range(60):
        data = generated_market(80, 6, seed=seed)
        band = random_band(noise_agent(data, 1000 + seed), market(data, 60), seed=seed)
        percentiles.append(band.sharpe_percentile)
    found = np.array(percentiles) / 100
    assert kstest(found, "uniform").pvalue > 0.05
    assert 0.4 < found.mean() < 0.6
    assert np.mean((found < 0.05) | (found > 0.95)) < 0.2


@pytest.mark.parametrize("seed", range(3))
def test_the_oracle_is_above_the_band_and_every_policy(seed):
    data = generated_market(80, 5, seed=seed)
    best = oracle(data)
    band = random_band(best, market(data, 100), seed=seed)
    assert band.agent_total_return > np.percentile(band.total_return, 95)
    assert band.sharpe_percentile > 95  # some draws leave all names as they are, and tie
    env = market(data, record=True, fractional_shares=False)
    hold = TargetWeights(bought_once(np.full(5, 0.2), data.n_days), env)
    held = backtest(hold, env, data, "hold")
    for other in (noise_agent(data, seed), held):
        assert best.account_value[-1] > other.account_value[-1]


def test_bands_are_the_same_for_the_same_seed_only():
    data = generated_market(30, 4, seed=1)
    agent = noise_agent(data, 1)
    first, again, other = (random_band(agent, market(data, 10), seed=s) for s in (4, 4, 5))
    np.testing.assert_array_equal(first.account_value, again.account_value)
    assert not np.array_equal(first.account_value, other.account_value)
    assert len(np.unique(first.total_return)) > 5
    quantiles = first.quantiles()
    assert quantiles.shape == (len(LEVELS), 30)
    assert (np.diff(quantiles, axis=0) >= 0).all()


def test_draws_open_with_the_agents_stocks_and_pay_its_costs():
    data = generated_market(30, 3, seed=1)
    held = {"num_stock_shares": [100, 0, 50], "buy_cost_pct": 0.02, "sell_cost_pct": 0.02}
    agent = noise_agent(data, 1, **held)
    band = random_band(agent, market(data, 10, **held))
    np.testing.assert_allclose(band.account_value[:, 0], agent.account_value[0])
    free = held | {"buy_cost_pct": 0.0, "sell_cost_pct": 0.0}
    unpaid = random_band(agent, market(data, 10, **free))
    assert (unpaid.total_return > band.total_return).all()
    with pytest.raises(ValueError, match="random agents open with"):
        random_band(agent, market(data, 10))


def test_an_agent_that_never_trades_is_in_the_middle():
    data = generated_market(20, 3)
    env = market(data, record=True)
    band = random_band(backtest(ConstantAction(np.zeros(3)), env, data, "cash"), market(data, 10))
    assert band.sharpe_percentile == 50
    assert not band.turnover.any()


def test_an_agent_that_closes_its_account_into_cash_is_followed():
    data = generated_market(12, 4, seed=3)
    targets = np.full((12, 4), np.nan)
    targets[[0, 6]] = [[0.5, 0.25, 0.25, 0], [0, 0, 0, 0]]
    env = market(data, record=True, fractional_shares=False)
    agent = backtest(TargetWeights(targets, env), env, data, "in and out")
    env = market(data, 50)
    band = random_band(agent, env)
    assert band.turnover_error.max() < 0.02 * band.agent_turnover
    # Most of the account is cash again, though the draws' stocks were worth something else.
    assert (env.accounts["cash"] / env.accounts["value"] > 0.9).all()
    # Two of the four stocks play the same part.
    assert (np.diff(np.sort(band.total_return)) > 1e-5).sum() + 1 == 24 / 2


def test_with_one_stock_there_is_nothing_to_choose():
    data = generated_market(30, 1)
    band = random_band(noise_agent(data, 1), market(data, 10))
    assert band.sharpe_percentile == 50


def test_short_sellers_are_refused():
    with pytest.raises(ValueError, match="sells short"):
        TradingStyle.of(sold_short([10.0, 9.0, 8.0], 5.0))


def test_an_undefined_ratio_has_no_percentile():
    data = generated_market(20, 3)
    band = random_band(noise_agent(data, 0), market(data, 10))
    undefined = replace(band, agent_sharpe_ratio=float("nan"))
    assert isinstance(undefined, RandomBand)
    assert np.isnan(undefined.sharpe_percentile)


def test_draws_that_differ_by_rounding_only_put_the_agent_in_the_middle():
    data = generated_market(20, 3)
    band = random_band(noise_agent(data, 0), market(data, 10))
    for apart in (-1e-8, 0.0, 1e-8):
        alike = replace(band, sharpe_ratio=np.full(10, band.agent_sharpe_ratio + apart))
        assert alike.sharpe_percentile == 50


@pytest.mark.parametrize("cash", [3_000.0, 20_000.0, 1_000_000.0])
def test_whole_shares_of_draws_are_worth_what_the_agent_trades_but_for_half_a_share(cash):
    data = generated_market(40, 6, seed=2)
    settings = {"fractional_shares": False, "initial_amount": cash}
    env = StockTradingVecEnv(data, hmax=int(cash / 200), record=True, **settings)
    agent = backtest(Noise(6, 5), env, data, "noise")
    draws = StockTradingVecEnv(data, n_envs=60, hmax=ORDER_LIMIT, **settings)
    band = random_band(agent, draws, seed=1)
    assert (draws.shares == np.round(draws.shares)).all()
    half_a_share = data.close.max() / 2 / band.account_value.min()
    assert band.turnover_error.mean() < min(half_a_share, 0.5 * band.agent_turnover)


def test_whole_purchases_are_cut_and_topped_up_by_largest_remainder():
    lots, n_stocks = np.random.default_rng(3), 12
    style = TradingStyle(
        turnover=np.array([0.8]), exposure=np.array([0.8]),
        bought=0.8 * lots.dirichlet(np.ones(n_stocks), 1), sold=np.zeros((1, n_stocks)),
    )  # fmt: skip
    price = lots.uniform(5, 300, n_stocks)
    opening = np.tile(np.concatenate([[10_000.0], price, np.zeros(n_stocks)]), (30, 1))
    fractions, whole = (
        RandomAgents(style, 30, seed=0, whole=cut).predict(opening)[0] * ORDER_LIMIT
        for cut in (False, True)
    )
    for exact, found in zip(fractions.tolist(), whole.tolist(), strict=True):
        rounded = [float(int(shares * (1 + 1e-6) + 1e-6)) for shares in exact]
        remainder = [one - other for one, other in zip(exact, rounded, strict=True)]
        missing = sum(part * each for part, each in zip(remainder, price, strict=True))
        for stock in sorted(range(n_stocks), key=lambda stock: -remainder[stock]):
            if remainder[stock] > 0 and price[stock] < 2 * missing:
                rounded[stock] += 1
                missing -= price[stock]
        assert found == rounded


def test_the_draw_that_keeps_every_name_is_the_agent_in_whole_shares_too():
    data = generated_market(40, 2, seed=2)
    settings = {"fractional_shares": False, "initial_amount": 9_000.0}
    env = StockTradingVecEnv(data, hmax=40, record=True, **settings)
    agent = backtest(Noise(2, 3), env, data, "noise")
    band = random_band(agent, StockTradingVecEnv(data, n_envs=8, hmax=ORDER_LIMIT, **settings))
    closest = np.abs(band.account_value - agent.account_value).max(axis=1).min()
    assert closest < 1e-6 * agent.account_value[0]

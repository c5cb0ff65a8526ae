"""Two accounts as one record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from finai_rl.data.market import MarketData
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
from finai_rl.evaluation.result import BacktestResult
from tests.evaluation.accounts import sold_short, traded
from tests.markets import generated_market


def delisted(n_days: int, last_day: int) -> MarketData:
    market = generated_market(n_days=n_days, n_stocks=3)
    listed = np.ones(market.close.shape, dtype=bool)
    listed[last_day + 1 :, 0] = False
    return replace(market, listed=listed)


def moved(result: BacktestResult, days: int) -> BacktestResult:
    return replace(result, dates=result.dates + np.timedelta64(days, "D"))


def test_returns_of_both_are_kept_and_nothing_is_earned_between() -> None:
    before, after = traded(40, 12), moved(traded(30, 12, seed=1), 400)
    both = before.followed_by(after)
    np.testing.assert_allclose(both.returns, [*before.returns, 0.0, *after.returns], atol=1e-12)
    np.testing.assert_array_equal(both.dates, [*before.dates, *after.dates])
    np.testing.assert_allclose(both.weights[40:], after.weights, atol=1e-12)
    np.testing.assert_allclose(
        both.costs[40:] / both.account_value[40:-1], after.costs / after.account_value[:-1]
    )


def test_an_opening_in_shares_earns_over_the_days_between() -> None:
    before = sold_short([10.0, 10.0, 10.0], shares=0)
    after = replace(moved(sold_short([20.0, 20.0], shares=0), 50))
    held = replace(
        after,
        cash=after.cash - 500.0,
        shares=after.shares + 25.0,
    )
    assert before.followed_by(held).returns[2] == pytest.approx(
        (held.cash[0] + 25 * 20) / (held.cash[0] + 25 * 10) - 1
    )


@pytest.mark.parametrize("loss", [0.0, 0.5])
@pytest.mark.parametrize("last_day", [10, 30])
def test_a_delisting_before_or_after_is_in_the_record_of_both(last_day: int, loss: float) -> None:
    market = delisted(n_days=40, last_day=last_day)
    parts = []
    for block in (market.slice_days(0, 20), market.slice_days(20, 40)):
        env = StockTradingVecEnv(block, delisting_loss=loss, record=True)
        parts.append(backtest(ConstantAction(np.ones(3)), env, block, "buyer"))
    both = parts[0].followed_by(parts[1])
    assert both.settled.any()
    assert bool(both.losses.any()) == (loss > 0)
    np.testing.assert_allclose(
        both.returns, [*parts[0].returns, 0.0, *parts[1].returns], atol=1e-12
    )


def test_what_cannot_follow_is_refused() -> None:
    before = traded(40, 12)
    with pytest.raises(ValueError, match="later days"):
        before.followed_by(traded(40, 12))
    with pytest.raises(ValueError, match="same stocks"):
        before.followed_by(moved(traded(40, 5), 400))
    ruined = sold_short([10.0, 30.0, 10.0], shares=100)
    assert ruined.ruined
    with pytest.raises(ValueError, match="worth nothing"):
        ruined.followed_by(moved(sold_short([10.0, 12.0], shares=0), 400))

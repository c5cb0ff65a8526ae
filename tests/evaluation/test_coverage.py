"""What a benchmark holds of what it stands for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.coverage import Coverage, left_out_by_day
from finai_rl.evaluation.result import BacktestResult
from finai_rl.statistics.benchmark import EXPOSURE_COLUMN, LEFT_OUT_COLUMN, shortfall_of
from tests.evaluation.accounts import ScriptedPolicy
from tests.markets import generated_market

MARKET = generated_market(n_days=20, n_stocks=5)


def account(shares: list[float]) -> BacktestResult:
    env = StockTradingVecEnv(
        MARKET, initial_amount=100_000, hmax=1_000_000, fractional_shares=True, record=True
    )
    actions = np.zeros((20, 5))
    actions[0] = np.array(shares) * 20_000 / MARKET.close[0] / 1_000_000
    return backtest(ScriptedPolicy(actions), env, MARKET, "Equal weight")


def bought(shares: list[float]) -> Coverage:
    return Coverage.of(account(shares))


def test_all_of_the_money_in_all_of_the_stocks_lacks_nothing() -> None:
    whole = bought([1, 1, 1, 1, 0.99])
    assert whole.is_whole
    assert whole.shortfall == ""
    assert whole.exposure == pytest.approx(1, abs=0.01)


def test_money_in_cash_is_told() -> None:
    half = bought([0.5] * 5)
    assert not half.is_whole
    assert half.shortfall == "Equal weight is 0.50 invested on average"


def test_stocks_left_out_are_named() -> None:
    some = bought([2.4, 2.5, 0, 0, 0])
    assert some.left_out == ("S02", "S03", "S04")
    assert some.shortfall == "Equal weight leaves out 3 of 5 stocks (S02, S03, S04)"
    assert bought([4.9, 0, 0, 0, 0]).shortfall.endswith("4 of 5 stocks (S01, S02, S03, ...)")


def test_a_stock_that_cannot_be_bought_as_the_account_begins_is_not_left_out() -> None:
    held = account([1, 1, 1, 0, 0])
    listed = np.ones((20, 5), dtype=np.bool_)
    listed[:, 3] = False
    assert Coverage.of(held, listed).left_out == ("S04",)
    listed[:10, 4] = False
    assert Coverage.of(held, listed).left_out == ()
    assert left_out_by_day(held, listed).sum(axis=1).tolist() == [0] * 19
    assert left_out_by_day(held).sum(axis=1).tolist() == [2] * 19


def test_a_stock_that_is_delisted_on_the_second_day_is_not_left_out() -> None:
    held = account([1, 1, 1, 0, 0])
    listed = np.ones((20, 5), dtype=np.bool_)
    listed[1:, 3] = False
    assert Coverage.of(held, listed).left_out == ("S04",)


@pytest.mark.parametrize(
    ("exposure", "lacking"),
    [(0.90, "Equal weight is 0.90 invested on average"), (0.95, ""), (1.0, "")],
)
def test_a_recorded_benchmark_falls_short_below_the_least_exposure(
    exposure: float, lacking: str
) -> None:
    table = pd.DataFrame({EXPOSURE_COLUMN: [exposure] * 2, LEFT_OUT_COLUMN: 0})
    assert shortfall_of(table, "equal weight") == lacking


def test_both_ways_to_say_what_is_left_out_agree_where_a_stock_is_delisted() -> None:
    """The first is delisted before the purchase of the second is filled."""
    shares = np.ones((20, 5))
    shares[8:, 0] = shares[:12, 1] = shares[0] = 0.0
    listed = np.ones((20, 5), dtype=np.bool_)
    listed[9:, 0] = False
    held: Any = SimpleNamespace(shares=shares)
    lacks = left_out_by_day(held, listed)
    by_day = lacks.sum(axis=1)
    assert not lacks.all(axis=0).any()
    assert by_day.min() == 0
    table = pd.DataFrame({EXPOSURE_COLUMN: 1.0, LEFT_OUT_COLUMN: by_day})
    assert shortfall_of(table, "equal weight") == ""

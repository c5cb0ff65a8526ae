"""How often an account trades, how much, and for how long it holds what it has bought."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from finai_rl.type_aliases import FloatArray

HELD_SHARE = 0.95
"""The part of all value traded that makes the days in which it was traded the days of buying."""
EARLY = 0.10
"""The first part of the days, in which an account that buys and holds does its buying."""
LITTLE = 0.01
"""One-way turnover a year, of the account, that is as good as none."""

RULE = (
    f"An account bought and held where {HELD_SHARE:.0%} of the value that it traded was traded in "
    f"the first {EARLY:.0%} of the days, or most of it was and less than {LITTLE:.0%} of the "
    "account a year changed hands afterwards, and it still holds stocks at the end."
)


@dataclass(frozen=True)
class TradingHabits:
    """How an account trades.

    Attributes:
        n_steps: Days on which it might have traded.
        traded_days: Share of these on which it did.
        turnover: One-way turnover a year, a fraction of the account.
        holding_period: Median number of days from the purchase of a share (or its short sale) to
            its sale, first in, first out, weighted by value; what is held at the end counts up to
            there. NaN where nothing was traded or held.
        still_held: Share of the value ever bought that was never sold again.
        trade_size: Median value of an order filled, a fraction of the account; NaN without any.
        buying_days: First days in which 95 % of all value traded was traded; 0 without trades.
        buying_share: Share of all value traded that these days have.
        late_turnover: One-way turnover a year after the first tenth of the days.
        bought_and_held: By `RULE`.
        short: Whether it was ever short.

    Example:
        >>> shares = np.array([[0.0], *[[10.0]] * 20])
        >>> habits = trading_habits(
        ...     shares, np.full((20, 1), 5.0), account_value=np.full(20, 100.0),
        ...     turnover=np.array([0.5, *[0.0] * 19]))
        >>> habits.sentence()
        'It bought and held: 100 % of the value it traded was traded in the first 1 of 20 days.'
    """

    n_steps: int
    traded_days: float
    turnover: float
    holding_period: float
    still_held: float
    trade_size: float
    buying_days: int
    buying_share: float
    late_turnover: float
    bought_and_held: bool
    short: bool = False

    @property
    def traded(self) -> bool:
        """Whether it traded at all."""
        return self.traded_days > 0

    def sentence(self, who: str = "It") -> str:
        """Say what it did, in one plain sentence.

        Args:
            who: How the sentence begins.
        """
        if not self.traded:
            return f"{who} never traded."
        if not self.bought_and_held:
            return (
                f"{who} traded on {_percent(self.traded_days)} of the days: "
                f"{_percent(self.turnover)} of the account changed hands a year, the median "
                f"holding period was {_days(self.holding_period)}, and a typical trade was "
                f"{_percent(self.trade_size)} of the account."
            )
        did = "took its positions and held them" if self.short else "bought and held"
        if self.buying_days <= early_days(self.n_steps):
            return (
                f"{who} {did}: {_percent(self.buying_share)} of the value it traded was traded in "
                f"the first {self.buying_days} of {self.n_steps} days."
            )
        return (
            f"{who} {did}: after the first {early_days(self.n_steps)} of {self.n_steps} days only "
            f"{_percent(self.late_turnover)} of the account changed hands a year."
        )


def trading_habits(
    shares: FloatArray,
    fill_price: FloatArray,
    account_value: FloatArray,
    turnover: FloatArray,
    periods_per_year: float = 252,
    orders: FloatArray | None = None,
) -> TradingHabits:
    """Measure how an account trades.

    Args:
        shares: (n_steps + 1, n_stocks) held before each step and after the last, negative where
            short.
        fill_price: (n_steps, n_stocks) at which the trades of each step are executed.
        account_value: (n_steps,) before the trades of each step.
        turnover: (n_steps,) one-way, as a fraction of the account; NaN where undefined.
        periods_per_year: 252 for daily data.
        orders: (n_steps, n_stocks) shares that orders bought and sold, where others were taken out
            of the account, as of a stock that is delisted; None for all that changed hands.
    """
    trades = np.diff(shares, axis=0) if orders is None else orders
    value = np.abs(trades) * fill_price
    by_day = value.sum(axis=1)
    n_steps, early = len(by_day), early_days(len(by_day))
    total = float(by_day.sum())
    late = turnover[early:][np.isfinite(turnover[early:])]
    late_turnover = float(late.mean()) * periods_per_year if len(late) else 0.0
    so_far = np.cumsum(by_day)
    buying_days = int(np.searchsorted(so_far, HELD_SHARE * total)) + 1 if total > 0 else 0
    mostly_early = total > 0 and so_far[early - 1] >= total / 2
    settled = buying_days <= early or (mostly_early and late_turnover < LITTLE)
    filled = trades != 0
    known = np.isfinite(turnover)
    periods, weights, ended = holding_periods(shares, fill_price)
    return TradingHabits(
        n_steps=n_steps,
        traded_days=float(filled.any(axis=1).mean()),
        turnover=float(turnover[known].mean()) * periods_per_year if known.any() else math.nan,
        holding_period=_weighted_median(periods, weights),
        still_held=float(weights[~ended].sum() / weights.sum()) if weights.sum() > 0 else math.nan,
        trade_size=float(np.median((value / account_value[:, None])[filled]))
        if filled.any()
        else math.nan,
        buying_days=buying_days,
        buying_share=float(so_far[buying_days - 1] / total) if total > 0 else math.nan,
        late_turnover=late_turnover,
        bought_and_held=bool(total > 0 and settled and shares[-1].any()),
        short=bool((shares < 0).any()),
    )


def early_days(n_steps: int) -> int:
    """Return how many days are the first tenth, at least one."""
    return max(1, math.ceil(EARLY * n_steps))


def holding_periods(
    shares: FloatArray, fill_price: FloatArray
) -> tuple[FloatArray, FloatArray, np.ndarray]:
    """Match sales with purchases, first in, first out, long and short positions each by itself.

    Args:
        shares: (n_steps + 1, n_stocks) held before each step and after the last.
        fill_price: (n_steps, n_stocks).

    Returns:
        (n,) days that parts of positions were held, their value when they were taken, and whether
        they were given up again. What is held at the start was taken then.
    """
    found = [
        _matched(leg, fill_price[:, stock])
        for stock in range(shares.shape[1])
        for leg in (np.maximum(shares[:, stock], 0.0), np.maximum(-shares[:, stock], 0.0))
        if leg.any()
    ]
    if not found:
        return np.empty(0), np.empty(0), np.empty(0, dtype=np.bool_)
    periods, values, ended = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return periods, values, ended


def _matched(held: FloatArray, price: FloatArray) -> tuple[FloatArray, FloatArray, np.ndarray]:
    """Match one position's purchases and sales: both add up to lines that cut each other."""
    n_steps = len(price)
    moved = np.diff(held, prepend=0.0)
    bought, sold = np.cumsum(np.maximum(moved, 0)), np.cumsum(np.maximum(-moved, 0))
    cuts = np.unique(np.concatenate([[0.0], bought, np.minimum(sold, bought[-1])]))
    middle, amount = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    # Row 0 is what was held at the start; the trades of step t are in row t + 1.
    opened = np.maximum(np.searchsorted(bought, middle) - 1, 0)
    closed = np.searchsorted(sold, middle) - 1
    ended = closed < n_steps
    periods = np.minimum(closed, n_steps) - opened
    real = amount > 1e-12 * max(float(bought[-1]), 1.0)
    return (
        periods[real].astype(np.float64),
        (amount * price[opened])[real],
        ended[real],
    )


def _weighted_median(values: FloatArray, weights: FloatArray) -> float:
    if not len(values) or not weights.sum() > 0:
        return math.nan
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def _percent(fraction: float) -> str:
    if not math.isfinite(fraction):
        return "an undefined share"
    digits = 0 if abs(fraction) >= 0.1 or fraction == 0 else 2 if abs(fraction) < 0.00995 else 1
    return f"{100 * fraction:,.{digits}f} %"


def _days(days: float) -> str:
    return f"{days:,.0f} day{'' if days == 1 else 's'}" if math.isfinite(days) else "undefined"

"""How much of a benchmark's money is in the market, and in which of its stocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finai_rl.evaluation.metrics import average_exposure
from finai_rl.evaluation.result import BacktestResult
from finai_rl.statistics.benchmark import LEAST_EXPOSURE
from finai_rl.type_aliases import BoolArray

_NAMED = 3


@dataclass(frozen=True)
class Coverage:
    """What a benchmark holds of what it stands for.

    Attributes:
        name: Of the benchmark.
        exposure: Mean share of the account in stocks after each day's trades, 0 to 1.
        left_out: Tickers that could be bought as it begins and were never held.
        n_stocks: Of the market.

    Example:
        >>> half = Coverage("Equal weight", exposure=0.5, left_out=("BTC",), n_stocks=2)
        >>> half.is_whole
        False
        >>> half.shortfall
        'Equal weight is 0.50 invested on average and leaves out 1 of 2 stocks (BTC)'
    """

    name: str
    exposure: float
    left_out: tuple[str, ...]
    n_stocks: int

    @classmethod
    def of(cls, result: BacktestResult, listed: BoolArray | None = None) -> Coverage:
        """Measure a backtest that was to hold every stock.

        Args:
            result: The backtest.
            listed: (n_days, n_stocks) whether a stock is traded; None if all are. What is delisted
                before the first day, or listed later, was not to be bought.
        """
        never: BoolArray = np.all(left_out_by_day(result, listed), axis=0)
        left_out = tuple(t for t, lacks in zip(result.tickers, never, strict=True) if lacks)
        return cls(result.name, average_exposure(result), left_out, len(result.tickers))

    @property
    def is_whole(self) -> bool:
        """Whether it is invested, and in every stock."""
        return self.exposure >= LEAST_EXPOSURE and not self.left_out

    @property
    def shortfall(self) -> str:
        """What is missing, without a full stop; empty if nothing is."""
        parts = []
        if self.exposure < LEAST_EXPOSURE:
            parts.append(f"is {self.exposure:.2f} invested on average")
        if self.left_out:
            named = ", ".join(self.left_out[:_NAMED])
            more = ", ..." if len(self.left_out) > _NAMED else ""
            parts.append(
                f"leaves out {len(self.left_out)} of {self.n_stocks} stocks ({named}{more})"
            )
        return f"{self.name} {' and '.join(parts)}" if parts else ""


def left_out_by_day(result: BacktestResult, listed: BoolArray | None = None) -> BoolArray:
    """Return which stocks could be bought as a backtest begins and have not been until a day.

    Args:
        result: A backtest that was to hold every stock.
        listed: As for `Coverage.of`.

    Returns:
        (n_days - 1, n_stocks) booleans.
    """
    # One that was bought and has been delisted since was not left out.
    lacks: BoolArray = np.logical_and.accumulate(result.shares[1:] <= 0, axis=0)
    if listed is None:
        return lacks
    # An order of the first day may be filled on the second.
    there: BoolArray = lacks & listed[:2].all(axis=0)
    return there

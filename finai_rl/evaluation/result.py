"""What a backtest leaves behind: the daily account of one policy, as arrays and as tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finai_rl.data.market import DateArray, FloatArray
from finai_rl.evaluation.returns import simple_returns

if TYPE_CHECKING:
    import pandas as pd

# A ledger adds up thousands of float64 amounts; a misplaced day or cost is far larger than this.
_RECONCILIATION_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """The account of one policy on every day of one episode.

    Amounts are in the currency of the data. Day t's trades happen at the close of day t, after
    ``account_value[t]`` is taken, so the last day has no trades.

    Attributes:
        name: What was backtested, as it should read in a table or a legend.
        dates: (n_days,) datetime64.
        tickers: n_stocks names, the order of every stock axis.
        close: (n_days, n_stocks) closing prices.
        account_value: (n_days,) ``cash[t] + shares[t] @ close[t]``.
        cash: (n_days,) carried into day t, before its trades.
        shares: (n_days, n_stocks) carried into day t.
        trades: (n_days - 1, n_stocks) shares bought (+) or sold (-) at the close of day t.
        costs: (n_days - 1,) paid on day t's trades, so that
            ``cash[t + 1] = cash[t] - trades[t] @ close[t] - costs[t]``.

    Raises:
        ValueError: If shapes disagree, a value is not finite, the account does not reconcile with
            the two identities above, or it is worth nothing (returns are undefined then).
    """

    name: str
    dates: DateArray
    tickers: tuple[str, ...]
    close: FloatArray
    account_value: FloatArray
    cash: FloatArray
    shares: FloatArray
    trades: FloatArray
    costs: FloatArray

    def __post_init__(self) -> None:
        problem = self._shape_problem() or self._account_problem()
        if problem:
            raise ValueError(f"backtest {self.name!r}: {problem}")

    @property
    def returns(self) -> FloatArray:
        """(n_days - 1,) simple returns of the account value, net of costs."""
        return simple_returns(self.account_value)

    @property
    def weights(self) -> FloatArray:
        """(n_days, n_stocks + 1) shares of the account value before trading, cash last."""
        return _weights(self.shares * self.close, self.cash)

    @property
    def traded_weights(self) -> FloatArray:
        """(n_days - 1, n_stocks + 1) shares of the account value after trading, cash last."""
        return _weights(self.shares[1:] * self.close[:-1], self.cash[1:])

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The account as tables indexed by date.

        Returns:
            ``account_value`` (n_days rows: account_value, cash, daily_return, costs; the first
            return and the last cost are missing), ``holdings`` (n_days rows, shares of each
            ticker before trading), ``trades`` (n_days - 1 rows, shares of each ticker).
        """
        import pandas as pd

        dates = pd.DatetimeIndex(self.dates, name="date")
        account = {
            "account_value": self.account_value,
            "cash": self.cash,
            "daily_return": np.append(np.nan, self.returns),
            "costs": np.append(self.costs, np.nan),
        }
        return {
            "account_value": pd.DataFrame(account, index=dates),
            "holdings": pd.DataFrame(self.shares, index=dates, columns=list(self.tickers)),
            "trades": pd.DataFrame(self.trades, index=dates[:-1], columns=list(self.tickers)),
        }

    def _shape_problem(self) -> str | None:
        n_days, n_stocks = len(self.dates), len(self.tickers)
        if n_days < 2:
            return f"{n_days} day(s) recorded: at least 2 are needed for one return"
        expected = {
            "close": (n_days, n_stocks),
            "account_value": (n_days,),
            "cash": (n_days,),
            "shares": (n_days, n_stocks),
            "trades": (n_days - 1, n_stocks),
            "costs": (n_days - 1,),
        }
        for name, shape in expected.items():
            array = getattr(self, name)
            if array.shape != shape:
                return f"{name} has shape {array.shape}, expected {shape}"
            if not np.isfinite(array).all():
                day = int(np.argwhere(~np.isfinite(array))[0][0])
                return f"{name} is not finite, first on {self.dates[day]}"
        return None

    def _account_problem(self) -> str | None:
        if (self.account_value <= 0).any():
            day = int(np.argmax(self.account_value <= 0))
            return f"the account is worth {self.account_value[day]} on {self.dates[day]}"
        held = self.cash + (self.shares * self.close).sum(axis=1)
        spent = (self.trades * self.close[:-1]).sum(axis=1) + self.costs
        allowed = _RECONCILIATION_TOLERANCE * self.account_value
        gaps = {
            "account_value is not cash + shares @ close": np.abs(self.account_value - held)
            > allowed,
            "cash does not follow from trades and costs": np.abs(np.diff(self.cash) + spent)
            > allowed[:-1],
            "shares do not follow from trades": np.abs(
                np.diff(self.shares, axis=0) - self.trades
            ).max(axis=1)
            > _RECONCILIATION_TOLERANCE,
        }
        for text, days in gaps.items():
            if days.any():
                return f"{text}, first on {self.dates[int(np.argmax(days))]}"
        return None


def save_tables(result: BacktestResult, folder: str | Path) -> list[Path]:
    """Write the tables of a backtest as CSV files.

    Args:
        result: The backtest.
        folder: Where to write; made if it is not there.

    Returns:
        The files written: ``account_value.csv``, ``holdings.csv``, ``trades.csv``. Numbers are
        written in full, so that reading them gives the same float64.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in result.tables.items():
        path = folder / f"{name}.csv"
        table.to_csv(path)
        paths.append(path)
    return paths


def _weights(values: FloatArray, cash: FloatArray) -> FloatArray:
    amounts = np.column_stack([values, cash])
    weights: FloatArray = amounts / amounts.sum(axis=1, keepdims=True)
    return weights

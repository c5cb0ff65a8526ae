"""What a backtest leaves behind: the daily account of one policy, as arrays and as tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finai_rl.statistics.returns import simple_returns
from finai_rl.type_aliases import DateArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@")
"""How a formula of a spreadsheet begins."""
# A ledger adds up thousands of float64 amounts; a misplaced day or cost is far larger than this.
_RECONCILIATION_TOLERANCE = 1e-6
# Shares are added up one trade at a time: only the last bits may differ.
_SHARES_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """The account of one policy on every day of one episode.

    Amounts are in the currency of the data. Row t of the trades is decided at the close of day t,
    after ``account_value[t]`` is taken, and executed at ``fill_price[t]``: that same close, or a
    later price, at the latest the close of day t + 1. The last day has no trades.

    Shares may be fractional, and negative where a stock is sold short: ``cash`` then holds the
    proceeds, and the account value falls as the stock rises. An account may end ruined, worth
    nothing or less on its last day, which may be before the data ends; on no other day.

    Attributes:
        name: What was backtested, as it should read in a table or a legend.
        dates: (n_days,) datetime64.
        tickers: n_stocks names, the order of every stock axis.
        close: (n_days, n_stocks) closing prices.
        account_value: (n_days,) ``cash[t] + shares[t] @ close[t]``.
        cash: (n_days,) at the close of day t, before the trades decided then.
        shares: (n_days, n_stocks) held at the close of day t, negative where short;
            ``shares[t + 1] = shares[t] + trades[t]``.
        trades: (n_days - 1, n_stocks) shares bought (+) or sold (-), decided at the close of day t.
        fill_price: (n_days - 1, n_stocks) price at which the trades of row t are executed.
        costs: (n_days - 1,) commission, slippage and market impact of the trades of row t.
        financing: (n_days - 1,) borrow fees paid between day t and day t + 1, so that
            ``cash[t + 1] = cash[t] - trades[t] @ fill_price[t] - costs[t] - financing[t]``, less
            ``losses[t]``.
        settled: (n_days - 1, n_stocks) shares held of a stock when it is delisted, negative where
            short. Row t of the trades takes them out of the account; no order has asked for it.
        losses: (n_days - 1,) what was lost on them, less than the last prices say.

    Raises:
        ValueError: If shapes disagree, a value is not finite, the account does not reconcile with
            the three identities above, or it is worth nothing on a day before the last (returns
            are undefined then).

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> from finai_rl.evaluation.backtest import backtest
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> market = synthetic_market(n_days=4, n_stocks=2)
        >>> env = StockTradingVecEnv(market, hmax=10, record=True)
        >>> result = backtest(ConstantAction([1.0, 0.0]), env, market, "ten shares a day")
        >>> result.shares[:, 0], result.ruined
        (array([ 0., 10., 20., 30.]), False)
    """

    name: str
    dates: DateArray
    tickers: tuple[str, ...]
    close: FloatArray
    account_value: FloatArray
    cash: FloatArray
    shares: FloatArray
    trades: FloatArray
    fill_price: FloatArray
    costs: FloatArray
    financing: FloatArray
    settled: FloatArray = field(default_factory=lambda: np.zeros(0))
    losses: FloatArray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        # Of most accounts nothing is delisted: zeros that take no memory.
        for name, like in (("settled", self.trades), ("losses", self.costs)):
            value = getattr(self, name)
            if value.shape != like.shape and not value.any():
                object.__setattr__(self, name, np.broadcast_to(0.0, like.shape))
        problem = self._shape_problem() or self._account_problem()
        if problem:
            raise ValueError(f"backtest {self.name!r}: {problem}")

    @property
    def ruined(self) -> bool:
        """Whether the account ends worth nothing, or less."""
        return bool(self.account_value[-1] <= 0)

    @property
    def returns(self) -> FloatArray:
        """(n_days - 1,) simple returns of the account value, net of costs and financing.

        Only the last may be -1 or less: that of a ruined account.
        """
        return simple_returns(self.account_value)

    @property
    def orders(self) -> FloatArray:
        """(n_days - 1, n_stocks) trades that orders asked for: all but those of delisted stocks."""
        return self.trades + self.settled

    @property
    def weights(self) -> FloatArray:
        """(n_days, n_stocks + 1) shares of the account value at each close, cash last.

        A short position has a negative weight and its proceeds are in cash, whose weight may
        exceed 1; every row adds up to 1. The row of the day of ruin is NaN.
        """
        return _weights(self.shares * self.close, self.cash)

    @property
    def drifted_weights(self) -> FloatArray:
        """(n_days - 1, n_stocks + 1) as `weights`, just before each row's trades.

        At the fill prices, so that they are ``weights[:-1]`` where trades fill at the close they
        are decided at. A row in which the account is worth nothing at the fill prices is NaN.
        """
        return _weights(self.shares[:-1] * self.fill_price, self.cash[:-1])

    @property
    def traded_weights(self) -> FloatArray:
        """(n_days - 1, n_stocks + 1) as `drifted_weights`, just after the trades and their costs.

        Financing is not taken off: it is no part of a trade.
        """
        return _weights(self.shares[1:] * self.fill_price, self.cash[1:] + self.financing)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The account as tables indexed by date.

        Returns:
            ``account_value`` (n_days rows: account_value, cash, daily_return, costs, and
            financing and losses where there are any; the first return and the last cost,
            financing and loss are missing), ``holdings`` (n_days rows, shares of each ticker before
            trading), ``trades`` (n_days - 1 rows, shares of each ticker, by the day of the
            decision), and ``fill_price`` (as trades) where it is not the close of that day.
        """
        import pandas as pd

        dates = pd.DatetimeIndex(self.dates, name="date")
        account = {
            "account_value": self.account_value,
            "cash": self.cash,
            "daily_return": np.append(np.nan, self.returns),
            "costs": np.append(self.costs, np.nan),
        }
        for name in ("financing", "losses"):
            if (paid := getattr(self, name)).any():
                account[name] = np.append(paid, np.nan)
        by_ticker = {"holdings": self.shares, "trades": self.trades}
        if (self.fill_price != self.close[:-1]).any():
            by_ticker["fill_price"] = self.fill_price
        tables = {"account_value": pd.DataFrame(account, index=dates)}
        for name, values in by_ticker.items():
            days = dates[: len(values)]
            tables[name] = pd.DataFrame(values, index=days, columns=list(self.tickers))
        return tables

    def head(self, n_days: int) -> BacktestResult:
        """Return the first days of the account, all of them if there are no more.

        Args:
            n_days: How many, at least 2.
        """
        days, steps = slice(n_days), slice(max(n_days - 1, 0))
        return replace(
            self,
            dates=self.dates[days],
            close=self.close[days],
            account_value=self.account_value[days],
            cash=self.cash[days],
            shares=self.shares[days],
            trades=self.trades[steps],
            fill_price=self.fill_price[steps],
            costs=self.costs[steps],
            financing=self.financing[steps],
            settled=self.settled[steps],
            losses=self.losses[steps],
        )

    def followed_by(self, later: BacktestResult) -> BacktestResult:
        """Return this account and one of later days as one record.

        At its last close this account is turned, free of costs, into what the later one opens
        with, and the later one is scaled to that worth: its returns stay what they are. Days
        between the two are left out; over them it earns what that opening does, nothing in cash.

        Args:
            later: Of the same stocks, on days after the last of these.

        Raises:
            ValueError: If stocks or days do not allow it, or one is worth nothing where they meet.
        """
        if self.tickers != later.tickers or self.dates[-1] >= later.dates[0]:
            raise ValueError(f"{later.name!r} is not on the same stocks and later days")
        close = self.close[-1]
        opening = float(later.cash[0] + later.shares[0] @ close)
        if self.ruined or opening <= 0:
            raise ValueError(f"{self.name!r} or what follows it is worth nothing where they meet")
        scale = float(self.account_value[-1]) / opening
        between = {
            "trades": scale * later.shares[0] - self.shares[-1],
            "fill_price": close,
            "costs": np.zeros(()),
            "financing": np.zeros(()),
            "settled": np.zeros(len(close)),
            "losses": np.zeros(()),
        }
        prices = ("dates", "close", "fill_price")
        joined: dict[str, Any] = {}
        for name in ("dates", "close", "account_value", "cash", "shares", *between):
            after = getattr(later, name)
            step = [between[name][None]] if name in between else []
            joined[name] = np.concatenate(
                [getattr(self, name), *step, after if name in prices else scale * after]
            )
        return replace(self, **joined)

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
            "fill_price": (n_days - 1, n_stocks),
            "costs": (n_days - 1,),
            "financing": (n_days - 1,),
            "settled": (n_days - 1, n_stocks),
            "losses": (n_days - 1,),
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
        if (self.account_value[:-1] <= 0).any():
            day = int(np.argmax(self.account_value <= 0))
            return (
                f"the account is worth {self.account_value[day]} on {self.dates[day]}, and the "
                "episode goes on"
            )
        values = self.shares * self.close
        held = self.cash + values.sum(axis=1)
        spent = (self.trades * self.fill_price).sum(axis=1) + self.costs + self.financing
        spent += self.losses
        # Near ruin the account is a small difference of large amounts, and these are rounded.
        allowed = _RECONCILIATION_TOLERANCE * (np.abs(self.cash) + np.abs(values).sum(axis=1))
        moved = np.abs(np.diff(self.shares, axis=0) - self.trades)
        held_before_and_after = np.abs(self.shares[:-1]) + np.abs(self.shares[1:])
        gaps = {
            "account_value is not cash + shares @ close": np.abs(self.account_value - held)
            > allowed,
            "cash does not follow from trades, fill prices, costs, financing and losses": np.abs(
                np.diff(self.cash) + spent
            )
            > np.maximum(allowed[:-1], allowed[1:]),
            "shares do not follow from trades": (
                moved > _SHARES_TOLERANCE * (1 + held_before_and_after)
            ).any(axis=1),
        }
        for text, days in gaps.items():
            if days.any():
                return f"{text}, first on {self.dates[int(np.argmax(days))]}"
        return None


def cell_text(text: str) -> str:
    """Return a text as a cell of a table for people, which a spreadsheet shows and never runs.

    Spreadsheets take what begins with ``=``, ``+``, ``-`` or ``@`` for a formula. Tables that
    finai_rl reads again, such as prepared data, hold every text as it is.

    Example:
        >>> cell_text("=1+1"), cell_text("BRK-B")
        ("'=1+1", 'BRK-B')
    """
    return f"'{text}" if text.startswith(FORMULA) else text


def save_tables(result: BacktestResult, folder: str | Path) -> list[Path]:
    """Write the tables of a backtest as CSV files.

    Args:
        result: The backtest.
        folder: Where to write; made if it is not there.

    Returns:
        The files written: ``account_value.csv``, ``holdings.csv``, ``trades.csv``, and
        ``fill_price.csv`` where trades did not fill at the close they were decided at. Numbers
        are written in full, so that reading them gives the same float64.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in result.tables.items():
        path = folder / f"{name}.csv"
        table.rename(columns=cell_text).to_csv(path)
        paths.append(path)
    return paths


def _weights(values: FloatArray, cash: FloatArray) -> FloatArray:
    amounts = np.column_stack([values, cash])
    worth = amounts.sum(axis=1, keepdims=True)
    undefined = np.full_like(amounts, np.nan)
    weights: FloatArray = np.divide(amounts, worth, out=undefined, where=worth > 0)
    return weights

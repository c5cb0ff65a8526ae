"""Which columns of an observation are what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finai_rl.type_aliases import IntArray

CASH = "cash"
"""What the first column of a state is called."""


@dataclass(frozen=True)
class ObservationLayout:
    """The columns of an observation: cash, then blocks of one column a stock, for each day in it.

    Attributes:
        names: Of the blocks, in their order.
        n_stocks: Columns of a block.
        window: Days in an observation, oldest first.

    Example:
        >>> layout = ObservationLayout(("close", "holdings", "macd"), n_stocks=2, window=2)
        >>> layout.n_columns
        14
        >>> layout.part("macd"), layout.part("cash")
        (array([ 5,  6, 12, 13]), array([0, 7]))
        >>> layout.stock(1)
        array([ 2,  4,  6,  9, 11, 13])
        >>> layout.today("macd")
        array([12, 13])
    """

    names: tuple[str, ...]
    n_stocks: int
    window: int = 1

    @property
    def parts(self) -> tuple[str, ...]:
        """Cash and the blocks."""
        return (CASH, *self.names)

    @property
    def n_columns(self) -> int:
        """Columns of an observation."""
        return self.window * self._width

    def part(self, name: str) -> IntArray:
        """Return the columns of cash or of a block, on every day of the window."""
        return self._every_day(self._block(name))

    def stock(self, stock: int) -> IntArray:
        """Return all columns of one stock, its own holdings among them, on every day."""
        return self._every_day(1 + stock + self.n_stocks * np.arange(len(self.names)))

    def today(self, name: str) -> IntArray:
        """Return the (n_stocks,) columns of a block on the last day of the window."""
        return self._block(name) + (self.window - 1) * self._width

    @property
    def _width(self) -> int:
        return 1 + len(self.names) * self.n_stocks

    def _block(self, name: str) -> IntArray:
        if name == CASH:
            return np.zeros(1, dtype=np.int64)
        first = 1 + self.names.index(name) * self.n_stocks
        return np.arange(first, first + self.n_stocks)

    def _every_day(self, columns: IntArray) -> IntArray:
        days = self._width * np.arange(self.window)[:, None]
        found: IntArray = (days + columns).ravel()
        return found

"""What the newest day lacks and the day before has: late, or gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from finai_rl.errors import DataError

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData


def late_on_newest(market: MarketData) -> list[str]:
    """Return what had a price, or a value, on the day before the newest, and has none on it.

    Args:
        market: All days that are known.

    Returns:
        Names of stocks, and of series of the whole market.
    """
    late = [name for name, age in market.source.stale.items() if age == 1]
    if market.listed is not None and market.n_days > 1:
        gone = np.flatnonzero(market.listed[-2] & ~market.listed[-1])
        late += [market.tickers[stock] for stock in gone]
    return late


def waiting(market: MarketData, late: Sequence[str], n_entered: int) -> DataError:
    """Return why the newest day is not entered yet, and what helps.

    Args:
        market: All days that are known.
        late: Of `late_on_newest`.
        n_entered: Days before it that were.
    """
    stocks = [name for name in late if name in market.tickers]
    gone = f". A stock that was delisted is named by delisted=[{stocks[0]}]" if stocks else ""
    day, before = market.day_names[-1], f"; {n_entered} days before it are" if n_entered else ""
    return DataError(
        market.source.path or market.source.name,
        [
            f"{day} is not entered yet{before}, and nothing is ordered: the day, the newest one, "
            f"has no price or value of {', '.join(late)}, which the day before has. If it is late, "
            f"get the file again; the next day enters this one as it is{gone}"
        ],
    )

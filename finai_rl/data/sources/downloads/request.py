"""What is asked of a service that has prices."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass

import pandas as pd

from finai_rl.data.tables.dates import full_date


@dataclass(frozen=True)
class Request:
    """Adjusted prices of some tickers from one day to another, inclusive.

    Attributes:
        tickers: As the service spells them, sorted.
        start: First day, ISO date.
        end: Last day, ISO date.
        interval: The length of a bar, as the service names it.
        of: What else another answer depends on, by name, e.g. ``(("exchange", "kraken"),)``.

    Raises:
        ValueError: If there is no ticker, or no day between start and end.

    Example:
        >>> Request(("AAPL", "JPM"), start="2020-01-01", end="2020-12-31", interval="1d").key
        'AAPL_2_1d_ac88fe97b7b0'
    """

    tickers: tuple[str, ...]
    start: str
    end: str
    interval: str
    of: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.tickers:
            raise ValueError("tickers: at least one is needed, e.g. [AAPL, JPM]")
        if full_date("start", self.start) >= full_date("end", self.end):
            raise ValueError(f"start={self.start} must lie before end={self.end}")

    @property
    def content(self) -> dict[str, object]:
        """The request as a JSON object."""
        content = asdict(self)
        return content | dict(content.pop("of"))

    @property
    def key(self) -> str:
        """A name for the request's file, the same for the same request."""
        digest = hashlib.sha256(json.dumps(self.content).encode()).hexdigest()[:12]
        first = re.sub(r"[/\\:]", "-", self.tickers[0].strip("^"))
        return f"{first}_{len(self.tickers)}_{self.interval}_{digest}"


@dataclass(frozen=True)
class Service:
    """Where prices are downloaded from.

    Attributes:
        name: As in ``data=yahoo``.
        title: As people call it.
        download: Gives the bars of a request, as :func:`~.bars.long_table` makes them.
        caveats: What holds of all prices of this service.
        intervals: Lengths of bars that it has; empty if only it can tell.
        spelled: Spells a ticker as the service does.

    Example:
        >>> Service("yahoo", "Yahoo", download=lambda request: None, caveats=()).spelled("aapl")
        'AAPL'
    """

    name: str
    title: str
    download: Callable[[Request], pd.DataFrame]
    caveats: tuple[str, ...]
    intervals: tuple[str, ...] = ()
    spelled: Callable[[str], str] = str.upper

"""The aligned market panel that every other room receives."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from finai_rl.errors import DataError
from finai_rl.type_aliases import BoolArray, DateArray, FloatArray

LOOK_BACK = 1260
"""Most days before a panel's first that are kept as its ``past``: five years of trading days."""


def day_names(dates: DateArray) -> list[str]:
    """Return (n_days,) dates as ISO text; the time of day is shown only where they have one."""
    days = dates.astype("datetime64[D]")
    shown = days if (days == dates).all() else dates.astype("datetime64[s]")
    return [str(day) for day in shown]


@dataclass(frozen=True)
class FileVersion:
    """What it takes to get the bytes of a file again; None is for what is not known.

    Attributes:
        sha256: Hash of the bytes.
        md5: What DVC's pointer calls the content. Where ``dirty``, the file is not that.
        rev: Hash of the commit that the checkout was at, or that the file was fetched from.
        tag: A git tag of that commit.
        dirty: Whether the commit does not have these bytes: the file was changed since, or the
            pointer to it not committed.
        tracked_by: ``dvc`` or ``git``, whichever holds the content.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> from finai_rl.data.versions.versioning import file_version
        >>> with NamedTemporaryFile() as file:  # Empty, and tracked by neither DVC nor git.
        ...     version = file_version(file.name)
        >>> version.sha256[:12], version.tracked_by
        ('e3b0c44298fc', None)
    """

    sha256: str
    md5: str | None = None
    rev: str | None = None
    tag: str | None = None
    dirty: bool | None = None
    tracked_by: str | None = None


OPTIONAL = ("sentiment", "risk", "benchmark", "open", "volume", "listed")
"""Arrays that a panel may have none of."""


@dataclass(frozen=True)
class DataSource:
    """Where a panel came from, in enough detail to find the same bytes again.

    Attributes:
        name: Short name of the source, e.g. ``"sp500"`` or the stem of the CSV file.
        sha256: Hash of the file's bytes, or of the panel's content where there is no file.
        path: The file, where there is one.
        caveats: What a reader of any result on this data has to know, one sentence each.
        simulated: Names of columns that were simulated rather than observed.
        version: What DVC and git call the file, where there is one.
        repaired: How many rows, cells or tickers were filled or dropped, by what was done.
        recipe: JSON of what `finai_rl.prepare` made the file by; empty where it did not.
        stale: For how many periods up to the last one the close of a ticker, or the value of a
            series of the whole market, was carried forward, of those of which it was.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> source = synthetic_market(n_days=20, n_stocks=2).source
        >>> source.name, source.path, "close" in source.simulated
        ('synthetic-noise', None, True)
    """

    name: str
    sha256: str
    path: str | None = None
    caveats: tuple[str, ...] = ()
    simulated: tuple[str, ...] = ()
    version: FileVersion | None = None
    repaired: Mapping[str, int] = field(default_factory=dict)
    recipe: str = ""
    stale: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.sha256, str) or not self.sha256:
            raise DataError(
                self.path or str(self.name),
                [
                    "source.sha256 must be a text by which the same data is known again, such as a "
                    f"hash of its content, got {self.sha256!r}"
                ],
            )


@dataclass(frozen=True, eq=False, repr=False)
class MarketData:
    """Prices and features of the same stocks on the same days, complete by construction.

    Attributes:
        dates: (n_days,) datetime64, strictly increasing.
        tickers: n_stocks names, unique, the order of every stock axis.
        close: (n_days, n_stocks) float64, positive, in the currency of the data.
        features: (n_days, n_features, n_stocks) float64, known at the close of their day.
        feature_names: n_features names, unique.
        source: Where the panel came from.
        sentiment: Optional (n_days, n_sentiment, n_stocks) float64.
        sentiment_names: n_sentiment names.
        risk: Optional (n_days,) float64 risk index (turbulence, VIX) known at the close.
        risk_name: Its name.
        benchmark: Optional (n_days,) float64 index level, positive.
        benchmark_name: Its name.
        open: Optional (n_days, n_stocks) float64, positive, on the scale of ``close``.
        volume: Optional (n_days, n_stocks) float64, positive, shares traded per period.
        listed: Optional (n_days, n_stocks) bool: whether a stock can be traded on a day. Where it
            is not, its close and open are its last close, or 1 before there is one, its volume
            is 1, its features are 0, and its sentiment is neutral. None where all always are.
        past: Optional panel of the days right before the first, at most ``LOOK_BACK``: what returns
            and averages of the first days look back on. Nobody trades on it.

    Raises:
        DataError: If shapes disagree, dates do not increase, or a value is missing,
            infinite or (for prices, volumes and index levels) not positive.

    Example:
        >>> days = np.arange("2024-01-02", "2024-01-05", dtype="datetime64[D]")
        >>> close = np.array([[185.6, 172.1], [184.3, 171.4], [181.9, 172.6]])
        >>> source = DataSource("prices", sha256="ab12")
        >>> market = MarketData(days, ("AAPL", "JPM"), close, np.zeros((3, 1, 2)), ("rsi",), source)
        >>> market.slice_days(0, 2)
        MarketData(prices: 2 stocks, 2 days, 2024-01-02 to 2024-01-03)
    """

    dates: DateArray
    tickers: tuple[str, ...]
    close: FloatArray
    features: FloatArray
    feature_names: tuple[str, ...]
    source: DataSource
    sentiment: FloatArray | None = None
    sentiment_names: tuple[str, ...] = ()
    risk: FloatArray | None = None
    risk_name: str = ""
    benchmark: FloatArray | None = None
    benchmark_name: str = ""
    open: FloatArray | None = None
    volume: FloatArray | None = None
    listed: BoolArray | None = None
    past: MarketData | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.source, DataSource):
            raise DataError("data", [f"source must be a DataSource, got {self.source!r}"])
        problems = self._kind_problems() or self._shape_problems() or [*self._value_problems()]
        if problems:
            raise DataError(self.source.path or self.source.name, problems)

    @classmethod
    def checked_before(cls, **values: Any) -> MarketData:
        """Make a panel of values that have been checked before, and are not read again.

        Args:
            values: Attributes of the panel.

        Raises:
            DataError: If their shapes disagree.
        """
        panel = object.__new__(cls)
        for known in fields(cls):
            value = values.pop(known.name) if known.name in values else known.default
            object.__setattr__(panel, known.name, value)
        if values:
            raise TypeError(f"a panel has no {', '.join(values)}")
        if problems := panel._shape_problems():
            raise DataError(panel.source.path or panel.source.name, problems)
        return panel

    def __repr__(self) -> str:
        return (
            f"MarketData({self.source.name}: {self.n_stocks} stocks, {self.n_days} days, "
            f"{self.span})"
        )

    @property
    def n_days(self) -> int:
        """Number of days."""
        return len(self.dates)

    @property
    def n_stocks(self) -> int:
        """Number of stocks."""
        return len(self.tickers)

    @property
    def day_names(self) -> list[str]:
        """Dates as ISO text; the time of day is shown only where the data has one."""
        return day_names(self.dates)

    @property
    def span(self) -> str:
        """First and last day, e.g. ``2014-01-02 to 2016-12-30``."""
        return f"{self.day_names[0]} to {self.day_names[-1]}"

    def slice_days(self, start: int, stop: int) -> MarketData:
        """Return days ``start`` up to but excluding ``stop``, as views on the same arrays.

        The days before ``start`` become its ``past``.
        """
        if not 0 <= start < stop <= self.n_days:
            raise IndexError(f"no days {start}:{stop} in a panel of {self.n_days} days")
        days = {name: value[start:stop] for name, value in self._by_day().items()}
        return self._with(days | {"past": self._before(start)})

    def with_past(self) -> MarketData:
        """Return the panel with the days of its ``past`` in front, which has none then.

        Raises:
            ValueError: If the past is of other features or stocks.
        """
        if self.past is None:
            return self
        if self.past.feature_names != self.feature_names or self.past.tickers != self.tickers:
            raise ValueError(
                "the days before this panel have other features or stocks: give past=None"
            )
        before = self.past._by_day()
        joined = {
            name: np.concatenate([before[name], value]) for name, value in self._by_day().items()
        }
        return self._with(joined | {"past": None})

    def copy(self) -> MarketData:
        """Return a panel with arrays of its own, so that the larger one can be let go."""
        past = None if self.past is None else self.past.copy()
        own = {name: value.copy() for name, value in self._by_day().items()}
        return self._with(own | {"past": past})

    def _before(self, day: int) -> MarketData | None:
        whole = self
        if self.past is not None and day < LOOK_BACK:
            whole, day = self.with_past(), day + self.past.n_days
        first = max(day - LOOK_BACK, 0)
        if day - first < 2:
            return None
        days = {name: value[first:day] for name, value in whole._by_day().items()}
        return whole._with(days | {"past": None})

    def followed_by(self, later: MarketData) -> MarketData:
        """Return these days and later ones of the same panel as one, with arrays of its own."""
        if not self.dates[-1] < later.dates[0]:
            raise ValueError(f"{later.span} does not follow {self.span}: give later days")
        return self._with(
            {
                name: np.concatenate([value, getattr(later, name)])
                for name, value in self._by_day().items()
            }
        )

    def with_source(self, source: DataSource) -> MarketData:
        """Return the same panel, arrays included, from another source."""
        past = None if self.past is None else self.past.with_source(source)
        return self._with({"source": source, "past": past})

    def _with(self, changes: dict[str, Any]) -> MarketData:
        same = {field.name: getattr(self, field.name) for field in fields(self)}
        return MarketData.checked_before(**same | changes)

    def _by_day(self) -> dict[str, Any]:
        return {
            field.name: value
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), np.ndarray)
        }

    def _kind_problems(self) -> list[str]:
        """Return what is no array of its kind, or no tuple of names."""
        others = ("tickers", "feature_names", "sentiment_names", "source", "past")
        wanted: dict[str, np.dtype[Any]] = {
            field.name: np.dtype(bool if field.name == "listed" else np.float64)
            for field in fields(self)
            if field.name not in others
        }
        problems = []
        for name, kind in wanted.items():
            value = getattr(self, name)
            if name.endswith("_name") or (value is None and name in OPTIONAL):
                continue
            dtype = value.dtype if isinstance(value, np.ndarray) else None
            if name == "dates":
                if dtype is None or dtype.kind != "M" or value.ndim != 1:
                    said = _kind_of(value)
                    problems.append(f"dates must be an array of datetime64, one a day, got {said}")
            elif dtype is None or dtype != kind:
                problems.append(f"{name} must be an array of {kind}, got {_kind_of(value)}")
        for name in ("tickers", "feature_names", "sentiment_names"):
            names = getattr(self, name)
            if not isinstance(names, tuple) or not all(isinstance(one, str) for one in names):
                problems.append(f"{name} must be a tuple of texts, got {_kind_of(names)}")
        return problems

    def _shape_problems(self) -> list[str]:
        n_days, n_stocks = len(self.dates), len(self.tickers)
        expected: dict[str, tuple[int, ...]] = {
            "close": (n_days, n_stocks),
            "features": (n_days, len(self.feature_names), n_stocks),
            "sentiment": (n_days, len(self.sentiment_names), n_stocks),
            "risk": (n_days,),
            "benchmark": (n_days,),
            "open": (n_days, n_stocks),
            "volume": (n_days, n_stocks),
            "listed": (n_days, n_stocks),
        }
        problems = [
            f"{name} has shape {array.shape}, expected {shape}"
            for name, shape in expected.items()
            if (array := getattr(self, name)) is not None and array.shape != shape
        ]
        if n_days < 2:
            problems.append(f"{n_days} day(s): at least 2 are needed to trade once; give more")
        problems += [
            f"{name!r}: a name with control characters, which a terminal would obey; leave them out"
            for name in (*self.tickers, *self.feature_names, *self.sentiment_names)
            if any(unicodedata.category(one) == "Cc" for one in name)
        ]
        if len(set(self.tickers)) != n_stocks or not n_stocks:
            problems.append(f"tickers must be unique and at least one, got {list(self.tickers)}")
        names = self.feature_names + self.sentiment_names
        if len(set(names)) != len(names):
            problems.append(f"feature and sentiment names must be unique, got {list(names)}")
        return problems

    def _value_problems(self) -> list[str]:
        problems = []
        if not (np.diff(self.dates) > np.timedelta64(0)).all():
            problems.append("dates must be strictly increasing")
        for name in ("close", "features", "sentiment", "risk", "benchmark", "open", "volume"):
            array = getattr(self, name)
            if array is not None and not np.isfinite(array).all():
                day = int(np.argwhere(~np.isfinite(array))[0][0])
                problems.append(f"{name} is not finite, first on {self.dates[day]}; look there")
        for name in ("close", "benchmark", "open", "volume"):
            array = getattr(self, name)
            if array is not None and (array <= 0).any():
                day = int(np.argwhere(array <= 0)[0][0])
                problems.append(f"{name} is not positive, first on {self.dates[day]}; look there")
        return problems


def _kind_of(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return f"{type(value).__name__} {value!r:.60}"

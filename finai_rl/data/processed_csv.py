"""FinRL's feature-engineered CSV: long format, one row per date and ticker."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from finai_rl.data.market import DataSource, MarketData
from finai_rl.data.price_scale import price_scale_problems
from finai_rl.data.revisions import CACHE, versioned_file
from finai_rl.data.scores import combined_sha256, with_scores
from finai_rl.data.sentiment import (
    BY_NAME,
    SentimentColumns,
    filled,
    lag_note,
    lagged,
    names_sentiment,
    settings_of,
)
from finai_rl.data.validation import DataError, panel_problems, parse_dates

log = logging.getLogger(__name__)

PRICES = ("open", "high", "low", "close")
LAYOUT = ("date", "tic", *PRICES, "volume", "day")
NO_NUMBER = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"]
"""What empty cells of number columns are written as."""

RISKS = ("turbulence", "vix", "llm_risk")
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class _Columns:
    indicators: tuple[str, ...]
    neutral: dict[str, float]
    lag: int
    risk: str | None
    benchmark: str | None
    open: str | None
    volume: str | None

    @property
    def sentiment(self) -> tuple[str, ...]:
        return tuple(self.neutral)

    @property
    def shared(self) -> list[str]:
        return [name for name in (self.risk, self.benchmark) if name]

    @property
    def positive(self) -> list[str]:
        named = ("close", self.benchmark, self.open, self.volume)
        return [name for name in named if name]

    @property
    def numeric(self) -> list[str]:
        names = [*self.positive, *self.indicators, *self.sentiment, *self.shared]
        return list(dict.fromkeys(names))


def load_processed_csv(
    path: str,
    *,
    indicators: Sequence[str] | None = None,
    sentiment: SentimentColumns | Mapping[str, Any] | None = BY_NAME,
    risk: str | None = None,
    benchmark: str | None = None,
    open: str | None = None,
    volume: str | None = None,
    rev: str | None = None,
    sha256: str | None = None,
    rev_cache: str = CACHE,
) -> MarketData:
    """Load the processed CSV that a FinRL pipeline leaves behind.

    Columns needed: ``date``, ``tic``, ``close``. An unnamed first column (FinRL's day index)
    is ignored. Dates may carry a time and a zone; the time on the wall counts.

    Args:
        path: The file, absolute or relative to the current folder.
        indicators: Feature columns in the order of the state; by default every numeric column
            that is not a price, volume, calendar, risk or sentiment column.
        sentiment: Any of the settings of :class:`~finai_rl.data.sentiment.SentimentColumns`,
            e.g. ``{"lag": 1}``; None loads no sentiment. The number of empty cells filled, and
            of those that a lag leaves without news, is logged and becomes a caveat of the data.
        risk: Column of the risk index, the same for all tickers of a date, e.g. ``vix``.
        benchmark: Column of an index level, the same for all tickers of a date.
        open: Column of the opening price, on the scale of ``close``: refused where the file's
            ``high`` and ``low`` say otherwise.
        volume: Column of the shares traded per period.
        rev: A git tag, branch or commit: the file as it was then, fetched through DVC or git.
        sha256: What the file's bytes must hash to, or the first 12 or more of its digits.
        rev_cache: Folder that fetched revisions are kept in.

    Raises:
        DataError: If the file or a column is missing, or any row is not usable. Nothing is
            dropped, and nothing but empty sentiment cells is filled.
        InputError: If a setting of ``sentiment``, or ``sha256``, is unknown or refused.
    """
    settings = settings_of(SentimentColumns, sentiment)
    file, version = versioned_file(path, rev=rev, sha256=sha256, rev_cache=rev_cache)
    frame, settings, scores = with_scores(_read(file), settings)
    named = {"risk": risk, "benchmark": benchmark, "open": open, "volume": volume}
    columns = _choose(file, frame, indicators, settings, named)
    rows, caveats = filled(frame.reset_index(drop=True), columns.neutral)
    rows["date"], problems = parse_dates(rows["date"].astype(str))
    problems = problems or _problems(rows, columns)
    if problems:
        raise DataError(str(file), problems)
    caveats += scores.caveats if scores else ()
    if columns.sentiment:
        caveats += lag_note(columns.lag, rows["tic"].nunique())
    for caveat in caveats:
        log.info("%s: %s", file, caveat)
    log.info("%s: indicators %s", file, ", ".join(columns.indicators) or "none")
    identity = combined_sha256(version.sha256, scores)
    source = DataSource(file.stem, identity, path, caveats, version=version)
    return _panel(rows, columns, source)


def _read(file: Path) -> pd.DataFrame:
    try:
        header = pd.read_csv(file, nrows=0).columns
        # A ticker may be called NA or NULL: in that column only an empty cell is missing.
        missing_values = {name: [""] if name == "tic" else NO_NUMBER for name in header}
        frame = pd.read_csv(
            file, keep_default_na=False, na_values=missing_values, dtype={"tic": str}
        )
    except (ValueError, OSError) as error:
        raise DataError(str(file), [f"cannot be read as CSV: {error}"]) from None
    missing = [name for name in ("date", "tic", "close") if name not in frame.columns]
    if missing:
        alike = {str(name).strip().lower(): name for name in frame.columns}
        renames = [f"rename {alike[name]!r} to {name!r}" for name in missing if name in alike]
        hint = "; ".join(["", *renames])
        raise DataError(
            str(file), [f"column(s) {missing} missing; the file has {list(frame.columns)}{hint}"]
        )
    if frame.empty:
        raise DataError(str(file), ["it has a header but no rows"])
    return frame


def _choose(
    file: Path,
    frame: pd.DataFrame,
    indicators: Sequence[str] | None,
    settings: SentimentColumns | None,
    named: dict[str, str | None],
) -> _Columns:
    offered = [str(name) for name in frame.columns if not str(name).startswith("Unnamed:")]
    sentiment = settings.chosen(offered) if settings else ()
    wanted: dict[str, Sequence[str]] = {key: [name] for key, name in named.items() if name}
    risk_column = settings.risk_column if settings else None
    wanted["sentiment.columns"] = [name for name in sentiment if name != risk_column]
    wanted["sentiment.risk_column"] = [risk_column] if risk_column else []
    if indicators is None:
        indicators = _indicators(file, frame, offered, {*sentiment, *named.values()})
    wanted["indicators"] = indicators
    problems = [
        f"data.{key}: no column {absent}; the file has {offered}"
        for key, names in wanted.items()
        if (absent := [name for name in names if name not in offered])
    ]
    if problems:
        raise DataError(str(file), problems)
    neutral = settings.neutral_values(sentiment) if settings else {}
    lag = settings.lag if settings else 0
    return _Columns(tuple(indicators), neutral, lag, **named)


def _indicators(
    file: Path, frame: pd.DataFrame, offered: Sequence[str], elsewhere: set[str | None]
) -> list[str]:
    others = {*LAYOUT, *RISKS, *elsewhere}
    candidates = [name for name in offered if name not in others and not names_sentiment(name)]
    numeric = [name for name in candidates if _is_numeric(frame[name])]
    if left := [name for name in candidates if name not in numeric]:
        log.warning("%s: columns that are not numeric are not used: %s", file, left)
    if left := [name for name in offered if name not in others and names_sentiment(name)]:
        log.info("%s: sentiment columns that are not chosen are not used: %s", file, left)
    return numeric


def _is_numeric(column: pd.Series) -> bool:
    # A damaged number column is read as text, and has to be refused later, not left out here.
    filled = column.dropna()
    return bool(pd.to_numeric(filled, errors="coerce").notna().sum() * 2 >= max(len(filled), 1))


def _problems(rows: pd.DataFrame, columns: _Columns) -> list[str]:
    problems = [
        *panel_problems(rows, columns.numeric, columns.positive),
        *_unshared(rows, columns),
    ]
    if columns.open:
        problems += price_scale_problems(rows, columns.open)
    n_days = rows["date"].nunique()
    if columns.lag >= n_days:
        problems.append(
            f"data.sentiment.lag: {columns.lag} periods, but the file has {n_days}: "
            "no sentiment would be left"
        )
    return problems


def _unshared(rows: pd.DataFrame, columns: _Columns) -> list[str]:
    problems = []
    for name in columns.shared:
        differing = rows.groupby("date")[name].nunique() > 1
        if differing.any():
            first = differing.index[differing.to_numpy()][0]
            per_stock = "; a risk score per stock goes into data.sentiment.risk_column"
            hint = per_stock if name == columns.risk else ""
            problems.append(
                f"column {name} must be the same for all tickers of a date, but differs on "
                f"{int(differing.sum())} dates, first on {first}{hint}"
            )
    return problems


def _panel(rows: pd.DataFrame, columns: _Columns, source: DataSource) -> MarketData:
    rows = rows.sort_values(["date", "tic"], kind="stable")
    tickers = tuple(dict.fromkeys(rows["tic"]))
    dates = rows["date"].to_numpy()[:: len(tickers)]

    def stacked(names: tuple[str, ...]) -> FloatArray:
        wide = rows[list(names)].to_numpy(dtype=np.float64)
        shaped = wide.reshape(len(dates), len(tickers), len(names))
        return np.ascontiguousarray(shaped.transpose(0, 2, 1))

    def shared(name: str | None) -> FloatArray | None:
        return stacked((name,))[:, 0, 0].copy() if name else None

    def by_stock(name: str | None) -> FloatArray | None:
        return stacked((name,))[:, 0, :].copy() if name else None

    scores = lagged(stacked(columns.sentiment), columns.lag, list(columns.neutral.values()))
    return MarketData(
        dates=dates,
        tickers=tickers,
        close=stacked(("close",))[:, 0, :].copy(),
        features=stacked(columns.indicators),
        feature_names=columns.indicators,
        sentiment=scores if columns.sentiment else None,
        sentiment_names=columns.sentiment,
        risk=shared(columns.risk),
        risk_name=columns.risk or "",
        benchmark=shared(columns.benchmark),
        benchmark_name=columns.benchmark or "",
        open=by_stock(columns.open),
        volume=by_stock(columns.volume),
        source=source,
    )

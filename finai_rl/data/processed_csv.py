"""FinRL's feature-engineered CSV: long format, one row per date and ticker."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from finai_rl.data.market import DataSource, MarketData
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
    sentiment: tuple[str, ...]
    risk: str | None
    benchmark: str | None


def load_processed_csv(
    path: str,
    *,
    indicators: Sequence[str] | None = None,
    sentiment_columns: Sequence[str] | None = None,
    sentiment_neutral: float = 0.0,
    risk: str | None = None,
    benchmark: str | None = None,
) -> MarketData:
    """Load the processed CSV that a FinRL pipeline leaves behind.

    Columns needed: ``date``, ``tic``, ``close``. An unnamed first column (FinRL's day index)
    is ignored. Dates may carry a time and a zone; the time on the wall counts.

    Args:
        path: The file, absolute or relative to the current folder.
        indicators: Feature columns in the order of the state; by default every numeric column
            that is not a price, volume, calendar, risk or sentiment column.
        sentiment_columns: Sentiment columns; by default every column with "sentiment" in its name.
        sentiment_neutral: What an empty sentiment cell (no news) becomes; the number of cells
            filled is logged and becomes a caveat of the data.
        risk: Column of the risk index, the same for all tickers of a date, e.g. ``vix``.
        benchmark: Column of an index level, the same for all tickers of a date.

    Raises:
        DataError: If the file or a column is missing, or any row is not usable. Nothing is
            dropped, and nothing but empty sentiment cells is filled.
    """
    file = Path(path).expanduser()
    frame = _read(file)
    columns = _choose(file, frame, indicators, sentiment_columns, risk, benchmark)
    rows = frame.reset_index(drop=True)
    rows["date"], problems = parse_dates(rows["date"].astype(str))
    filled = int(rows[list(columns.sentiment)].isna().sum().sum())
    rows = rows.fillna(dict.fromkeys(columns.sentiment, sentiment_neutral))
    shared = [name for name in (columns.risk, columns.benchmark) if name]
    numeric = list(dict.fromkeys(["close", *columns.indicators, *columns.sentiment, *shared]))
    positive = ["close", *([columns.benchmark] if columns.benchmark else [])]
    if not problems:
        problems = [*panel_problems(rows, numeric, positive), *_unshared(rows, shared)]
    if problems:
        raise DataError(str(file), problems)
    caveats: tuple[str, ...] = ()
    if filled:
        cells = len(rows) * len(columns.sentiment)
        caveats = (
            f"{filled} of {cells} sentiment cells were empty (no news) and count as "
            f"{sentiment_neutral:g}.",
        )
        log.info("%s: %s", file, caveats[0])
    log.info("%s: indicators %s", file, ", ".join(columns.indicators) or "none")
    source = DataSource(file.stem, hashlib.sha256(file.read_bytes()).hexdigest(), path, caveats)
    return _panel(rows, columns, source)


def _read(file: Path) -> pd.DataFrame:
    if not file.is_file():
        pointer = file.with_name(file.name + ".dvc")
        hint = (
            f"its DVC pointer is there: run `dvc pull {file}`"
            if pointer.is_file()
            else "set data.path to your feature-engineered CSV, or use data=sp500"
        )
        raise DataError(str(file), [f"no such file (looked in {file.absolute().parent}); {hint}"])
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
    sentiment: Sequence[str] | None,
    risk: str | None,
    benchmark: str | None,
) -> _Columns:
    offered = [name for name in frame.columns if not str(name).startswith("Unnamed:")]
    if sentiment is None:
        sentiment = [name for name in offered if "sentiment" in name.lower()]
    if indicators is None:
        others = {*LAYOUT, *RISKS, *sentiment, risk, benchmark}
        candidates = [name for name in offered if name not in others]
        indicators = [name for name in candidates if _is_numeric(frame[name])]
        if left := [name for name in candidates if name not in indicators]:
            log.warning("%s: columns that are not numeric are not used: %s", file, left)
    wanted = {"indicators": indicators, "sentiment_columns": sentiment}
    wanted |= {"risk": [risk] if risk else [], "benchmark": [benchmark] if benchmark else []}
    problems = [
        f"data.{key}: no column {absent}; the file has {offered}"
        for key, names in wanted.items()
        if (absent := [name for name in names if name not in offered])
    ]
    if problems:
        raise DataError(str(file), problems)
    return _Columns(tuple(indicators), tuple(sentiment), risk, benchmark)


def _is_numeric(column: pd.Series) -> bool:
    # A damaged number column is read as text, and has to be refused later, not left out here.
    filled = column.dropna()
    return bool(pd.to_numeric(filled, errors="coerce").notna().sum() * 2 >= max(len(filled), 1))


def _unshared(rows: pd.DataFrame, names: Sequence[str]) -> list[str]:
    problems = []
    for name in names:
        differing = rows.groupby("date")[name].nunique() > 1
        if differing.any():
            first = differing.index[differing.to_numpy()][0]
            problems.append(
                f"column {name} must be the same for all tickers of a date, but differs on "
                f"{int(differing.sum())} dates, first on {first}"
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

    return MarketData(
        dates=dates,
        tickers=tickers,
        close=stacked(("close",))[:, 0, :].copy(),
        features=stacked(columns.indicators),
        feature_names=columns.indicators,
        sentiment=stacked(columns.sentiment) if columns.sentiment else None,
        sentiment_names=columns.sentiment,
        risk=shared(columns.risk),
        risk_name=columns.risk or "",
        benchmark=shared(columns.benchmark),
        benchmark_name=columns.benchmark or "",
        source=source,
    )

"""FinRL's feature-engineered table: long format, one row per date and ticker."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.listings.splits import split_notes
from finai_rl.data.listings.universe import (
    ALL,
    MASK,
    check_universe,
    spans_of,
    within_universe,
)
from finai_rl.data.listings.unlisted import with_unlisted
from finai_rl.data.market import DataSource, MarketData
from finai_rl.data.sentiment.columns import (
    BY_NAME,
    SentimentColumns,
    filled,
    lag_note,
    lagged,
    settings_of,
)
from finai_rl.data.sentiment.join import combined_sha256, with_scores
from finai_rl.data.sources.processed_columns import Columns, choose
from finai_rl.data.tables.bad_cells import check_rule, without_bad
from finai_rl.data.tables.column_names import missing_columns
from finai_rl.data.tables.dates import order_problems, read_dates
from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.plausibility import panel_notes
from finai_rl.data.tables.price_scale import price_scale_notes, price_scale_problems
from finai_rl.data.tables.repairs import RULES, Change, Completed, complete
from finai_rl.data.tables.table import NEEDED, PROCESSED, Table, open_table
from finai_rl.data.tables.validation import numbers, panel_problems
from finai_rl.data.versions.prepared_file import manifest_caveats, manifest_recipe, stale_of
from finai_rl.data.versions.revisions import CACHE, versioned_file
from finai_rl.errors import DataError, InputError
from finai_rl.type_aliases import FloatArray

log = logging.getLogger(__name__)


def load_processed_csv(
    path: str,
    *,
    indicators: Sequence[str] | None = None,
    sentiment: SentimentColumns | Mapping[str, Any] | None = BY_NAME,
    risk: str | None = None,
    benchmark: str | None = None,
    open: str | None = None,
    volume: str | None = None,
    on_missing: str = "error",
    outlier_return: float | None = 0.5,
    rev: str | None = None,
    sha256: str | None = None,
    rev_cache: str = CACHE,
    columns: Mapping[str, str | None] | Sequence[str | None] | None = None,
    on_bad: str = "error",
    calendar: str | None = None,
    universe: str = ALL,
) -> MarketData:
    """Load the processed table that a FinRL pipeline leaves behind: CSV, gzipped CSV or Parquet.

    Columns needed: ``date``, ``tic``, ``close``, under any of the names that
    :func:`~finai_rl.data.tables.table.read_table` knows. An unnamed column (FinRL's day index) is
    ignored. Dates may carry a time and a zone; the time on the wall counts. Rows are sorted by
    date, or ticker by ticker and each of them by date. What the manifest of
    ``finai_rl.prepare`` beside the file says of these bytes becomes caveats of the data.

    Args:
        path: The file, absolute or relative to the current folder.
        indicators: Feature columns in the order of the state; by default every numeric column
            that is not a price, volume, calendar, risk or sentiment column.
        sentiment: Any of the settings of
            :class:`~finai_rl.data.sentiment.columns.SentimentColumns`, e.g. ``{"lag": 1}``;
            None loads no sentiment. The number of empty cells filled, and of those that a lag
            leaves without news, is logged and becomes a caveat of the data.
        risk: Column of the risk index, the same for all tickers of a date, e.g. ``vix``.
        benchmark: Column of an index level, the same for all tickers of a date.
        open: Column of the opening price; refused where it is not on the scale of ``close``.
        volume: Column of the shares traded per period.
        on_missing: What becomes of missing rows and cells: ``error`` refuses them,
            ``drop_ticker`` drops their tickers, ``forward_fill`` fills them from the same
            ticker's last value, see :func:`~finai_rl.data.tables.repairs.complete`. Counts are in
            ``source.repaired``.
        outlier_return: Returns of one period are reported from this size on; None for none.
        rev: A git tag, branch or commit: the file as it was then, fetched through DVC or git.
        sha256: What the file's bytes must hash to, or the first 12 or more of its digits.
        rev_cache: Folder that fetched revisions are kept in.
        columns: Our names to the file's, ``{"tic": "Name"}``, or the names of the columns of a file
            without a header.
        on_bad: What text, infinite and impossible numbers become: ``error`` refuses them,
            ``missing`` counts them and takes them for missing cells, of which ``on_missing``
            decides. Sentiment is not a price, and stays as strict.
        calendar: Of the exchange, e.g. ``XNYS``: it tells a missing session from a holiday, and an
            early close from a gap. None reports gaps between weekdays.
        universe: What becomes of tickers that come late or go early: ``all`` leaves them to
            ``on_missing``, ``common_period`` and ``common_tickers`` cut to the dates, or the
            tickers, of which all is there, ``mask`` has the environments trade a ticker on the
            days on which it is listed; see
            :func:`~finai_rl.data.listings.universe.within_universe`.

    Raises:
        DataError: If the file or a column is missing, or any row is not usable; the message
            lists every problem. Nothing is dropped or filled but what ``on_missing`` says, and
            empty sentiment cells.
        InputError: If a setting is unknown or refused.
    """
    settings = settings_of(SentimentColumns, sentiment)
    _check(on_missing, outlier_return)
    check_rule(on_bad, "data")
    check_universe(universe, "data")
    layout = Layout("data", PROCESSED.offers, columns=columns)
    before = None if rev else _state(Path(path).expanduser())
    file, version = versioned_file(path, rev=rev, sha256=sha256, rev_cache=rev_cache)
    table = _read(file, layout)
    if before not in (None, _state(file)):
        raise DataError(str(file), ["has changed while it was read: run the command again"])
    frame, settings, scores = with_scores(table.rows, settings)
    named = {"risk": risk, "benchmark": benchmark, "open": open, "volume": volume}
    chosen = choose(file, table, frame, settings, indicators=indicators, **named)
    emptied: list[Change] = []
    if on_bad == "missing":
        own = [name for name in chosen.numeric if name not in chosen.sentiment]
        frame, emptied = without_bad(frame, own, chosen.positive, key="data")
    strict = on_missing == "error" and universe == ALL
    rows, noted = _checked(file, frame, chosen, strict=strict)
    completed = Completed(rows) if strict else _completed(file, rows, chosen, on_missing, universe)
    rows, empty = filled(completed.rows, chosen.neutral)
    if chosen.sentiment:
        empty += lag_note(chosen.lag, rows["tic"].nunique())
    changes = [f"{change}." for change in (*emptied, *completed.changes)]
    told = (*(scores.caveats if scores else ()), *empty)
    beside = (Path(path).expanduser(), version, rev is not None)
    recipe = manifest_recipe(*beside)
    prepared, notes = manifest_caveats(*beside), [*changes, *table.notes, *noted]
    source = DataSource(
        name=file.stem,
        sha256=combined_sha256(version.sha256, scores),
        path=path,
        caveats=(*prepared, *told, *notes),
        version=version,
        repaired=_counts(emptied, completed),
        recipe=recipe,
        stale=stale_of(recipe) | dict(completed.stale),
    )
    data = _panel(rows, chosen, source)
    odd = (*split_notes(_prices(frame, rows), layout), *panel_notes(data, outlier_return, calendar))
    _log(file, chosen, told, (*prepared, *notes, *odd))
    return replace(data, source=replace(source, caveats=(*source.caveats, *odd)))


def _log(file: Path, columns: Columns, told: Sequence[str], warned: Sequence[str]) -> None:
    for caveat in told:
        log.info("%s: %s", file, caveat)
    log.info("%s: indicators %s", file, ", ".join(columns.indicators) or "none")
    for caveat in warned:
        log.warning("%s: %s", file, caveat)


def _counts(emptied: Sequence[Change], completed: Completed) -> dict[str, int]:
    bad = {"bad_cells": sum(change.count for change in emptied)} if emptied else {}
    return {**bad, **completed.counts}


def _check(on_missing: str, outlier_return: float | None) -> None:
    if on_missing not in RULES:
        raise InputError(f"data.on_missing must be {' or '.join(RULES)}, got {on_missing!r}")
    if outlier_return is not None and not outlier_return > 0:
        raise InputError(f"data.outlier_return must be positive or null, got {outlier_return!r}")


def _prices(frame: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the completed rows with those prices of the file that stand on the scale of closes."""
    scaled = rows[["date", "tic", "close"]]
    if "volume" in frame:
        scaled = scaled.assign(volume=numbers(frame["volume"]).reindex(rows.index))
    return scaled


def _state(file: Path) -> tuple[int, ...] | None:
    """Return what is another where a file was written again, or replaced."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(file: Path, layout: Layout) -> Table:
    table = open_table(file, layout)
    missing = [name for name in NEEDED if name not in table.rows.columns]
    if missing:
        raise DataError(str(file), [missing_columns(missing, table.rows, layout)])
    return table


def _checked(
    file: Path, rows: pd.DataFrame, columns: Columns, *, strict: bool
) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns that are used, as numbers, and what a reader has to know."""
    text = rows["date"]
    dates, problems, notes = read_dates(text)
    read = rows.assign(date=dates)
    if not problems and not _ticker_by_ticker(read):
        problems += order_problems(dates, text)
    problems += panel_problems(
        read,
        columns.numeric,
        columns.positive,
        optional=columns.sentiment if strict else columns.numeric,
        aligned=strict,
        layout=PROCESSED,
    )
    problems += [*_unshared(read, columns), *price_scale_problems(read, columns.open)]
    n_days = dates.nunique()
    if 0 < n_days <= columns.lag:
        problems.append(
            f"data.sentiment.lag: {columns.lag} periods, but the file has {n_days}: "
            "no sentiment would be left; set a shorter one"
        )
    if problems:
        raise DataError(str(file), problems)
    notes += price_scale_notes(read, columns.open)
    if columns.text:
        notes.append(f"Columns that are not numeric are not used: {list(columns.text)}.")
    used = read[["date", "tic"]].assign(**{name: numbers(read[name]) for name in columns.numeric})
    return used, notes


def _ticker_by_ticker(rows: pd.DataFrame) -> bool:
    """Return whether the rows are blocks of one ticker each, sorted by date within."""
    starts = rows["tic"] != rows["tic"].shift()
    ordered = bool((rows["date"].diff()[~starts] > pd.Timedelta(0)).all())
    return ordered and int(starts.sum()) == rows["tic"].nunique()


def _completed(
    file: Path, rows: pd.DataFrame, columns: Columns, on_missing: str, universe: str
) -> Completed:
    named: dict[str, Any] = {"key": "data", "volume": columns.volume}
    cut = within_universe(str(file), rows, columns.own, universe=universe, **named)
    completed = complete(
        str(file),
        cut.rows,
        columns.own,
        columns.shared,
        rule=on_missing,
        open=columns.open,
        spans=spans_of(cut.rows, columns.own, columns.volume) if universe == MASK else None,
        **named,
    )
    problems = panel_problems(
        completed.rows,
        columns.numeric,
        columns.positive,
        optional=columns.sentiment,
        aligned=universe != MASK,
        layout=PROCESSED,
    )
    if left := list(problems):
        raise DataError(str(file), left)
    changes = (*cut.changes, *completed.changes)
    counts = _together(cut.counts, completed.counts)
    return Completed(completed.rows, changes, counts, completed.stale)


def _together(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    names = dict.fromkeys([*one, *other])
    return {name: one.get(name, 0) + other.get(name, 0) for name in names}


def _unshared(rows: pd.DataFrame, columns: Columns) -> list[str]:
    problems = []
    for name in columns.shared:
        differing = rows.groupby("date")[name].nunique() > 1
        if differing.any():
            first = differing.index[differing.to_numpy()][0]
            per_stock = "; a risk score per stock goes into data.sentiment.risk_column"
            hint = per_stock if name == columns.risk else f"; correct {name} there, or leave it out"
            problems.append(
                f"column {name} must be the same for all tickers of a date, but differs on "
                f"{int(differing.sum())} dates, first on {first}{hint}"
            )
    return problems


def _panel(rows: pd.DataFrame, columns: Columns, source: DataSource) -> MarketData:
    rows, listed = with_unlisted(
        rows.sort_values(["date", "tic"], kind="stable"),
        open=columns.open,
        volume=columns.volume,
        shared=columns.shared,
        neutral=columns.neutral,
    )
    tickers = tuple(rows["tic"].unique())
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
        listed=listed,
        source=source,
    )

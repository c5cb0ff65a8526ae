"""Scored news beside prices: an item is seen from the first decision after it was known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.sentiment.columns import SentimentColumns
from finai_rl.data.sentiment.coverage import ScoreCoverage
from finai_rl.data.sentiment.items import ScoreItems, read_items
from finai_rl.data.sentiment.settings import ScoreSettings, below_data
from finai_rl.data.sentiment.trading_periods import (
    Periods,
    Placed,
    are_intraday,
    decision_times,
    periods_of,
    place,
)
from finai_rl.data.tables.dates import parse_dates
from finai_rl.data.tables.places import EXAMPLES, count, examples
from finai_rl.errors import DataError
from finai_rl.type_aliases import FloatArray, IntArray, MomentArray


def join_scores(
    rows: pd.DataFrame, settings: ScoreSettings | Mapping[str, Any]
) -> tuple[pd.DataFrame, ScoreCoverage]:
    """Add the scores of a file to long-format rows, each from when it was known.

    An item belongs to the first period of its ticker whose decision time is later than the moment
    at which the item was known: of [previous decision, this decision), so that news of nights,
    weekends and holidays wait for the next period. A ticker's first period begins a day before its
    decision; older items are left out. Decision times are ``decision_time`` of each date for daily
    bars and the bars' own time stamps where any of them has a time of day.

    Args:
        rows: ``date`` (datetime64 without zone) and ``tic``, in any order; other columns and the
            index are kept. Rows without a date or ticker get no score.
        settings: Of the scores file.

    Returns:
        The rows with one more column per score, NaN where there is no news, and the counts.

    Raises:
        DataError: If the file cannot be used; the message lists every kind of damage.
        InputError: If a setting is refused, or does not fit these periods.
    """
    settings = ScoreSettings.of(settings)
    periods = periods_of(rows, settings)
    items, problems = read_items(settings)
    problems += [*_spelling_problems(items, periods), *_name_problems(rows, items, settings)]
    if problems:
        raise DataError(str(settings.path), problems)
    known = _known(items, settings)
    placed = place(pd.Index(items.tickers), known, periods)
    coverage = _coverage(items, periods, placed, settings, are_intraday(rows["date"]))
    if coverage.n_with_news == 0:
        raise DataError(str(settings.path), [_nothing(items, periods, coverage)])
    order = np.lexsort((known, placed.period))
    order = order[placed.period[order] >= 0]
    period = placed.period[order]
    new, n_carried = {}, 0
    for name, values in items.scores.items():
        found = _aggregated(values[order], period, len(periods), settings.aggregate)
        seen = _carried(found, periods, settings, settings.neutral_value(name))
        n_carried = max(n_carried, int((np.isfinite(seen) & np.isnan(found)).sum()))
        new[name] = periods.by_row(seen, len(rows))
    if settings.n_items:
        n_items = np.bincount(period, minlength=len(periods)).astype(np.float64)
        new[settings.n_items] = periods.by_row(n_items, len(rows))
    return rows.assign(**new), replace(coverage, n_carried=n_carried)


def with_scores(
    frame: pd.DataFrame, settings: SentimentColumns | None
) -> tuple[pd.DataFrame, SentimentColumns | None, ScoreCoverage | None]:
    """Join the scores file that ``data.sentiment.scores`` names to the rows of a price file.

    Args:
        frame: The file's rows; ``date`` as text or parsed.
        settings: ``data.sentiment``; without a scores file, all is returned as it is.

    Returns:
        The rows with the scores; the settings with the scores as their sentiment columns, unless
        they choose columns themselves; the coverage. Where dates cannot be read, nothing is
        joined: the price file is to be refused for that.
    """
    if settings is None or settings.scores.path is None:
        return frame, settings, None
    dates = frame["date"]
    if not pd.api.types.is_datetime64_dtype(dates):
        dates, _ = parse_dates(dates.astype(str))
    if dates.isna().any():
        return frame, SentimentColumns(columns=[]), None
    with below_data():
        joined, coverage = join_scores(frame.assign(date=dates), settings.scores)
    joined["date"] = frame["date"]
    names = [*coverage.columns, *([settings.scores.n_items] if settings.scores.n_items else [])]
    risk = settings.risk_column
    if risk is None and "llm_risk" in names and "llm_risk" not in (settings.columns or ()):
        risk = "llm_risk"
    columns = settings.columns
    if columns is None:
        columns = [name for name in names if name != risk]
    return joined, replace(settings, columns=columns, risk_column=risk), coverage


def combined_sha256(sha256: str, coverage: ScoreCoverage | None) -> str:
    """Return the identity of a price file together with its scores file.

    Without scores it is the price file's own hash; otherwise the hash of both hashes in
    hexadecimal, one per line.
    """
    if coverage is None:
        return sha256
    return hashlib.sha256(f"{sha256}\n{coverage.sha256}\n".encode()).hexdigest()


def _known(items: ScoreItems, settings: ScoreSettings) -> MomentArray:
    alone = np.isnat(items.known)
    if not alone.any():
        return items.known
    days, where = np.unique(items.days[alone], return_inverse=True)
    decisions = decision_times(pd.DatetimeIndex(days), settings, intraday=False)
    known = items.known.copy()
    known[alone] = (decisions - np.timedelta64(1, "us"))[where]
    return known


def _aggregated(scores: FloatArray, period: IntArray, n_bars: int, aggregate: str) -> FloatArray:
    there = np.isfinite(scores)
    values = np.full(n_bars, np.nan)
    by_period = pd.Series(scores[there]).groupby(period[there])
    summed = by_period.agg(aggregate)
    values[summed.index.to_numpy(dtype=np.int64)] = summed.to_numpy(dtype=np.float64)
    return values


def _carried(
    found: FloatArray, periods: Periods, settings: ScoreSettings, neutral: float
) -> FloatArray:
    if settings.longest_carry == 0:
        return found
    here = np.arange(len(found))
    last = np.maximum.accumulate(np.where(np.isfinite(found), here, -1))
    age = here - last
    kept = (last >= periods.first) & (age <= settings.longest_carry)
    rate = 0.0 if settings.half_life is None else 1 / settings.half_life
    faded = neutral + (found[last] - neutral) * 0.5 ** (age * rate)
    return np.where(np.isfinite(found), found, np.where(kept, faded, np.nan))


def _coverage(
    items: ScoreItems, periods: Periods, placed: Placed, settings: ScoreSettings, intraday: bool
) -> ScoreCoverage:
    seen = placed.period[placed.period >= 0]
    without_news = np.setdiff1d(np.arange(len(periods.tickers)), periods.ticker[seen])
    return ScoreCoverage(
        path=str(settings.path),
        sha256=items.sha256,
        columns=tuple(items.scores),
        n_items=len(items),
        n_cells=len(periods),
        n_with_news=len(np.unique(seen)),
        without_news=tuple(sorted(map(str, periods.tickers[without_news]))),
        n_tickers=len(periods.tickers),
        unknown_tickers=tuple(sorted(set(items.tickers[placed.unknown]))),
        n_unknown=int(placed.unknown.sum()),
        n_before=int(placed.before.sum()),
        n_after=int(placed.after.sum()),
        how=_how(settings, intraday),
        notes=items.notes,
    )


def _spelling_problems(items: ScoreItems, periods: Periods) -> list[str]:
    spelled = {str(ticker).strip().casefold(): str(ticker) for ticker in periods.tickers}
    other = {
        ticker: spelled[ticker.strip().casefold()]
        for ticker in map(str, items.tickers.dropna().unique())
        if ticker not in periods.tickers and ticker.strip().casefold() in spelled
    }
    if not other:
        return []
    # The index still is the file's.
    lines = items.tickers.reindex(range(int(items.tickers.index.max()) + 1))
    wrong = lines.isin(list(other))
    pairs = ", ".join(f"{theirs!r} for {ours!r}" for theirs, ours in [*other.items()][:EXAMPLES])
    return [
        f"column {items.tickers.name}: {count(wrong)} spell a ticker otherwise than the prices do "
        f"({pairs}): {examples(wrong, lines)}"
    ]


def _name_problems(rows: pd.DataFrame, items: ScoreItems, settings: ScoreSettings) -> list[str]:
    new = [*items.scores, *([settings.n_items] if settings.n_items else [])]
    return [
        f"the prices have a column {name!r} already: rename the new one, e.g. "
        f"sentiment.scores.columns={{<column>: {name}_news}}"
        for name in new
        if name in rows.columns
    ]


def _how(settings: ScoreSettings, intraday: bool) -> str:
    when = f"the time stamp of its bar ({settings.bar_zone})"
    if not intraday:
        when = f"{settings.decision_time} of its date"
    carried = ""
    if settings.longest_carry:
        upto = "" if settings.max_age is None else f" for at most {settings.max_age} periods"
        fading = (
            f", with a half-life of {settings.half_life:g} periods" if settings.half_life else ""
        )
        carried = f"; scores are carried{upto}{fading}"
    early = ""
    if settings.date_only == "before_close":
        early = (
            "; items with a date alone count as known before the decision of that date "
            "(date_only=before_close), which is a look ahead where they were not"
        )
    return (
        f"a period shows the {settings.aggregate} of the items known strictly before {when} and "
        f"not before the decision of the ticker's previous period{carried}{early}"
    )


def _nothing(items: ScoreItems, periods: Periods, coverage: ScoreCoverage) -> str:
    def shown(names: pd.Index | tuple[str, ...]) -> str:
        return ", ".join(map(str, names[:EXAMPLES])) + (", ..." if len(names) > EXAMPLES else "")

    if not len(items):
        return "no item has a score"
    first, last = periods.moments.min(), periods.moments.max()
    dates = f"{items.days.min()} to {items.days.max()}"
    return (
        f"no item belongs to these prices: {coverage.n_unknown} of {len(items)} are about other "
        f"tickers ({shown(coverage.unknown_tickers) or 'none'}; the prices are of "
        f"{shown(periods.tickers)}), {coverage.n_before} lie before and {coverage.n_after} after "
        f"the decisions of {first} to {last} UTC (items of {dates})"
    )

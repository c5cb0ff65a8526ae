"""From raw prices to a panel with features, each value from the past of its own row."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from finai_rl.data.indicators import turbulence_of_listed
from finai_rl.data.listings.splits import SPLITS, find_jumps
from finai_rl.data.preparation.late_listings import warmed_up_each
from finai_rl.data.preparation.market_series import join_market_series, late_series
from finai_rl.data.preparation.raw_prices import COLUMNS, RawPrices
from finai_rl.data.preparation.stock_features import Compute, stock_features, warm_up_periods
from finai_rl.data.tables.places import EXAMPLES
from finai_rl.data.tables.repairs import Change, day_name
from finai_rl.errors import DataError, InputError

log = logging.getLogger(__name__)

REMEDIES = {
    "dates": "more dates",
    "indicators": "shorter indicators",
    "turbulence": "turbulence=null",
    "warm_up": "warm_up=keep",
}
"""What can help where windows leave no date, as a user of ``prepare`` says it."""


@dataclass(frozen=True)
class Prepared:
    """A panel with features, and what was done on the way to it.

    Attributes:
        rows: Sorted by ``date`` and ``tic``: FinRL's columns, then one per feature.
        features: Names of the columns that are a ticker's features.
        changes: What was adjusted, dropped, filled and joined, in order.
        caveats: What a reader of any result on this panel has to know.
        stale: As in :class:`~finai_rl.data.market.DataSource`.

    Example:
        >>> dates = pd.bdate_range("2024-01-01", periods=10)
        >>> rows = pd.DataFrame({"date": dates, "tic": "AAPL"})
        >>> rows = rows.reindex(columns=COLUMNS, fill_value=185.6)
        >>> prices = RawPrices(rows, "raw.csv", sha256="ab12", changes=())
        >>> prepared = prepare_panel(prices, indicators=["close_5_sma"], turbulence=None)
        >>> prepared.features, len(prepared.rows), prepared.changes[0].what
        (('close_5_sma',), 5, 'the first 5 dates')
    """

    rows: pd.DataFrame
    features: tuple[str, ...]
    changes: tuple[Change, ...]
    caveats: tuple[str, ...]
    stale: Mapping[str, int] = field(default_factory=dict)


def prepare_panel(
    prices: RawPrices,
    *,
    indicators: Sequence[str],
    turbulence: int | None,
    market_series: Sequence[tuple[pd.Series, str]] = (),
    features: Compute | None = None,
    sentiment: Mapping[str, Any] | None = None,
    warm_up: str = "drop",
    remedies: Mapping[str, str] = REMEDIES,
) -> Prepared:
    """Compute every feature, join what comes from files, and drop what windows need to fill.

    Args:
        prices: Complete raw prices.
        indicators: stockstats names.
        turbulence: Past returns that turbulence compares a day with; None for no turbulence.
        market_series: Series of the whole market (named), and where each came from.
        features: A function of one ticker's frame that returns further columns.
        sentiment: Settings of a scores file; None joins none.
        warm_up: ``"drop"`` leaves out the dates before every window has filled; ``"keep"`` those
            only that have a missing value.
        remedies: What helps where windows leave no date, in the words of the config: of `REMEDIES`
            those that it has.

    Raises:
        InputError: If a feature is unknown or looks ahead, a value is missing, or no date is left.
    """
    _refuse_clashes(indicators, turbulence)
    base = [name for name in COLUMNS if name in prices.rows]
    values = stock_features(prices.rows, indicators, features)
    rows = pd.concat([prices.rows, values], axis=1)
    rows.insert(len(base), "day", rows["date"].dt.day_of_week)
    changes = list(prices.changes)
    # What is found in dates and prices, the training says itself of those that are left.
    caveats = [str(change) for change in changes if change.what not in ("calendar", SPLITS)]
    stale = dict(prices.stale)
    for series, where in market_series:
        rows, joined = join_market_series(rows, series, where)
        stale |= late_series(rows, series)
        changes += joined
        caveats += [str(change) for change in joined if change.step == "filled"]
    if turbulence:
        rows["turbulence"] = _turbulence(prices.rows, turbulence)
    rows, of_sentiment = _with_sentiment(rows, sentiment)
    windows = warm_up_periods(indicators)
    if turbulence:
        windows["turbulence"] = turbulence + 1
    windows = windows if warm_up == "drop" else {}
    rows, dropped = _warmed_up(rows, values, prices.path, windows, remedies)
    caveats += [*_unseen_splits(prices, rows), *_unknown_turbulence(rows)]
    changes += dropped
    for said in (*changes[len(prices.changes) :], *of_sentiment):
        log.info("%s: %s", prices.path, said)
    told = (*caveats, *of_sentiment)
    return Prepared(rows, tuple(values.columns), tuple(changes), told, stale)


def _unknown_turbulence(kept: pd.DataFrame) -> list[str]:
    """Say on which dates no ticker has the returns that turbulence needs, after some have had."""
    if "turbulence" not in kept:
        return []
    by_date = kept.groupby("date")["turbulence"].first()
    unknown = by_date[(by_date == 0) & (by_date.cumsum() > 0)]
    if unknown.empty:
        return []
    first, last = (day_name(unknown.index[place]) for place in (0, -1))
    return [
        f"turbulence is 0 on {len(unknown)} of {len(by_date)} dates ({first} to {last}): no ticker "
        "has the past returns there that it needs, so it is not known, which is not to say calm"
    ]


def _unseen_splits(prices: RawPrices, kept: pd.DataFrame) -> list[str]:
    """Return what was said of jumps before the rows that are kept, whose windows reach over them.

    The training sees those of the rows that are left, and says so itself.
    """
    told = [str(change) for change in prices.changes if change.what == SPLITS]
    if not told:
        return []
    first = kept.groupby("tic")["date"].min()
    jumps = find_jumps(prices.rows)
    return told if any(jump.date <= first.get(jump.tic, jump.date) for jump in jumps) else []


def _refuse_clashes(indicators: Sequence[str], turbulence: int | None) -> None:
    if twice := sorted({name for name in indicators if list(indicators).count(name) > 1}):
        raise InputError(f"indicators names {twice} twice: name each once")
    taken = {*COLUMNS, "day", *(["turbulence"] if turbulence else [])}
    if clash := sorted(taken & set(indicators)):
        raise InputError(f"indicators: {clash} are columns already: leave them out of indicators")


def _turbulence(rows: pd.DataFrame, window: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    close = rows.pivot(index="date", columns="tic", values="close")
    # Of the same order in memory, so that sums are the same to the last bit.
    values = turbulence_of_listed(np.ascontiguousarray(close.to_numpy(np.float64)), window)
    return np.asarray(rows["date"].map(pd.Series(values, index=close.index)), dtype=np.float64)


def _with_sentiment(
    rows: pd.DataFrame, settings: Mapping[str, Any] | None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    if settings is None:
        return rows, ()
    from finai_rl.data.sentiment.join import join_scores

    joined, coverage = join_scores(rows, settings)
    return joined, tuple(coverage.caveats)


def _warmed_up(
    rows: pd.DataFrame,
    values: pd.DataFrame,
    where: str,
    windows: dict[str, int],
    remedies: Mapping[str, str],
) -> tuple[pd.DataFrame, list[Change]]:
    """Drop the first dates until windows have filled and nothing is missing any more."""
    n_tickers, n_dates = rows["tic"].nunique(), rows["date"].nunique()
    if len(rows) < n_tickers * n_dates:
        return warmed_up_each(rows, values, where, windows)
    longest = max(windows, key=windows.__getitem__, default="")
    filled = windows.get(longest, 0)
    finite = np.isfinite(values.to_numpy()).all(axis=1).reshape(n_dates, -1).all(axis=1)
    known_from = int(finite.argmax()) if finite.any() else n_dates
    first = max(filled, known_from)
    of_windows = filled == first
    if n_dates - first < 2:
        needs = f"{longest} needs {filled}" if of_windows else "values are missing until then"
        raise DataError(
            where,
            [
                f"{n_dates} dates, of which {first} go to fill windows ({needs}): fewer than 2 are "
                f"left. What helps: {_helps(remedies, windows, known_from, n_dates - 2)}"
            ],
        )
    _refuse_missing(rows, values, first * n_tickers, where)
    if not first:
        return rows, []
    day = day_name(rows["date"].iloc[first * n_tickers])
    why = (
        f"windows fill before {day} ({longest} needs {filled} dates)"
        if of_windows
        else f"a feature has no value on some ticker before {day}"
    )
    kept = rows.iloc[first * n_tickers :].reset_index(drop=True)
    return kept, [Change("dropped", f"the first {first} dates", first, why)]


def _helps(remedies: Mapping[str, str], windows: dict[str, int], known_from: int, most: int) -> str:
    """Return the remedies that are accepted: at most ``most`` dates may go to fill windows."""
    indicators = {name: n for name, n in windows.items() if name != "turbulence"}
    longest = max([known_from, *indicators.values()])
    helps = [remedies["dates"]]
    if windows.get("turbulence", 0) <= most:
        helps.append(remedies["indicators"])
    elif longest <= most:
        helps.append(remedies["turbulence"])
    else:
        helps.append(f"{remedies['turbulence']} together with {remedies['indicators']}")
    if windows and known_from <= most and "warm_up" in remedies:
        helps.append(remedies["warm_up"])
    return "; or ".join(helps)


def _refuse_missing(rows: pd.DataFrame, values: pd.DataFrame, first: int, where: str) -> None:
    bad = ~np.isfinite(values.to_numpy())
    bad[:first] = False
    if not bad.any():
        return
    problems = []
    for name, column in zip(values.columns, bad.T, strict=True):
        at = np.flatnonzero(column)
        where_bad = zip(
            rows["tic"].iloc[at[:EXAMPLES]], rows["date"].iloc[at[:EXAMPLES]], strict=True
        )
        shown = ", ".join(f"{ticker} on {day_name(date)}" for ticker, date in where_bad)
        if len(at):
            problems.append(
                f"feature {name}: {len(at)} values are missing or infinite: {shown}; leave it out "
                "of indicators, or look at the prices there"
            )
    raise DataError(where, problems)

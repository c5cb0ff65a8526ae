"""A scores file as items: whose news, known since when, with which scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from finai_rl.data.sentiment.lexicon import LABEL, SCORED, score_headlines
from finai_rl.data.sentiment.publication_time import NewsTimes, end_of_date, read_times
from finai_rl.data.sentiment.scores_file import read_score_table
from finai_rl.data.sentiment.settings import FIVE_POINT, ScoreSettings
from finai_rl.data.tables.column_names import ALIASES, USUAL, likeliest, plain
from finai_rl.data.tables.places import count, examples, place
from finai_rl.data.tables.validation import number_problems, numbers
from finai_rl.data.versions.versioning import content_hash
from finai_rl.errors import DataError, InputError
from finai_rl.type_aliases import FloatArray, MomentArray

TICKER_NAMES = ("tic", "ticker", "symbol", "stock_symbol")
SCORE_NAMES = (
    "score",
    "sentiment",
    "llm_sentiment",
    "llm_risk",
    "sentiment_deepseek",
    "risk_deepseek",
)
TEXT_NAMES = ("headline", "title", "article_title")


@dataclass(frozen=True)
class ScoreItems:
    """Items in the order of the file.

    Attributes:
        tickers: (n_items,) whose news.
        known: (n_items,) datetime64[us], UTC: when they were known; NaT for a date alone that
            counts as known before its close.
        days: (n_items,) datetime64[D] the date as written.
        scores: By name beside the prices: (n_items,) float64, NaN where an item has none.
        sha256: Hash of the file's bytes.
        notes: What was counted, one sentence each.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> news = {"tic": ["AAPL"], "published_at": ["2024-01-02T09:30:00-05:00"], "score": [0.4]}
        >>> with NamedTemporaryFile(suffix=".csv") as file:
        ...     pd.DataFrame(news).to_csv(file.name, index=False)
        ...     items, problems = read_items(ScoreSettings(path=file.name))
        >>> str(items.known[0]), items.scores, problems
        ('2024-01-02T14:30:00.000000', {'sentiment': array([0.4])}, [])
    """

    tickers: pd.Series
    known: MomentArray
    days: MomentArray
    scores: dict[str, FloatArray]
    sha256: str
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.tickers)


@dataclass(frozen=True)
class _Columns:
    ticker: str
    date: str | None
    published: str | None
    scores: tuple[str, ...]
    text: str | None


def read_items(settings: ScoreSettings) -> tuple[ScoreItems, list[str]]:
    """Read a scores file, and list what is wrong with its rows.

    Args:
        settings: With ``path``.

    Returns:
        The items, and one sentence for each kind of damage; with any of these, the items are
        not to be used.

    Raises:
        DataError: If the file cannot be read or lacks a column.
        InputError: If ``path`` is missing, or a lexicon that is not installed is asked for.
    """
    if settings.path is None:
        raise InputError("sentiment.scores.path must name a CSV or Parquet file of scores")
    file = Path(settings.path).expanduser()
    if not file.is_file():
        where = f"looked in {file.absolute().parent}"
        raise DataError(str(file), [f"no such file ({where}); set sentiment.scores.path"])
    frame, known_of_file = read_score_table(
        file,
        (*TICKER_NAMES, *USUAL["tic"], *([settings.tic.lower()] if settings.tic else [])),
        (*TEXT_NAMES, "date", "published_at"),
    )
    columns = _columns(file, frame, settings)
    repeated = frame.duplicated()
    notes = [*known_of_file, *_repeat_notes(repeated, settings)]
    # Lines are those of the file: rows are left out only after they have been checked.
    times = _times(frame, columns, settings)
    scores = _scores(frame, columns, settings)
    problems = [
        *_ticker_problems(frame[columns.ticker]),
        *_time_problems(frame, columns, times, settings),
        *_score_problems(frame, columns, settings),
    ]
    notes += [*_time_notes(frame, columns, times), *_score_notes(scores)]
    if settings.lexicon:
        notes.append(LABEL)
    known, days = _availability(times, settings)
    kept = np.logical_or.reduce([np.isfinite(values) for values in scores.values()])
    kept &= ~repeated.to_numpy() | (settings.duplicates == "keep")
    items = ScoreItems(
        tickers=frame[columns.ticker][kept],
        known=known[kept],
        days=days[kept],
        scores={name: values[kept] for name, values in scores.items()},
        sha256=content_hash(file),
        notes=tuple(notes),
    )
    return items, problems


def _columns(file: Path, frame: pd.DataFrame, settings: ScoreSettings) -> _Columns:
    offered = {str(name).strip().lower(): str(name) for name in reversed(frame.columns)}
    problems: list[str] = []

    def found(key: str, given: str | None, names: Sequence[str], needed: bool) -> str | None:
        if given is not None and given not in frame.columns:
            problems.append(f"sentiment.scores.{key}: no column {given!r}; name another")
        if given is not None:
            return given
        usual = next((offered[name] for name in names if name in offered), None)
        if usual is None and needed:
            problems.append(f"no column {' or '.join(names)}: {_likeliest(key, frame)}")
        return usual

    ticker = found("tic", settings.tic, _usual("tic", TICKER_NAMES, offered), True)
    published = found("published_at", settings.published_at, ["published_at"], False)
    date = found("date", settings.date, _usual("date", ["date"], offered), published is None)
    text = found("text", settings.text, TEXT_NAMES, True) if settings.lexicon else None
    scores = tuple(settings.columns or ())
    if settings.columns is None and not settings.lexicon:
        scores = tuple(offered[name] for name in SCORE_NAMES if name in offered)
        if not scores:
            problems.append("no score column: name them in sentiment.scores.columns")
    if absent := [name for name in scores if name not in frame.columns]:
        problems.append(f"sentiment.scores.columns: no column {absent}; name those that are there")
    problems += _name_problems(scores, settings)
    if problems:
        problems.append(f"the file has {[str(name) for name in frame.columns]}")
        raise DataError(str(file), problems)
    return _Columns(str(ticker), date, published, scores, text)


def _usual(ours: str, known: Sequence[str], offered: Iterable[str]) -> list[str]:
    """Return the names that a column may have: the known ones, then those that prices have."""
    return [*known, *(name for name in offered if plain(name) in (*ALIASES[ours], *USUAL[ours]))]


def _likeliest(key: str, frame: pd.DataFrame) -> str:
    found = likeliest(key, frame)
    example = f", as in sentiment.scores.{key}={found}" if found else ""
    return f"name it in sentiment.scores.{key}{example}"


def _name_problems(scores: Sequence[str], settings: ScoreSettings) -> Iterator[str]:
    names = [settings.beside_prices(name) for name in scores]
    if len({*names, settings.n_items}) <= len(names):
        yield (
            f"columns {list(scores)} would be called {names} beside the prices: choose in "
            "sentiment.scores.columns"
        )
    made = [SCORED[settings.lexicon]] if settings.lexicon else names
    if isinstance(settings.neutral, dict) and (
        unknown := [name for name in settings.neutral if name not in made]
    ):
        yield f"sentiment.scores.neutral names {unknown}, but the columns are {made}"


def _times(frame: pd.DataFrame, columns: _Columns, settings: ScoreSettings) -> NewsTimes:
    """Take the publication time where there is one, else the date."""
    date = published = None
    if columns.date:
        date = read_times(frame[columns.date], settings.zone, midnight_is_date=True)
    if columns.published:
        published = read_times(frame[columns.published], settings.zone, midnight_is_date=False)
    if date is None or published is None:
        return published or date  # type: ignore[return-value]
    stated = ~np.isnat(published.days) | published.unreadable
    return NewsTimes(
        days=np.where(stated, published.days, date.days),
        known=np.where(stated, published.known, date.known),
        ends=np.where(stated, published.ends, date.ends),
        unreadable=published.unreadable | date.unreadable,
        zoneless=np.where(stated, published.zoneless, date.zoneless),
        shifted=np.where(stated, published.shifted, date.shifted),
    )


def _availability(times: NewsTimes, settings: ScoreSettings) -> tuple[MomentArray, MomentArray]:
    known = times.known
    if settings.date_only == "end_of_date":
        ends = end_of_date(times.days, settings.zone or settings.decision_zone)
        known = np.where(np.isnat(known), np.fmax(ends, times.ends), known)
    return known, times.days


def _scores(
    frame: pd.DataFrame, columns: _Columns, settings: ScoreSettings
) -> dict[str, FloatArray]:
    if settings.lexicon:
        return {SCORED[settings.lexicon]: score_headlines(frame[columns.text])}
    scores = {}
    for column in columns.scores:
        values = numbers(frame[column]).to_numpy()
        name = settings.beside_prices(column)
        # FinRL-DeepSeek writes 0 where its model was not asked or did not answer.
        scores[name] = np.where(values == 0, np.nan, values) if name in FIVE_POINT else values
    return scores


def _ticker_problems(tickers: pd.Series) -> Iterator[str]:
    texts = tickers.astype(str)
    missing = tickers.isna() | (texts.str.strip() == "")
    if missing.any():
        yield (
            f"column {tickers.name}: {count(missing)} without a ticker: "
            + examples(missing, tickers)
            + "; write it there"
        )
    broken = texts.str.contains("\n", regex=False)
    if broken.any():
        yield (
            f"column {tickers.name}: {count(broken)} with a line break inside, as after a stray "
            f"quote: {examples(broken, texts.str.replace(chr(10), ' '))}; look there"
        )


def _time_problems(
    frame: pd.DataFrame, columns: _Columns, times: NewsTimes, settings: ScoreSettings
) -> Iterator[str]:
    names = [name for name in (columns.published, columns.date) if name]
    shown = frame[names[0]]
    for name in names[1:]:
        shown = shown.fillna(frame[name])
    where = f"column {' or '.join(names)}"
    if (bad := pd.Series(times.unreadable)).any():
        yield (
            f"{where}: {count(bad)} cannot be read as an ISO date or time such as 2020-01-31 or "
            f"2020-01-31T15:04:05-05:00: {examples(bad, shown)}"
        )
    if (bad := pd.Series(np.isnat(times.days) & ~times.unreadable)).any():
        yield f"{where}: {count(bad)} without a date: {examples(bad, shown)}; write it there"
    if (bad := pd.Series(times.zoneless)).any():
        yield (
            f"{where}: {count(bad)} with a time but no zone: {examples(bad, shown)}; say which "
            "one in sentiment.scores.zone, such as America/New_York or UTC"
        )


def _score_problems(
    frame: pd.DataFrame, columns: _Columns, settings: ScoreSettings
) -> Iterator[str]:
    for name in columns.scores:
        yield from number_problems(frame[name], optional=True)
    wanted = [columns.text] if columns.text else list(columns.scores)
    empty = frame[wanted].isna().any(axis=1)
    if empty.any() and settings.missing == "error":
        yield (
            f"column {' or '.join(wanted)}: {count(empty)} empty: "
            f"{examples(empty, frame[wanted[0]])}; "
            "set sentiment.scores.missing=drop, which leaves empty scores out, counted"
        )


def _repeat_notes(repeated: pd.Series, settings: ScoreSettings) -> Iterator[str]:
    if repeated.any():
        done = "left out" if settings.duplicates == "drop" else "kept"
        yield (
            f"{count(repeated)} of the scores file repeat another in every column and were {done} "
            f"(sentiment.scores.duplicates), e.g. {place(repeated, int(np.argmax(repeated)))}."
        )


def _time_notes(frame: pd.DataFrame, columns: _Columns, times: NewsTimes) -> Iterator[str]:
    if n_shifted := int(times.shifted.sum()):
        yield (
            f"{n_shifted} publication times came twice or never as clocks changed; the later "
            "moment was taken."
        )
    if (
        columns.published
        and columns.date
        and (n_empty := int(frame[columns.published].isna().sum()))
    ):
        yield f"{n_empty} items without a publication time count by their date."
    if columns.published and len(times.known):
        alone = np.isnat(times.known) & ~np.isnat(times.days)
        midnight = ~alone & (times.known == times.known.astype("datetime64[D]"))
        if midnight.mean() > 0.5:
            yield (
                f"{int(midnight.sum())} of {len(times.known)} publication times are midnight in "
                "UTC: if these are dates, call the column date."
            )


def _score_notes(scores: dict[str, FloatArray]) -> Iterator[str]:
    for name, values in scores.items():
        if n_empty := int(np.isnan(values).sum()):
            zero = " (empty or 0)" if name in FIVE_POINT else ""
            yield f"{n_empty} of {len(values)} items have no {name}{zero} and do not count in it."

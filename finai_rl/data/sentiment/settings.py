"""Settings of a scores file: when news was known, and what several items of a period become."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from finai_rl.errors import DataError, InputError

AGGREGATES = ("mean", "last", "sum", "max", "min", "count")
DATE_ONLY = ("end_of_date", "before_close")
LEXICONS = ("vader",)
FIVE_POINT = ("llm_sentiment", "llm_risk")
"""Columns on FinRL-DeepSeek's scale of 1 to 5, where 0 is no score."""

RENAMED = {
    "score": "sentiment",
    "sentiment_deepseek": "llm_sentiment",
    "risk_deepseek": "llm_risk",
}
"""What a score column is called beside the prices, where that is not its own name."""

KEY = "sentiment.scores"
"""Where these settings stand in the config of ``prepare``; in that of a source below ``data``."""

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


@contextmanager
def below_data() -> Iterator[None]:
    """Name these settings in messages as the config of a data source does."""

    def named(message: str) -> str:
        return re.sub(rf"(?<![\w.]){re.escape(KEY)}\b", f"data.{KEY}", message)

    try:
        yield
    except DataError as error:
        raise DataError(error.where, list(map(named, error.problems))) from error
    except InputError as error:
        raise InputError(named(str(error))) from error


@dataclass(frozen=True)
class ScoreSettings:
    """``sentiment.scores``: a file of scored news, one row per item.

    An item is seen in the first period of its ticker whose decision time lies after the moment at
    which the item was known; one published exactly at the decision time is seen a period later.

    Attributes:
        path: CSV or Parquet file with a ticker (``tic``, ``ticker``, ``symbol`` or
            ``Stock_symbol``), ``date`` or ``published_at`` or both, and scores; None for no file.
        columns: Score columns: a list, or a mapping to the names that they get beside the
            prices. None for those of ``score``, ``sentiment``, ``llm_sentiment``, ``llm_risk``,
            ``sentiment_deepseek`` and ``risk_deepseek`` that the file has.
        published_at: Column of the publication time; None for ``published_at`` if it is there.
        zone: Zone of times that carry none and of dates, such as ``America/New_York``. Dates
            without it are dates in the zone of ``decision_time``; times without one are refused.
        date_only: ``end_of_date``: an item with a date but no time was known when its date
            was over. ``before_close``: before the decision time of that date (daily bars).
        decision_time: Time of day and zone at which the agent decides on a daily bar.
        bar_zone: Zone of the time stamps of intraday bars, which are their decision times.
        aggregate: What several items of a period become: mean, last, sum, max, min or count.
        half_life: Periods in which a carried score loses half its distance to ``neutral``;
            None carries none, or undecayed ones where ``max_age`` is given.
        max_age: Periods for which scores are carried; None for no limit where ``half_life``
            is given, else for 0.
        neutral: What scores decay towards: a number, or one per name beside the prices. None for
            3 in ``llm_sentiment`` and ``llm_risk``, and 0 elsewhere.
        missing: ``error`` refuses items without a score, ``drop`` leaves them out, counted.
        duplicates: ``keep`` or ``drop`` rows that repeat another in every column; both counted.
        n_items: Name of a column to add with the number of items of the period; None for none.
        lexicon: ``vader`` scores the text column instead of reading scores: see
            :mod:`finai_rl.data.sentiment.lexicon`.
        text: The text column; None for ``headline``, ``title`` or ``Article_title``.
        tic: Column of the ticker; None for one of its usual names.
        date: Column of the date; None for ``date`` or another usual name.

    Raises:
        InputError: If a value is none of these; the message names every key that is wrong.

    Example:
        >>> settings = ScoreSettings.of({"path": "scores.csv", "half_life": 2, "max_age": 10})
        >>> settings.aggregate, settings.longest_carry, settings.neutral_value("llm_risk")
        ('mean', 10, 3.0)
    """

    path: str | None = None
    columns: Sequence[str] | Mapping[str, str] | None = None
    published_at: str | None = None
    zone: str | None = None
    date_only: str = "end_of_date"
    decision_time: str = "16:00 America/New_York"
    bar_zone: str | None = None
    aggregate: str = "mean"
    half_life: float | None = None
    max_age: int | None = None
    neutral: float | Mapping[str, float] | None = None
    missing: str = "error"
    duplicates: str = "keep"
    n_items: str | None = None
    lexicon: str | None = None
    text: str | None = None
    tic: str | None = None
    date: str | None = None

    def __post_init__(self) -> None:
        problems = [f"sentiment.scores.{problem}" for problem in self._problems()]
        if problems:
            raise InputError("\n".join(problems))

    @classmethod
    def of(cls, given: ScoreSettings | Mapping[str, Any] | None) -> ScoreSettings:
        """Complete partial settings with their defaults.

        Raises:
            InputError: If a setting is unknown or its value refused.
        """
        if given is None or isinstance(given, cls):
            return given or cls()
        known = [field.name for field in fields(cls)]
        if not isinstance(given, Mapping):
            raise InputError(
                f"sentiment.scores must hold settings ({', '.join(known)}), got {given!r}"
            )
        if unknown := [str(name) for name in given if name not in known]:
            raise InputError(
                f"sentiment.scores: no such setting: {', '.join(unknown)}; "
                f"there are {', '.join(known)}: use one of these"
            )
        return cls(**given)

    @property
    def decision_clock(self) -> pd.Timedelta:
        """Time of day at which the agent decides on a daily bar."""
        clock = self.decision_time.split()[0]
        return pd.Timedelta(clock if clock.count(":") == 2 else f"{clock}:00")

    @property
    def decision_zone(self) -> str:
        """Zone of that time of day."""
        return self.decision_time.split()[1]

    @property
    def longest_carry(self) -> float:
        """Periods for which a score is carried: 0, ``max_age`` or infinity."""
        if self.max_age is not None:
            return self.max_age
        return 0 if self.half_life is None else math.inf

    def beside_prices(self, column: str) -> str:
        """Return what a score column of the file is called beside the prices."""
        if isinstance(self.columns, Mapping):
            return self.columns[column]
        return RENAMED.get(column.strip().lower(), column)

    def neutral_value(self, name: str) -> float:
        """Return what scores under this name beside the prices decay towards."""
        usual = 3.0 if name in FIVE_POINT and self.aggregate not in ("sum", "count") else 0.0
        if isinstance(self.neutral, Mapping):
            return float(self.neutral.get(name, usual))
        return usual if self.neutral is None else float(self.neutral)

    def _problems(self) -> Iterator[str]:
        yield from self._column_problems()
        for key, known in (
            ("aggregate", AGGREGATES),
            ("date_only", DATE_ONLY),
            ("missing", ("error", "drop")),
            ("duplicates", ("keep", "drop")),
        ):
            if getattr(self, key) not in known:
                yield f"{key} must be {_either(known)}, got {getattr(self, key)!r}"
        if self.lexicon is not None and self.lexicon not in LEXICONS:
            yield f"lexicon must be {_either(LEXICONS)} or null, got {self.lexicon!r}"
        if self.half_life is not None and not (_finite(self.half_life) and self.half_life > 0):
            yield f"half_life must be a number of periods above 0 or null, got {self.half_life!r}"
        if self.max_age is not None and not (type(self.max_age) is int and self.max_age >= 0):
            yield f"max_age must be whole periods, at least 0, or null, got {self.max_age!r}"
        values = self.neutral.values() if isinstance(self.neutral, Mapping) else [self.neutral]
        for value in values:
            if value is not None and not _finite(value):
                yield f"neutral: a finite number is needed, got {value!r}; set one"
        yield from self._time_problems()

    def _column_problems(self) -> Iterator[str]:
        for key in ("path", "published_at", "n_items", "text", "tic", "date"):
            value = getattr(self, key)
            if value is not None and not (isinstance(value, str) and value.strip()):
                yield f"{key} must be a text or null, got {value!r}"
        if self.columns is None:
            return
        if isinstance(self.columns, str) or not self.columns:
            yield (
                "columns must be a list of column names, a mapping from them to new names, or "
                f"null, got {self.columns!r}"
            )
            return
        names = [self.beside_prices(str(column)) for column in self.columns]
        if len({*names, self.n_items}) <= len(names):
            yield f"columns: names beside the prices must differ, got {[*names, self.n_items]}"
        if self.lexicon is not None:
            yield "columns and lexicon exclude each other, scores are read or made: set one of them"

    def _time_problems(self) -> Iterator[str]:
        parts = self.decision_time.split() if isinstance(self.decision_time, str) else []
        if len(parts) != 2 or not _CLOCK.fullmatch(parts[0]):
            yield (
                "decision_time must be a time of day and a zone, such as 16:00 America/New_York, "
                f"got {self.decision_time!r}"
            )
        else:
            yield from _zone_problems("decision_time", parts[1])
        for key in ("zone", "bar_zone"):
            if getattr(self, key) is not None:
                yield from _zone_problems(key, getattr(self, key))


def _zone_problems(key: str, zone: object) -> Iterator[str]:
    try:
        ZoneInfo(str(zone))
    except (ValueError, KeyError, OSError):  # an unknown zone is a KeyError, a folder an OSError
        yield f"{key}: unknown zone {zone!r}; write one such as America/New_York, Asia/Tokyo or UTC"


def _finite(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]


def _either(known: Sequence[str]) -> str:
    return " or ".join([", ".join(known[:-1]), known[-1]] if known[1:] else known)

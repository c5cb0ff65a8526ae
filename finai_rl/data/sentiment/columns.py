"""Settings of sentiment, and how scores become what an agent sees: filled, then shifted later."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from finai_rl.data.sentiment.settings import ScoreSettings, below_data
from finai_rl.errors import InputError
from finai_rl.type_aliases import FloatArray

NO_SCORES = ScoreSettings()
Settings = TypeVar("Settings", "SentimentColumns", "SimulatedSentiment")

NEUTRAL_RISK = 3.0
"""What an empty risk cell counts as: the middle of FinRL-DeepSeek's scale of 1 to 5."""


def _finite(key: str, value: object) -> None:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not math.isfinite(value):  # type: ignore[arg-type]
        raise InputError(f"data.sentiment.{key}: a finite number is needed, got {value!r}; set one")


def _whole(key: str, value: object, why: str = "") -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < 0:  # type: ignore[operator]
        raise InputError(
            f"data.sentiment.{key} must be a whole number, at least 0, got {value!r}"
            + (f": {why}" if why and whole else "")
        )


@dataclass(frozen=True)
class SentimentColumns:
    """``data.sentiment`` of a file: which columns hold sentiment, and since when it was known.

    An agent trades at the close of a day. The sentiment of that calendar date is sound only if
    the news were out before the close; otherwise ``lag=1`` shows them one period later.
    FinRL-DeepSeek merges news on the date itself, which is ``lag=0``.

    Attributes:
        columns: Sentiment columns; None for every column with "sentiment" in its name.
        neutral: What an empty cell (no news) becomes: one number, or one per column by name.
        lag: Whole periods, at least 0, by which sentiment is shifted later within each ticker.
            The first ``lag`` periods have none and take the neutral value; the scores of the
            file's last ``lag`` periods are not seen.
        risk_column: A risk score per stock, such as FinRL-DeepSeek's ``llm_risk`` (1 very low to
            5 very high): the last sentiment column. An empty cell counts as 3, unless
            ``neutral`` names the column.
        scores: Settings of a file of scored news to join at load, see
            :class:`~finai_rl.data.sentiment.settings.ScoreSettings`; its columns become the
            sentiment columns where ``columns`` is None, and ``llm_risk`` the risk column.

    Raises:
        InputError: If a value is none of these; the message names its key.

    Example:
        >>> settings = SentimentColumns(risk_column="llm_risk")
        >>> columns = settings.chosen(["close", "llm_risk", "llm_sentiment"])
        >>> settings.neutral_values(columns)
        {'llm_sentiment': 0.0, 'llm_risk': 3.0}
    """

    columns: Sequence[str] | None = None
    neutral: float | Mapping[str, float] = 0.0
    lag: int = 0
    risk_column: str | None = None
    scores: ScoreSettings = NO_SCORES

    def __post_init__(self) -> None:
        with below_data():
            object.__setattr__(self, "scores", ScoreSettings.of(self.scores))
        if isinstance(self.columns, str):
            raise InputError(
                "data.sentiment.columns must be a list of column names or null, "
                f"got {self.columns!r}: write [{self.columns}]"
            )
        if len(set(self.columns or ())) != len(self.columns or ()):
            told = f"data.sentiment.columns names one twice: {list(self.columns or ())}"
            raise InputError(f"{told}; leave one out")
        if self.risk_column is not None and self.risk_column in (self.columns or ()):
            raise InputError(
                f"data.sentiment.risk_column: {self.risk_column!r} is in data.sentiment.columns "
                "as well; name it in one of the two"
            )
        by_column = isinstance(self.neutral, Mapping)
        for value in self.neutral.values() if by_column else [self.neutral]:  # type: ignore[union-attr]
            _finite("neutral", value)
        _whole("lag", self.lag, "a negative lag would show later news")

    def chosen(self, offered: Iterable[str]) -> tuple[str, ...]:
        """Return the sentiment columns in the order of the state, the risk column last."""
        if self.columns is not None:
            columns = list(self.columns)
        else:
            columns = [name for name in offered if names_sentiment(name)]
        last = [self.risk_column] if self.risk_column else []
        return (*(name for name in columns if name not in last), *last)

    def neutral_values(self, columns: Iterable[str]) -> dict[str, float]:
        """Return what an empty cell of each column counts as.

        Raises:
            InputError: If ``neutral`` leaves a column out, or names one that is not chosen.
        """
        columns = list(columns)
        values = {self.risk_column: NEUTRAL_RISK} if self.risk_column in columns else {}
        if not isinstance(self.neutral, Mapping):
            return dict.fromkeys(columns, self.neutral) | values
        values |= self.neutral
        if left_out := [name for name in columns if name not in values]:
            raise InputError(
                f"data.sentiment.neutral leaves out {left_out}: give one number for all sentiment "
                f"columns, or one for each of {columns}"
            )
        if unknown := [name for name in self.neutral if name not in columns]:
            raise InputError(
                f"data.sentiment.neutral names {unknown}, but the sentiment columns are {columns}; "
                "name these"
            )
        return {name: values[name] for name in columns}


@dataclass(frozen=True)
class SimulatedSentiment:
    """``data.sentiment`` of a source without news.

    Attributes:
        source: ``"simulated"``: from past returns plus noise; None for no sentiment.
        noise: Standard deviations of noise per standard deviation of signal, at least 0.
        seed: Seed of the noise, at least 0.
        lag: Whole periods, at least 0, by which it is shifted later. The simulation uses the
            past up to the close of its day, so 0 is sound.

    Raises:
        InputError: If a value is none of these; the message names its key.

    Example:
        >>> settings_of(SimulatedSentiment, {"noise": 0.5})
        SimulatedSentiment(source='simulated', noise=0.5, seed=0, lag=0)
        >>> SimulatedSentiment(noise=-1.0)
        Traceback (most recent call last):
            ...
        finai_rl.errors.InputError: data.sentiment.noise must be at least 0, got -1.0
    """

    source: str | None = "simulated"
    noise: float = 1.0
    seed: int = 0
    lag: int = 0

    def __post_init__(self) -> None:
        if self.source not in (None, "simulated"):
            raise InputError(
                f"data.sentiment.source must be simulated or null, got {self.source!r}"
            )
        _finite("noise", self.noise)
        if self.noise < 0:
            raise InputError(f"data.sentiment.noise must be at least 0, got {self.noise}")
        _whole("seed", self.seed)
        _whole("lag", self.lag, "a negative lag would show the future")


BY_NAME = SentimentColumns()
SIMULATED = SimulatedSentiment()


def settings_of(
    kind: type[Settings], given: Settings | Mapping[str, Any] | None
) -> Settings | None:
    """Complete partial settings with their defaults; None, no sentiment, stays None.

    Raises:
        InputError: If a setting is unknown or its value refused.
    """
    if given is None or isinstance(given, kind):
        return given
    known = [field.name for field in fields(kind)]
    if not isinstance(given, Mapping):
        raise InputError(
            f"data.sentiment must hold settings ({', '.join(known)}) or be null, got {given!r}"
        )
    if unknown := [name for name in given if name not in known]:
        raise InputError(
            f"data.sentiment: no such setting: {', '.join(map(str, unknown))}; "
            f"there are {', '.join(known)}: use one of these"
        )
    return kind(**given)


def names_sentiment(column: str) -> bool:
    """Return whether a column is sentiment by its name."""
    return "sentiment" in column.lower()


def filled(
    rows: pd.DataFrame, neutral: Mapping[str, float]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Fill empty sentiment cells, and say in one sentence how many became what.

    Args:
        rows: Long-format rows with every column that ``neutral`` names.
        neutral: What an empty cell of each sentiment column counts as.
    """
    empty = {name: int(rows[name].isna().sum()) for name in neutral}
    counted = ", ".join(
        f"{n} of {len(rows)} in {name} count as {neutral[name]:g}" for name, n in empty.items() if n
    )
    said = (f"Empty sentiment cells (no news): {counted}.",) if counted else ()
    return rows.fillna(dict(neutral)), said


def lagged(scores: FloatArray, lag: int, neutral: Sequence[float]) -> FloatArray:
    """Shift (n_days, n_sentiment, n_stocks) scores ``lag`` days later, neutral before that.

    Args:
        scores: Sentiment by the date that it stands under.
        lag: Days, at least 0 and smaller than n_days.
        neutral: One value per sentiment column.
    """
    if lag == 0:
        return scores
    later = np.empty_like(scores)
    later[:lag] = np.asarray(neutral)[:, np.newaxis]
    later[lag:] = scores[:-lag]
    return later


def lag_note(lag: int, n_stocks: int) -> tuple[str, ...]:
    """Return in one sentence what a lag did to a file's sentiment; nothing for no lag."""
    if lag == 0:
        return ()
    return (
        f"Sentiment is seen {lag} period{'' if lag == 1 else 's'} after its date "
        f"(data.sentiment.lag); the first {lag * n_stocks} cells per column have none and count "
        "as neutral.",
    )

"""Which columns of a processed table are read, and as what."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from finai_rl.data.sentiment.columns import SentimentColumns, names_sentiment
from finai_rl.data.tables.table import Table
from finai_rl.data.tables.validation import DECIMAL_COMMA, numbers
from finai_rl.errors import DataError

log = logging.getLogger(__name__)

PRICES = ("open", "high", "low", "close")
LAYOUT = ("date", "tic", *PRICES, "volume", "day", "index", "level_0")
RISKS = ("turbulence", "vix", "llm_risk")


@dataclass(frozen=True)
class Columns:
    """The columns that are read, by what they are to the market.

    Attributes:
        indicators: Features of a stock, in the order of the state.
        neutral: Sentiment columns, and what an empty cell of each stands for.
        lag: Periods that sentiment is held back.
        risk: The risk index; None for none.
        benchmark: The index level; None for none.
        open: The opening price; None for none.
        volume: Shares traded in a period; None for none.
        text: Columns that are not numeric, which are not read.

    Example:
        >>> columns = Columns(("macd",), {"news": 0.0}, 0, "vix", None, None, "volume", text=())
        >>> columns.numeric
        ['close', 'volume', 'macd', 'news', 'vix']
        >>> columns.own
        ['close', 'volume', 'macd']
    """

    indicators: tuple[str, ...]
    neutral: dict[str, float]
    lag: int
    risk: str | None
    benchmark: str | None
    open: str | None
    volume: str | None
    text: tuple[str, ...]

    @property
    def sentiment(self) -> tuple[str, ...]:
        """Sentiment of a stock."""
        return tuple(self.neutral)

    @property
    def shared(self) -> list[str]:
        """What all stocks of a date have in common."""
        return [name for name in (self.risk, self.benchmark) if name]

    @property
    def own(self) -> list[str]:
        """What each stock has values of its own of, sentiment apart."""
        return [name for name in self.numeric if name not in (*self.shared, *self.sentiment)]

    @property
    def positive(self) -> list[str]:
        """What cannot be zero or less."""
        named = ("close", self.benchmark, self.open, self.volume)
        return [name for name in named if name]

    @property
    def numeric(self) -> list[str]:
        """All of them, each once."""
        names = [*self.positive, *self.indicators, *self.sentiment, *self.shared]
        return list(dict.fromkeys(names))


def choose(
    file: Path,
    table: Table,
    frame: pd.DataFrame,
    sentiment: SentimentColumns | None,
    *,
    indicators: Sequence[str] | None,
    **named: str | None,
) -> Columns:
    """Choose the columns that settings name, under the file's names or ours.

    Args:
        file: For messages.
        table: The file as it was read.
        frame: Its rows, with the scores that have joined them.
        sentiment: Which sentiment columns; None for none.
        indicators: Those of the state; None for every numeric column that is nothing else.
        **named: Columns of ``risk``, ``benchmark``, ``open`` and ``volume``; None for none.

    Raises:
        DataError: If a column is not there; the message names those that are.
    """
    renamed = table.renamed
    named = {key: renamed.get(name, name) if name else None for key, name in named.items()}
    offered = [str(name) for name in frame.columns if not str(name).startswith("Unnamed:")]
    scores = sentiment.chosen(offered) if sentiment else ()
    wanted: dict[str, Sequence[str]] = {key: [name] for key, name in named.items() if name}
    risk_column = sentiment.risk_column if sentiment else None
    wanted["sentiment.columns"] = [name for name in scores if name != risk_column]
    wanted["sentiment.risk_column"] = [risk_column] if risk_column else []
    text: list[str] = []
    if indicators is None:
        indicators, text = _indicators(file, frame, offered, {*scores, *named.values()})
    indicators = [renamed.get(name, name) for name in indicators]
    wanted["indicators"] = indicators
    problems = [
        f"data.{key}: no column {absent}; the file has {offered}: name some of these"
        for key, names in wanted.items()
        if (absent := [name for name in names if name not in offered])
    ]
    if problems:
        raise DataError(str(file), problems)
    neutral = sentiment.neutral_values(scores) if sentiment else {}
    lag = sentiment.lag if sentiment else 0
    return Columns(tuple(indicators), neutral, lag, **named, text=tuple(text))


def _indicators(
    file: Path, frame: pd.DataFrame, offered: Sequence[str], elsewhere: set[str | None]
) -> tuple[list[str], list[str]]:
    """Return the columns that are indicators, and those that are not numeric."""
    others = {*LAYOUT, *RISKS, *elsewhere}
    candidates = [name for name in offered if name not in others and not names_sentiment(name)]
    numeric = [name for name in candidates if _is_numeric(frame[name])]
    if left := [name for name in offered if name not in others and names_sentiment(name)]:
        log.info("%s: sentiment columns that are not chosen are not used: %s", file, left)
    return numeric, [name for name in candidates if name not in numeric]


def _is_numeric(column: pd.Series) -> bool:
    # A damaged number column is read as text, and has to be refused later, not left out here.
    filled = column.dropna()
    meant = numbers(filled).notna()
    if not meant.all():
        meant |= filled.astype(str).str.fullmatch(DECIMAL_COMMA)
    return bool(meant.sum() * 2 >= max(len(filled), 1))

"""Stocks of an agent of which the newest data has no row at all: delisted, or forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.config.build import plain
from finai_rl.data.listings.universe import MASK
from finai_rl.data.listings.unlisted import with_absent
from finai_rl.data.sentiment.columns import SentimentColumns, settings_of

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData
    from finai_rl.experiment.learning.model_inputs import ModelInputs
    from finai_rl.experiment.learning.trained_days import TrainedDays


def with_gone(
    cfg: DictConfig, inputs: ModelInputs | None, market: MarketData
) -> tuple[MarketData, tuple[str, ...]]:
    """Return a market with every stock of an agent, where stocks may be delisted, and who is added.

    Args:
        cfg: The checked config of the agent's run.
        inputs: What its observations mean.
        market: Of a file that may have no row of some of its stocks.
    """
    if inputs is None or cfg.data.get("universe") != MASK:
        return market, ()
    gone = tuple(ticker for ticker in inputs.tickers if ticker not in market.tickers)
    if not gone or set(market.tickers) - set(inputs.tickers):
        return market, ()
    neutral = _neutral(plain(cfg.data).get("sentiment"), market.sentiment_names)
    return with_absent(market, inputs.tickers, neutral), gone


def gone_problems(
    gone: Sequence[str], known: TrainedDays | None, start: str, *, named: bool
) -> Iterator[str]:
    """Yield which of these stocks an account may have held, so that it cannot be replayed.

    Args:
        gone: Stocks without a row.
        known: What the days of training were; None for a run that has not recorded it.
        start: The account's first day, ISO text.
        named: Whether the user has named it, and so says that nothing older is held.
    """
    for ticker in gone:
        last = None if known is None else known.last_listed(ticker)
        unknown = known is None or last == known.days[-1]
        if (unknown and not named) or (last is not None and start <= last):
            when = "the run has not recorded until when it was listed"
            when = when if last is None else f"it was listed on {last}"
            yield (
                f"{ticker}: there is no row of it, and {when}: the account, which starts on "
                f"{start}, may have held it. Give its rows, too, or name a later account_start"
            )


def _neutral(settings: Mapping[str, Any] | None, columns: Sequence[str]) -> dict[str, float]:
    if not columns or not settings or "neutral" not in settings:
        return {}
    found = settings_of(SentimentColumns, settings)
    return {} if found is None else found.neutral_values(columns)

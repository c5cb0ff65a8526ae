"""The newest data of a run's source, held against what its agent was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from finai_rl.data.listings.splits import find_jumps
from finai_rl.data.market import LOOK_BACK
from finai_rl.envs.observations import FINRL
from finai_rl.errors import ConfigError, DataError
from finai_rl.experiment.deciding.absent import gone_problems, with_gone
from finai_rl.experiment.deciding.overlap import ALLOWED, Overlap, overlap
from finai_rl.experiment.learning.model_inputs import ModelInputs
from finai_rl.experiment.market import load_market

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

    from finai_rl.data.market import MarketData
    from finai_rl.experiment.learning.trained_days import TrainedDays

JUST, BEFORE = 5, 30
"""Last days on which a jump of a price is refused, and the days that it is seen against."""

LONGEST_BREAK = 5
"""Days that an exchange is closed for at most, but for the longest holidays of some."""

PINS = ("rev", "sha256")
"""Settings of a source that say which version of its file is meant."""

NAMED = 10
"""Stocks that are named where several are not listed."""


@dataclass(frozen=True)
class Newest:
    """The days that a decision rests on.

    Attributes:
        market: All days up to the day of the decision.
        first: Which of them is the account's first.
        notes: What a reader has to know, one sentence each.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> Newest(synthetic_market(n_days=5, n_stocks=2), first=3).market.n_days
        5
    """

    market: MarketData
    first: int
    notes: tuple[str, ...] = ()


def newest(
    cfg: DictConfig,
    inputs: ModelInputs | None,
    agent: BaseAlgorithm,
    *,
    changes: Mapping[str, Any],
    day: str | None,
    account_start: str | None,
    rescaled: bool,
    known: TrainedDays | None = None,
    from_today: bool = False,
) -> Newest:
    """Load the newest data, and refuse what is not what the agent was trained on.

    Args:
        cfg: The checked config of the agent's run.
        inputs: What the agent's observations mean; None for a run that has not recorded it.
        agent: The agent.
        changes: Settings of the source, over those of the run.
        day: Of the decision, ISO text; None for the last one.
        account_start: First day of the account; None for the first one the agent has not learned
            from.
        rescaled: Whether prices may be on another scale.
        known: What the days of training were; None for a run that has not recorded it.
        from_today: Whether the account's first day is the last one instead.

    Raises:
        DataError: If stocks, features or the scale of prices are others.
        ConfigError: If a day is not there.
    """
    whole = load_market(cfg, **unpinned(cfg, changes))
    whole, gone = with_gone(cfg, inputs, whole)
    market = whole if day is None else whole.slice_days(0, _place("day", day, whole) + 1)
    old = () if day is not None else tuple(_old(market, date.today()))
    if inputs is None:
        notes = [
            "The run has not recorded which stocks and features its agent saw, nor until when.",
            *old,
        ]
        first = 0 if account_start is None else _place("account_start", account_start, market)
        first = market.n_days - 1 if from_today else first
        return Newest(market, first, (*notes, *_unlisted(market), *market.source.caveats))
    found = held_against_training(cfg, inputs, agent, market, known, gone, rescaled=rescaled)
    first = market.n_days - 1 if from_today else _first(account_start, inputs, market, known)
    start = market.day_names[first]
    missing = list(gone_problems(gone, known, start, named=account_start is not None))
    shorter = list(look_back_problems(cfg, inputs, market, first))
    if rescaled:
        found, shorter = (*found, *(f"Allowed by rescaled=true: {one}." for one in shorter)), []
    if missing or shorter:
        raise DataError(market.source.path or market.source.name, [*missing, *shorter])
    return Newest(
        market,
        first,
        (*_gap(inputs, market, first), *found, *old, *_unlisted(market), *market.source.caveats),
    )


def _old(market: MarketData, today: date) -> Iterator[str]:
    """Yield what is to be said of data that no exchange's break explains the end of."""
    last = market.dates[-1].astype("datetime64[D]")
    age = int((np.datetime64(today) - last) / np.timedelta64(1, "D"))
    if age > LONGEST_BREAK:
        yield f"The data ends on {last}, {age:,} days before today: is it the newest there is?"
    if age < -1:  # it may be tomorrow already where the exchange is
        yield f"The data ends on {last}, {-age:,} days after today: is that day written right?"


def unpinned(cfg: DictConfig, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return changes of a source's settings; another file has another version than the run's."""
    pins = {name: None for name in PINS if cfg.data.get(name) is not None}
    return {**(pins if "path" in changes else {}), **changes}


def held_against_training(
    cfg: DictConfig,
    inputs: ModelInputs,
    agent: BaseAlgorithm,
    market: MarketData,
    known: TrainedDays | None,
    gone: tuple[str, ...] = (),
    *,
    rescaled: bool,
) -> tuple[str, ...]:
    """Refuse newer data that means other things than an agent was trained on, or tell how it is.

    Args:
        cfg: The checked config of the agent's run.
        inputs: What the agent's observations mean.
        agent: The agent.
        market: The newer data.
        known: What the days of training were; None for a run that has not recorded it.
        gone: Stocks that it has no row of.
        rescaled: Whether prices may be on another scale.

    Returns:
        What a reader has to know, one sentence each.

    Raises:
        DataError: If stocks, features, prices or features of the days of training are others, or a
            price has just jumped as after a split.
    """
    now = replace(ModelInputs.of(cfg, agent, market), algorithm=inputs.algorithm)
    problems, notes = list(now.differences(inputs)), list[str]()
    if not problems:
        compared = Overlap() if known is None else overlap(known, market, gone)
        notes += compared.notes
        problems = [*_scale_problems(inputs, market), *_jumps(inputs, market)]
        problems = [*problems, *(() if problems else compared.problems)]
        if rescaled:
            notes += [f"Allowed by rescaled=true: {problem}." for problem in problems]
            problems = []
    if problems:
        raise DataError(market.source.path or market.source.name, problems)
    return tuple(notes)


def _place(key: str, day: str, market: MarketData) -> int:
    names = market.day_names
    if day in names:
        return names.index(day)
    later = next((name for name in names if name > day), None)
    near = f"; the next one there is {later}" if later else f"; its last one is {names[-1]}"
    raise ConfigError([f"{key}: the data ({market.span}) has no day {day}{near}"])


def _first(
    account_start: str | None,
    inputs: ModelInputs,
    market: MarketData,
    known: TrainedDays | None,
) -> int:
    """Return the day that an account begins on: without a name, where its backtest began."""
    if account_start is not None:
        return _place("account_start", account_start, market)
    start = "" if known is None else known.first_after(inputs.trained_until)
    later = [
        place
        for place, name in enumerate(market.day_names)
        if name > inputs.trained_until and name >= start
    ]
    if not later:
        raise ConfigError(
            [
                f"day: the agent has learned from days until {inputs.trained_until}, the data ends "
                f"on {market.day_names[-1]}: give newer data by data.path, or name account_start"
            ]
        )
    return later[0]


def _scale_problems(inputs: ModelInputs, market: MarketData) -> Iterator[str]:
    """Compare the closes of the last day that the agent has learned from."""
    if not inputs.last_close or inputs.trained_until not in market.day_names:
        return
    day = market.day_names.index(inputs.trained_until)
    now, there = market.close[day], True if market.listed is None else market.listed[day]
    ratio = now / np.array(inputs.last_close)
    for place in np.flatnonzero((np.abs(ratio - 1) > ALLOWED) & there):
        yield (
            f"{market.tickers[place]}: its close of {inputs.trained_until} is {now[place]:g} here "
            f"and was {inputs.last_close[place]:g} in training, {ratio[place]:.4g} times as much "
            "(a split, or another unit): bring the file to the scale of training, or set "
            "rescaled=true"
        )


def look_back_problems(
    cfg: DictConfig, inputs: ModelInputs, market: MarketData, first: int
) -> Iterator[str]:
    """Yield that observations look back on fewer days than they did in the agent's backtest.

    Args:
        cfg: The checked config of the agent's run.
        inputs: What the agent's observations mean.
        market: The newer data.
        first: Which of its days is the first one that the agent trades on.
    """
    start = market.day_names[0]
    relative = cfg.env.get("observation", FINRL) != FINRL or bool(cfg.env.get("impact"))
    if relative and first < LOOK_BACK and inputs.seen_from and start > inputs.seen_from:
        yield (
            f"begins on {start}, {first:,} days before the account's first one, and the agent's "
            f"backtest looked back to {inputs.seen_from}: averages and volatilities of the first "
            f"days, which look back on up to {LOOK_BACK:,}, would be others; give the data from "
            f"{inputs.seen_from} on, or set rescaled=true"
        )


def _jumps(inputs: ModelInputs, market: MarketData) -> Iterator[str]:
    """Yield closes of the last days that lie on another scale than those before."""
    # Not by volume: that of one day is too noisy to tell a split from a fall.
    recent = market.slice_days(max(market.n_days - BEFORE, 0), market.n_days)
    rows = pd.DataFrame(
        {
            "date": np.repeat(recent.dates, recent.n_stocks),
            "tic": np.tile(recent.tickers, recent.n_days),
            "close": recent.close.ravel(),
        }
    )
    rows = rows if recent.listed is None else rows[recent.listed.ravel()]
    days = dict(zip(recent.dates.tolist(), recent.day_names, strict=True))
    last = pd.Timestamp(recent.dates[-JUST:][0])
    for jump in find_jumps(rows):
        day = days[np.datetime64(jump.date).astype(recent.dates.dtype).tolist()]
        if jump.date >= last and day > inputs.trained_until:
            yield (
                f"{jump.tic}: its close of {day} is {jump.multiple:.3g} times the one before, as "
                f"after a split of {jump.factor.numerator} for {jump.factor.denominator}: bring "
                "all prices to one scale (docs/prepare.md), or set rescaled=true where the price "
                "did move so"
            )


def _unlisted(market: MarketData) -> Iterator[str]:
    if market.listed is not None and not market.listed[-1].all():
        names = [market.tickers[stock] for stock in np.flatnonzero(~market.listed[-1])]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield (
            f"No row of {market.day_names[-1]}: {', '.join(names[:NAMED])}{more}. By "
            "data.universe=mask that is not listed, and is neither ordered nor held; if the row is "
            "only late, wait for it."
        )


def _gap(inputs: ModelInputs, market: MarketData, first: int) -> Iterator[str]:
    if inputs.trained_until >= market.day_names[-1]:
        yield (
            f"The agent has learned from days until {inputs.trained_until}, the day of the "
            "decision among them: it knows what came next."
        )
        return
    since = sum(name > inputs.trained_until for name in market.day_names)
    yield (
        f"The agent has learned from days until {inputs.trained_until}, {since} periods before "
        f"this decision; its account starts on {market.day_names[first]}."
    )
    if inputs.last_close and inputs.trained_until not in market.day_names:
        yield (
            f"The data has no {inputs.trained_until}, so the scale of its prices could not be "
            "compared with that of training."
        )

"""Days that came after all that a run's data had: a block that nothing can have been chosen by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.errors import DataError, InputError

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

    from finai_rl.experiment.finished_run import Block
    from finai_rl.experiment.recipe import Newer
    from finai_rl.tracking.history.finished_run import FinishedRun

LAST_DAY_TAG = "data.last_day"
"""Last day of a run's data, test block included, ISO text."""

NEWER = "newer"
LEAST = 3
"""Days: of fewer there is no Sharpe ratio."""
"""Name of the block."""


def newer_block(
    cfg: DictConfig,
    run: FinishedRun,
    agent: BaseAlgorithm,
    changes: Mapping[str, Any],
    newer: Newer | None = None,
    trusted: Sequence[str] = (),
) -> Block:
    """Load newer data of a run's source and cut out the days after the last one of the run's own.

    What it says of the days of training and validation is held against what they were. Of the
    sealed test block nothing is compared or backtested.

    Args:
        cfg: The run's checked config.
        run: The run.
        agent: Its agent.
        changes: Settings of the source, over those of the run; None leaves the run's.
        newer: Raw prices to prepare by the run's recipe; None for none.
        trusted: Packages of the user that the recipe may name.

    Returns:
        The days, with what is to be told of them among the caveats of their source.

    Raises:
        InputError: If the data is not what the agent was trained on, or has no newer days.
    """
    from finai_rl.experiment.deciding.absent import with_gone
    from finai_rl.experiment.deciding.newest import (
        held_against_training,
        look_back_problems,
        unpinned,
    )
    from finai_rl.experiment.deciding.run_of_agent import inputs_of, source_of, trained_days_of
    from finai_rl.experiment.finished_run import Block
    from finai_rl.experiment.market import load_market

    inputs, last = inputs_of(run), last_day_of(run.tags)
    with TemporaryDirectory() as folder:
        settings, said = source_of(run, changes, newer, Path(folder), trusted)
        market, gone = with_gone(cfg, inputs, load_market(cfg, **unpinned(cfg, settings)))
    first = sum(day <= last for day in market.day_names)
    if market.n_days - first < LEAST:
        raise InputError(
            f"block={NEWER}: the data of run {run.run_id} ends on {last}, this data on "
            f"{market.day_names[-1]}: fewer than {LEAST} days are newer; name newer data by "
            "data.path or prepare.raw"
        )
    if first < 2:
        raise InputError(
            f"block={NEWER}: {market.source.path or market.source.name} begins on "
            f"{market.day_names[0]}, and the run's data ended on {last}: give at least two days "
            "until then, too; returns and averages of the first newer days, and the baselines, "
            "look back on them"
        )
    if inputs is None:
        notes: tuple[str, ...] = (
            "The run has not recorded what its agent saw: nothing could be compared with training.",
        )
    else:
        known = trained_days_of(run)
        try:
            notes = held_against_training(cfg, inputs, agent, market, known, gone, rescaled=False)
            if shorter := list(look_back_problems(cfg, inputs, market, first)):
                raise DataError(market.source.path or market.source.name, shorter)
        except DataError as error:
            raise told_here(error, newer) from None
    source = replace(market.source, caveats=(*said, *notes, *market.source.caveats))
    data = market.slice_days(first, market.n_days).copy().with_source(source)
    return Block(NEWER, data, market.slice_days(0, first).copy())


def told_here(error: DataError, newer: Newer | None) -> DataError:
    """Return a refusal of newer data as `evaluate` means it.

    What was prepared is gone again: the user knows the raw prices. And nobody is to be judged on
    another scale than that of training, which `decide` takes by ``rescaled=true``.
    """
    problems = [re.sub(r"(;|, or set) rescaled=true.*$", "", text) for text in error.problems]
    return DataError(error.where if newer is None else newer.raw, problems)


def last_day_of(tags: Mapping[str, str]) -> str:
    """Return the last day of a run's data; of runs of earlier versions the last of their blocks.

    Args:
        tags: Of the run.

    Raises:
        InputError: If the run has recorded no days.
    """
    if LAST_DAY_TAG in tags:
        return tags[LAST_DAY_TAG]
    spans = "; ".join(value for name, value in tags.items() if name.startswith("split."))
    ends = [span.partition(" (")[0].partition(" to ")[2] for span in spans.split("; ")]
    if not any(ends):
        raise InputError(
            f"block={NEWER}: the run has recorded no days, so which are newer is not known"
        )
    return max(ends)

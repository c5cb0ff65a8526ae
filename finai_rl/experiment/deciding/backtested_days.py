"""The days of an agent's backtest, before those of its paper account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finai_rl.errors import InputError
from finai_rl.experiment.finished_run import block_of

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData
    from finai_rl.experiment.deciding.run_of_agent import AgentOnData
    from finai_rl.tracking.history.finished_run import FinishedRun


def backtested_days(run: FinishedRun, found: AgentOnData) -> tuple[MarketData | None, list[str]]:
    """Return the days of the backtest before the account's first one, and what is to be said.

    They are read as `evaluate` reads them; where the run's file has grown since, they are those of
    the newest data.
    """
    notes: list[str] = []
    market, first = found.data.market, found.data.market.day_names[found.data.first]
    try:
        block = block_of(found.cfg, run, "validation").data
    except InputError as error:
        span = run.tags.get("split.validation", "").split(" to ")
        if not all(day in market.day_names for day in span) or len(span) != 2:
            return None, [f"Without the days of the backtest: {str(error).strip()}"]
        notes.append(
            "The run's file is another one now: days of the backtest are the newest data's."
        )
        begins, ends = map(market.day_names.index, span)
        block = market.slice_days(begins, ends + 1).copy()
    days = [day for day in block.day_names if day < first]
    if len(days) < block.n_days:
        notes.append(
            "The account begins among the days of the backtest, which is shown until then."
        )
    if len(days) < 2:
        return None, [*notes, "No day of the backtest is before the account's first one."]
    return block.slice_days(0, len(days)), notes

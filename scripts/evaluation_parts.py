"""One evaluation, its parts timed; prints them as JSON behind all that it says.

A part is what a function does until it returns, and belongs to the outermost of those named here.
Imports are taken out of all of them, wherever they happen.
"""

from __future__ import annotations

import builtins
import importlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

IMPORTS, REST = "imports", "the rest"
PARTS: dict[str, tuple[str, ...]] = {
    "the run and its config": (
        "finai_rl.tracking.history.finished_run:FinishedRun.__init__",
        "finai_rl.experiment.finished_run:config_of",
    ),
    "the policy": ("finai_rl.tracking.history.finished_run:FinishedRun.policy",),
    "the data": ("finai_rl.experiment.finished_run:block_of",),
    "dry run and equal weight": ("finai_rl.experiment.backtests.holdout:Holdout.check",),
    "baselines": ("finai_rl.experiment.backtests.evaluation:run_baselines",),
    "the agent's backtest": ("finai_rl.experiment.backtests.holdout:Holdout.run",),
    "intervals and other statistics": ("finai_rl.experiment.backtests.evaluation:statistics_of",),
    "what trades go with": ("finai_rl.experiment.backtests.behaviour:trade_drivers",),
    "importances": ("finai_rl.experiment.backtests.behaviour:Explanation._importance",),
    "response curves": ("finai_rl.experiment.backtests.behaviour:Explanation._curves",),
    "random agents": ("finai_rl.experiment.backtests.evaluation:run_random_band",),
    "cost scenarios": ("finai_rl.experiment.backtests.evaluation:Assessment._at_other_costs",),
    "pictures": (
        "finai_rl.report.run.files:figures",
        "finai_rl.report.run.files:save_pictures",
    ),
    "the page": ("finai_rl.report.run.files:html_page",),
    "tables and the store": (
        "finai_rl.evaluation.result:save_tables",
        "finai_rl.tracking.history.finished_run:FinishedRun.record",
    ),
}


class Clock:
    """Adds up the processor time of parts."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._part, self._importing, self._since = REST, False, 0.0

    def _turn(self, part: str) -> str:
        now, before = time.process_time(), self._part
        self.spent[before] += now - self._since
        self._since, self._part = now, part
        return before

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose time is a part's, unless it is called within another part."""

        def call(*arguments: Any, **further: Any) -> Any:
            if self._part != REST:
                return function(*arguments, **further)
            before = self._turn(part)
            try:
                return function(*arguments, **further)
            finally:
                self._turn(before)

        return call

    def of_import(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return an importing function that is timed when it is called within no import."""

        def call(name: str, *arguments: Any, **further: Any) -> Any:
            if self._importing or (name in sys.modules and not any(arguments)):
                return function(name, *arguments, **further)
            self._importing, before = True, self._turn(IMPORTS)
            try:
                return function(name, *arguments, **further)
            finally:
                self._turn(before)
                self._importing = False

        return call


def wrap(clock: Clock) -> None:
    """Time the parts, those of them that there are."""
    for part, places in PARTS.items():
        for place in places:
            module, _, path = place.partition(":")
            *outer, name = path.split(".")
            owner: Any = importlib.import_module(module)
            for attribute in outer:
                owner = getattr(owner, attribute)
            setattr(owner, name, clock.timed(part, getattr(owner, name)))


def main() -> None:
    """Evaluate as the command line says."""
    clock = Clock()
    builtins.__import__ = clock.of_import(builtins.__import__)
    importlib.import_module = clock.of_import(importlib.import_module)
    # Functions are timed where they are called from: these modules have to be there.
    wrap(clock)
    evaluate: Any = importlib.import_module("finai_rl.evaluate")
    try:
        evaluate.main()
    finally:
        clock.timed(REST, lambda: None)()
        total = time.process_time()
        clock.spent[REST] += total - sum(clock.spent.values())
        print(json.dumps({"parts": clock.spent, "total": total}))


if __name__ == "__main__":
    main()

"""The page of a paper account: the backtest of its agent, and its live days after it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finai_rl.data.market import day_names
from finai_rl.errors import DataError
from finai_rl.evaluation.run_statistics import statistics_of
from finai_rl.experiment.backtests.baselines import LABELS
from finai_rl.experiment.backtests.holdout import Holdout
from finai_rl.experiment.deciding.backtested_days import backtested_days
from finai_rl.experiment.finished_run import facts_of
from finai_rl.report.formats import plural
from finai_rl.report.run.contents import DataFacts, EvaluationReport
from finai_rl.report.run.files import save_page
from finai_rl.report.run.live import LiveDays, Period
from finai_rl.statistics.benchmark import EQUAL_WEIGHT
from finai_rl.statistics.intervals.estimates import return_intervals
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData
    from finai_rl.evaluation.result import BacktestResult
    from finai_rl.evaluation.run_statistics import RunStatistics
    from finai_rl.experiment.deciding.ledger import Ledger
    from finai_rl.experiment.deciding.paper_account import PaperAccount
    from finai_rl.experiment.deciding.run_of_agent import AgentOnData
    from finai_rl.tracking.history.finished_run import FinishedRun

ROUNDING = 1e-9
"""Part of an account by which the books and a backtest of their days may differ."""
LIVE = "Live"
NAMED = 5
"""Versions of the data that are named where there were more."""


@dataclass(frozen=True)
class _Part:
    """An agent, and equal weight, on some days."""

    data: MarketData
    holdout: Holdout
    account: BacktestResult

    @classmethod
    def of(cls, found: AgentOnData, data: MarketData, name: str) -> _Part:
        holdout = Holdout(found.environments, data)
        return cls(data, holdout, holdout.run(found.agent, found.normalization, name))

    @property
    def index(self) -> FloatArray | None:
        found = self.holdout.index
        return None if found is None else found[: len(self.account.dates)]

    @property
    def risk(self) -> FloatArray | None:
        return None if self.data.risk is None else self.data.risk[: len(self.account.dates)]

    @property
    def equal_weight(self) -> BacktestResult:
        return self.holdout.baseline.head(len(self.account.dates))

    def period(self, yearly: tuple[float, float], seed: int) -> Period:
        intervals = return_intervals(self.account.returns, *yearly, seed)
        return Period(len(self.account.dates), self.holdout.measure(self.account), intervals)


def save_account_page(
    account: PaperAccount,
    run: FinishedRun,
    found: AgentOnData,
    earlier: Sequence[float] | FloatArray,
    folder: Path,
) -> Path:
    """Write the page of a paper account.

    Args:
        account: With two days or more in its books, all of them checked against the data.
        run: Of its agent.
        found: The agent on the data of these days.
        earlier: (n_returns,) that its run has recorded of the backtest; none if it has not.
        folder: Where the page goes.

    Returns:
        ``report.html``.

    Raises:
        DataError: If the days in the books do not come out as they are.
    """
    market = found.data.market
    end = market.day_names.index(str(account.ledger.lines[-1]["day"])) + 1
    live = _Part.of(found, market.slice_days(found.data.first, end).copy(), run.name)
    _hold_against(live.account, account.ledger)
    block, notes = backtested_days(run, found)
    before = None if block is None else _Part.of(found, block, run.name)
    if before is not None and (before.account.ruined or before.equal_weight.ruined):
        before, notes = None, [*notes, "The backtest ended in ruin, so no live day follows it."]
    elif before is not None and not _is_recorded(before.account.returns, earlier):
        notes.append("The backtest does not come out as the run has recorded it: the data changed.")
    report = _report(found, before, live, run)
    parts = {LIVE: live} if before is None else {"Backtest": before, LIVE: live}
    days = _live_days(account, found, parts, earlier, notes)
    return save_page(replace(report, live=days), folder)[0]


def _report(
    found: AgentOnData, before: _Part | None, live: _Part, run: FinishedRun
) -> EvaluationReport:
    """Put one record of both parts together, in which live days follow the backtest."""
    yearly, source = _yearly(found), found.data.market.source
    result, held, index, risk = live.account, live.equal_weight, live.index, live.risk
    if before is not None:
        result = before.account.followed_by(result)
        held = before.equal_weight.followed_by(held)
        index = _both(before.index, index, rebased=True)
        risk = _both(before.risk, risk)
    baselines = {LABELS[EQUAL_WEIGHT]: held}
    statistics = statistics_of(
        result,
        baselines,
        risk=risk,
        risk_name=live.data.risk_name,
        periods_per_year=yearly[0],
        risk_free=yearly[1],
        seed=found.cfg.seed,
    )
    return EvaluationReport(
        title=f"{run.name}: paper account",
        result=result,
        baselines=baselines,
        block="live days" if before is None else "backtest and live days",
        statistics=statistics if before is None else _as_kept(statistics, before),
        index=index,
        index_name=live.data.benchmark_name or "index",
        data=DataFacts(source.name, source.sha256, source.caveats),
        run=facts_of(run, found.cfg),
        periods_per_year=yearly[0],
        risk_free=yearly[1],
    )


def _as_kept(statistics: RunStatistics, before: _Part) -> RunStatistics:
    """Leave out the change from one account to the other, which nobody traded."""
    turnover = statistics.turnover.copy()
    turnover[len(before.account.dates) - 1] = 0.0
    return replace(statistics, turnover=turnover, break_even_cost=math.nan, break_even_against="")


def _both(
    before: FloatArray | None, after: FloatArray | None, *, rebased: bool = False
) -> FloatArray | None:
    if before is None or after is None:
        return None
    return np.concatenate([before, after * (before[-1] / after[0] if rebased else 1.0)])


def _yearly(found: AgentOnData) -> tuple[float, float]:
    settings = found.cfg.evaluation
    return float(settings.periods_per_year), float(settings.risk_free)


def _live_days(
    account: PaperAccount,
    found: AgentOnData,
    parts: Mapping[str, _Part],
    earlier: Sequence[float] | FloatArray,
    notes: Sequence[str],
) -> LiveDays:
    lines, live = account.ledger.lines, parts[LIVE]
    periods = {name: part.period(_yearly(found), found.cfg.seed) for name, part in parts.items()}
    held = live.equal_weight
    periods["Equal weight, live"] = Period(len(held.dates), live.holdout.measure(held))
    return LiveDays(
        live.account.dates,
        periods,
        account.against(earlier) if len(earlier) else None,
        len(earlier),
        books_of(account.ledger),
        [line["day"] for line in lines if line["late"]],
        notes,
    )


def books_of(ledger: Ledger) -> dict[str, str]:
    """Return what was checked of the books, by its name.

    Args:
        ledger: Read, and so checked: every line by the hash that it carries.
    """
    lines = ledger.lines
    versions = list(dict.fromkeys(str(line["data_sha256"])[:12] for line in lines))
    return {
        "Ledger": str(ledger.file),
        "Days": f"{len(lines):,}, {lines[0]['day']} to {lines[-1]['day']}",
        "Chain": f"checked: each of {len(lines):,} lines carries the hash of the line before it; "
        f"the last is {ledger.last_hash}",
        "Against the data": "checked: what is held, the price, and what the agent answers come out "
        "the same on every day",
        "Data": f"{plural(len(versions), 'version')} (SHA-256 {', '.join(versions[-NAMED:])}"
        f"{' the last ones' if len(versions) > NAMED else ''})",
    }


def _hold_against(live: BacktestResult, ledger: Ledger) -> None:
    values = np.array([line["account_value"] for line in ledger.lines])
    days = day_names(live.dates)
    same = len(days) == len(values) and np.allclose(live.account_value, values, ROUNDING, 0.0)
    if not same:
        raise DataError(
            str(ledger.file),
            [
                f"a backtest of {days[0]} to {days[-1]} does not come out as the account in the "
                "books: the page is not written"
            ],
        )


def _is_recorded(returns: FloatArray, earlier: Sequence[float] | FloatArray) -> bool:
    shown = min(len(returns), len(earlier))
    return bool(np.allclose(returns[:shown], np.asarray(earlier)[:shown], ROUNDING, ROUNDING))

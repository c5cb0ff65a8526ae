"""What a leaderboard says in words: which differences mean something, and what its columns are."""

from __future__ import annotations

import itertools
import math

from finai_rl.report.formats import UNDEFINED, interval, number, plural, share
from finai_rl.statistics.intervals.bootstrap import Interval
from finai_rl.statistics.leaderboard import BASELINE_NAME, Leaderboard, Standing
from finai_rl.statistics.run_verdict import RULE

_FEW = 3

HEADINGS = (
    "agent",
    "rank",
    "runs",
    "IQM Sharpe",
    "95 % interval",
    "over equal weight",
    "95 % interval of it",
    "excludes 0",
    "better seed",
    "total return",
    "mean rank",
    "first",
    "evidence of skill",
)

ATTAINABLE_HEADING = "of attainable"
"""A further column, where runs know what can be earned."""

ATTAINABLE_NOTE = (
    "IQM Sharpe as a share of that of a rule that knows what is planted in the generated market, "
    "at the agents' costs."
)

TURNED = (
    "Places go by the interquartile mean over the runs; of equal parts of the money in each seed, "
    "which differences are of, the order is the other one."
)

NOTES = {
    "Runs": "Seeds times folds. A fold is one block of days that all agents were backtested on.",
    "IQM Sharpe": (
        "Annual Sharpe ratio, interquartile mean over the runs: the mean of their middle half "
        "(all of them if fewer than four)."
    ),
    "95 % interval": (
        "Of the IQM: seeds are drawn again within each fold. It says how much the seed matters "
        "and nothing about other days; too narrow with few seeds, undefined with one."
    ),
    "Over equal weight": (
        "Sharpe ratio of equal parts of the money in each seed, all folds one after the other, "
        "less that of equal weight."
    ),
    "95 % interval of it": (
        "Stationary bootstrap of the same days for both. If it excludes 0, the difference is "
        "more than these days' luck; the seeds are held fixed."
    ),
    "Better seed": "Probability that a run of it beats equal weight on its fold, ties half.",
    "Mean rank and first": (
        "Rank, and how often it is the best, when seeds are drawn again; among the agents of "
        "several seeds."
    ),
    "Evidence of skill": (
        "Of equal parts of the money in each seed, all folds one after the other, after the number "
        f"of agents tried. {RULE}"
    ),
    "Many pairs": (
        "Each interval is for one difference. Of 20 differences that are none, about one "
        "excludes 0."
    ),
    "Validation": (
        "Agents and settings were chosen on these days, which flatters the best. Only the sealed "
        "block, opened once, says how good it is."
    ),
}
"""By what is explained: one line each."""


def span(board: Leaderboard) -> str:
    """Return what was compared on which days."""
    return (
        f"{plural(len(board.standings), 'agent')}, {plural(len(board.folds), 'fold')}, "
        f"{plural(board.n_days, 'daily return')}: {'; '.join(board.folds)}"
    )


def rows(board: Leaderboard) -> dict[str, list[str]]:
    """Return the cells after the name, by name, in the order of the board."""
    standings = {standing.name: standing for standing in board.standings}
    equal = ["", "", number(board.baseline, "ratio"), *[""] * 5]
    equal += [number(board.baseline_return, "percent"), "", "", ""]
    found = {name: _row(standings[name]) if name in standings else equal for name in board.names}
    if not shows_attainable(board):
        return found
    shares = {standing.name: standing.attainable_share for standing in board.standings}
    shown = {name: share(value) for name, value in shares.items() if math.isfinite(value)}
    return {name: [*cells, shown.get(name, "")] for name, cells in found.items()}


def headings(board: Leaderboard) -> tuple[str, ...]:
    """Return the headings of a board's columns, the name's first."""
    return (*HEADINGS, ATTAINABLE_HEADING) if shows_attainable(board) else HEADINGS


def notes(board: Leaderboard) -> dict[str, str]:
    """Return what a board's numbers mean, by what is explained."""
    return NOTES | ({"Of attainable": ATTAINABLE_NOTE} if shows_attainable(board) else {})


def shows_attainable(board: Leaderboard) -> bool:
    """Return whether an agent's share of what can be earned is known."""
    return any(math.isfinite(standing.attainable_share) for standing in board.standings)


def excludes_zero(found: Interval) -> bool:
    """Return whether 0 is outside an interval; False where it has no ends."""
    return found.low > 0 or found.high < 0


def sentences(board: Leaderboard) -> list[str]:
    """Return a sentence on each pair of neighbours: whether the difference means something.

    Agents with only equal weight between them are neighbours too; of three agents at most, every
    two are.
    """
    n_seeds = {standing.name: standing.n_trained for standing in board.standings}
    found = []
    agents = [name for name in board.names if name != BASELINE_NAME]
    pairs = itertools.combinations(agents, 2) if len(agents) <= _FEW else itertools.pairwise(agents)
    for pair in dict.fromkeys([*pairs, *itertools.pairwise(board.names)]):
        one, other = reversed(pair) if pair[0] == BASELINE_NAME else pair
        one_seed = 1 in (n_seeds[one], n_seeds.get(other))
        difference = board.difference(one, other)
        ahead = difference.estimate if one == pair[0] else -difference.estimate
        turned = f" {TURNED}" if ahead < 0 else ""
        found.append(_sentence(one, other, difference, one_seed) + turned)
    found += [
        f"{standing.name}: {standing.n_ruined} of {plural(standing.n_runs, 'account')} ruined; "
        "its place is by Sharpe ratios, which do not show that all of the money was lost."
        for standing in board.standings
        if standing.n_ruined
    ]
    found += [
        f"{standing.name}: {standing.n_in_cash} of {plural(standing.n_runs, 'account')} stayed in "
        "cash, with a Sharpe ratio that counts as 0."
        for standing in board.standings
        if standing.n_in_cash
    ]
    return found


def _row(standing: Standing) -> list[str]:
    n_seeds, n_folds = standing.scores.shape
    over = standing.over_baseline
    known = math.isfinite(over.low) and math.isfinite(over.high)
    return [
        str(standing.rank),
        f"{standing.n_runs} ({n_seeds} x {n_folds})",
        number(standing.sharpe.estimate, "ratio"),
        "one seed: no interval" if standing.n_trained == 1 else interval(standing.sharpe, "ratio"),
        number(over.estimate, "ratio"),
        interval(over, "ratio"),
        ("yes" if excludes_zero(over) else "no") if known else UNDEFINED,
        share(standing.improvement),
        number(standing.total_return, "percent"),
        f"{standing.mean_rank:.2f}" if math.isfinite(standing.mean_rank) else "",
        share(standing.first) if math.isfinite(standing.first) else "",
        _evidence(standing),
    ]


def _evidence(standing: Standing) -> str:
    return {"no evidence": "none"}.get(standing.verdict.level, standing.verdict.level)


def _sentence(one: str, other: str, found: Interval, one_seed: bool) -> str:
    size = number(abs(found.estimate), "ratio")
    ends = f"95 % interval {interval(found, 'ratio')}"
    side = "higher" if found.estimate >= 0 else "lower"
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        if found.estimate == 0:
            return f"{one} and {other}: no difference at all, the Sharpe ratios are equal."
        return f"{one} and {other}: cannot be told, the difference has no interval."
    if not excludes_zero(found):
        return (
            f"{one} and {other}: the difference may be luck. The Sharpe ratio of {one} is {size} "
            f"{side}, {ends}, which includes 0."
        )
    better = "better" if found.estimate > 0 else "worse"
    text = (
        f"{one} and {other}: the difference means something. {one} is {better} on these days: "
        f"Sharpe ratio {size} {side}, {ends}, which excludes 0."
    )
    if one_seed:
        return f"{text} With one seed this is true of the training, not of the agent."
    return f"{text} This is of these trainings: with other seeds it may be otherwise."

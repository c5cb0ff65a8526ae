"""The gates between a challenger and the champion's alias: numbers in, one line each out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from finai_rl.report.gates import Gate
from finai_rl.statistics.intervals.estimates import sharpe_difference_interval
from finai_rl.statistics.returns import account_sharpe
from finai_rl.statistics.run_verdict import RunVerdict
from finai_rl.statistics.search_verdict import cautious
from finai_rl.type_aliases import FloatArray


@dataclass(frozen=True)
class Duel:
    """Daily returns of a challenger and of what it has to be better than, on the same days.

    Attributes:
        returns: (n,) of the challenger, net of costs.
        rival_returns: (n,) of the other.
        rival: What to call it.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.
        seed: Of the resamples.

    Example:
        >>> import numpy as np
        >>> held = np.random.default_rng(0).normal(0.0, 0.01, 250)
        >>> better(Duel(held + 0.002, held, "equal weight"), least=0.0).passed
        True
        >>> better(Duel(held, held + 0.002, "equal weight"), least=0.0).passed
        False
    """

    returns: FloatArray
    rival_returns: FloatArray
    rival: str
    periods_per_year: float = 252
    risk_free: float = 0.0
    seed: int = 0


def better(duel: Duel, least: float) -> Gate:
    """Ask for a higher Sharpe ratio than the other's, by more than luck explains."""
    yearly = duel.periods_per_year, duel.risk_free
    found = sharpe_difference_interval(duel.returns, duel.rival_returns, *yearly, duel.seed)
    needed = f"Sharpe ratio above that of {duel.rival}: lower end of the interval above {least:g}"
    if not math.isfinite(found.low):
        said = f"{found.estimate:+.2f}; {len(duel.returns)} days have no interval"
        return Gate("better", said, needed, False)
    said = (
        f"{found.estimate:+.2f} ({found.low:+.2f} to {found.high:+.2f}) over {duel.rival}, "
        f"{len(duel.returns)} days"
    )
    return Gate("better", said, needed, found.low > least)


def deflated(verdict: RunVerdict, least: float, *, ruined: bool, traded: bool) -> Gate:
    """Ask for Sharpe ratios that the luckiest of all trials counted would not show by chance.

    Args:
        verdict: On the challenger, with its returns over equal weight.
        least: Both deflated ratios must reach it.
        ruined: Whether its account was ruined.
        traded: Whether it traded at all.
    """
    needed = f"deflated Sharpe ratios of {least:g} or more"
    if ruined or not traded:
        said = "its account was ruined" if ruined else "it never traded"
        return Gate("deflated_sharpe", said, needed, False)
    own, active = verdict.evidence, verdict.active
    assert active is not None
    said = (
        f"{cautious(own.deflated)}, of returns over {verdict.benchmark} "
        f"{cautious(active.deflated)}; verdict: {verdict.level}; looks counted: {own.n_counted:,}"
    )
    passed = own.deflated >= least and active.deflated >= least
    return Gate("deflated_sharpe", said, needed, passed)


def costs(duel: Duel | None, multiplier: float, least: float) -> Gate:
    """Ask for a higher Sharpe ratio than the other's at other costs.

    Args:
        duel: The two at these costs; None where there are no costs that can be multiplied.
        multiplier: Of the costs.
        least: The difference must be above it.
    """
    needed = f"at {multiplier:g} times the costs above the other's by more than {least:g}"
    if duel is None:
        said = "it pays no costs, or none that can be multiplied (one number each)"
        return Gate("costs", said, needed, False)
    own, other = (
        account_sharpe(returns, duel.periods_per_year, duel.risk_free)
        for returns in (duel.returns, duel.rival_returns)
    )
    said = f"Sharpe ratio {own:.2f}, {duel.rival} {other:.2f}"
    return Gate("costs", said, needed, own - other > least)


def leakage(n_checked: int, leaks: Sequence[str]) -> Gate:
    """Ask for data, features and an environment that know nothing of later days.

    Args:
        n_checked: Findings of all checks.
        leaks: Those that are leaks, in words.
    """
    said = f"no leak among {n_checked} findings" if not leaks else "; ".join(leaks)
    return Gate("leakage", said, "no leak", not leaks)


def data_version(tags: Mapping[str, str], least: str) -> Gate:
    """Ask for data that can be found again.

    Args:
        tags: Of the run.
        least: ``sha256``, or ``committed``: a commit that has the file as it was used.
    """
    sha256, rev, dirty = (tags.get(f"data.{name}", "") for name in ("sha256", "rev", "dirty"))
    said = f"sha256 {sha256[:12]}..." if sha256 else "no sha256 on record"
    known = bool(sha256)
    needed = "sha256 on record"
    if least == "committed":
        known = known and bool(rev) and dirty == "false"
        state = {"false": "", "true": ", changed since"}.get(
            dirty, ", unknown whether changed since"
        )
        said += f", commit {rev[:12]}{state}" if rev else ", in no commit"
        needed += ", and a commit that has the file as it was used"
    return Gate("data_version", said, needed, known)

"""From one backtest to a plain verdict: can its Sharpe ratio be believed?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from finai_rl.statistics.returns import autocorrelation, excess_returns
from finai_rl.statistics.search_verdict import (
    DSR_FOR_STRONG,
    DSR_FOR_WEAK,
    PSR_NEEDED,
    EvidenceLevel,
    cautious,
    known_of_data,
    limit_of,
)
from finai_rl.statistics.sharpe_inference import (
    SharpeEstimate,
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    min_track_record_length,
    probabilistic_sharpe_ratio,
)
from finai_rl.type_aliases import FloatArray

FEWEST_FOR_STRONG = 60

RULE = (
    f"No evidence: a ruined account, a Sharpe ratio that is not above 0, a probabilistic Sharpe "
    f"ratio (PSR) below {PSR_NEEDED:.2f}, or a deflated one (DSR) below {DSR_FOR_WEAK:.2f}. "
    f"Strong: a DSR of {DSR_FOR_STRONG:.2f} or more over at least {FEWEST_FOR_STRONG} days. Weak: "
    "the rest. The DSR is for all trials counted, with the variance of Sharpe ratios that "
    "independent trials without skill would have. Where a benchmark is given, the returns over "
    "it have to pass the same tests of PSR and DSR. An account that never traded is no evidence. "
    "Where the benchmark itself is not fully in the market, nothing is said of skill, and the "
    "evidence is at most weak."
)

HINDSIGHT = (
    "The agents had learned from later days, too, so that no one could have traded them: the "
    "evidence is at most weak."
)

_LEVELS: tuple[EvidenceLevel, ...] = ("no evidence", "weak", "strong")
_AUTOCORRELATED = 0.05


@dataclass(frozen=True)
class SharpeEvidence:
    """How sure one series' Sharpe ratio is; ratios are per period, not annualised.

    Attributes:
        estimate: The Sharpe ratio, the number of returns and their moments.
        n_counted: Trials it may be the best of.
        expected_maximum: SR0, the Sharpe ratio that the luckiest of them is expected to show
            without skill, with the null variance ``1 / (n - 1)``; NaN for a single return.
        probabilistic: PSR(0), the confidence that the true ratio is above 0.
        deflated: DSR, the confidence that it is above 0 after the selection: PSR(SR0).
        deflated_spread: As ``deflated``, with the variance of the trials' own Sharpe ratios, as
            in the paper; NaN where that is not known.
        min_track_record_length: Periods at which PSR(0) would be 95 %; NaN if never.

    Example:
        >>> import numpy as np
        >>> returns = np.random.default_rng(0).normal(0.001, 0.01, 250)
        >>> alone, picked = sharpe_evidence(returns), sharpe_evidence(returns, n_counted=100)
        >>> alone.deflated == alone.probabilistic, picked.deflated < alone.deflated
        (True, True)
    """

    estimate: SharpeEstimate
    n_counted: int
    expected_maximum: float
    probabilistic: float
    deflated: float
    deflated_spread: float
    min_track_record_length: float


@dataclass(frozen=True)
class RunVerdict:
    """What one backtest is evidence of.

    Attributes:
        level: "no evidence", "weak" or "strong".
        sentence: The verdict and its reasons in a few plain sentences; Sharpe ratios a year,
            confidences rounded down.
        rule: The rule behind the level.
        evidence: Of the returns.
        active: Of the returns over the benchmark, if one was given.
        benchmark: Its name; empty if none was given.

    Example:
        >>> import numpy as np
        >>> returns = np.random.default_rng(0).normal(0.0, 0.01, 250)
        >>> judge_returns(returns).level
        'no evidence'
        >>> judge_returns(returns + 0.005).level
        'strong'
    """

    level: EvidenceLevel
    sentence: str
    rule: str
    evidence: SharpeEvidence
    active: SharpeEvidence | None
    benchmark: str = ""


def judge_returns(
    returns: FloatArray,
    benchmark_returns: FloatArray | None = None,
    benchmark: str = "",
    n_counted: int = 1,
    trial_variance: float | None = None,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
    *,
    ruined: bool = False,
    traded: bool = True,
    shortfall: str = "",
    hindsight: bool = False,
    caveats: Sequence[str] = (),
) -> RunVerdict:
    """Judge daily returns as `judge_run` judges those of a backtest.

    Args:
        returns: (n,) net of costs.
        benchmark_returns: (n,) of what needs no skill, on the same days.
        benchmark: Its name.
        n_counted: See `judge_run`, as all that follow.
        trial_variance: Variance of the trials' Sharpe ratios.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate, over which the returns have their Sharpe ratio; those over
            the benchmark have it by themselves.
        ruined: Whether the account was ruined, which is evidence of nothing good.
        traded: Whether it traded at all.
        shortfall: What the benchmark lacks to be held against an agent, such as being half in
            cash, without a full stop; empty for nothing.
        hindsight: Whether days were traded by agents that had learned from later ones.
        caveats: What is known of the data, one sentence each.
    """
    over_cash = excess_returns(returns, periods_per_year, risk_free)
    evidence = sharpe_evidence(over_cash, n_counted, trial_variance)
    active = None
    if benchmark_returns is not None:
        active = sharpe_evidence(returns - benchmark_returns, n_counted)
    grade = _grade(evidence) if active is None else min(_grade(evidence), _grade(active))
    if evidence.estimate.n_returns < FEWEST_FOR_STRONG:
        grade = min(grade, 1)
    if shortfall or hindsight:
        grade = min(grade, 1)
    grade = 0 if ruined or not traded else grade
    level = _LEVELS[grade]
    claim = "a Sharpe ratio above 0" if active is None or shortfall else "skill"
    parts = [f"{level.removesuffix(' evidence').capitalize()} evidence of {claim}."]
    if ruined:
        parts.append("The account was ruined.")
    elif not traded:
        parts.append("The agent never traded: its account shows nothing that it decided.")
    else:
        year = math.sqrt(periods_per_year)
        parts.append(_own(evidence, year))
        if evidence.estimate.sharpe > 0:
            parts += [_over_benchmark(active, benchmark, year), _doubts(returns, grade)]
    parts += [limit_of(shortfall), HINDSIGHT if hindsight else "", known_of_data(caveats)]
    return RunVerdict(level, " ".join(filter(None, parts)), RULE, evidence, active, benchmark)


def sharpe_evidence(
    returns: FloatArray, n_counted: int = 1, trial_variance: float | None = None
) -> SharpeEvidence:
    """Measure how sure the Sharpe ratio of returns (n,) is.

    Args:
        returns: Simple returns, or returns over a benchmark.
        n_counted: Trials it may be the best of.
        trial_variance: Variance (ddof=1) of their Sharpe ratios per period, if known.

    Raises:
        ValueError: If less than one trial is counted, the variance is negative, or the returns
            are empty or not finite.
    """
    estimate = SharpeEstimate.from_returns(returns)
    # With a single return nothing is known of the variance, and every confidence is undefined.
    null_variance = 1 / (len(returns) - 1) if len(returns) > 1 else float("nan")
    spread = float("nan")
    if trial_variance is not None:
        spread = deflated_sharpe_ratio(estimate, n_counted, trial_variance)
    return SharpeEvidence(
        estimate=estimate,
        n_counted=n_counted,
        expected_maximum=expected_maximum_sharpe(n_counted, null_variance),
        probabilistic=probabilistic_sharpe_ratio(estimate),
        deflated=deflated_sharpe_ratio(estimate, n_counted, null_variance),
        deflated_spread=spread,
        min_track_record_length=min_track_record_length(estimate),
    )


def _grade(evidence: SharpeEvidence) -> int:
    """Index of the level that one set of returns allows."""
    if not (
        evidence.estimate.sharpe > 0
        and evidence.probabilistic >= PSR_NEEDED
        and evidence.deflated >= DSR_FOR_WEAK
    ):
        return 0
    return 2 if evidence.deflated >= DSR_FOR_STRONG else 1


def _own(evidence: SharpeEvidence, year: float) -> str:
    estimate, n = evidence.estimate, evidence.n_counted
    days = f"Over {estimate.n_returns:,} day{'s' if estimate.n_returns > 1 else ''}"
    if math.isnan(estimate.sharpe):
        return f"{days} the returns do not vary, so there is no Sharpe ratio."
    text = f"{days} the Sharpe ratio is {estimate.sharpe * year:.2f} a year"
    if not estimate.sharpe > 0:
        return f"{text}: the account earned nothing on average."
    if n == 1:
        return f"{text}, above 0 with a confidence of {cautious(evidence.probabilistic)} (PSR)."
    return (
        f"{text}; the luckiest of {n:,} trials without skill is expected to show "
        f"{evidence.expected_maximum * year:.2f} ({_confidence(evidence)})."
    )


def _over_benchmark(active: SharpeEvidence | None, benchmark: str, year: float) -> str:
    if active is None:
        return "It was not compared with a benchmark: a rising market may explain it."
    sharpe = active.estimate.sharpe
    if math.isnan(sharpe):
        return f"It differs from {benchmark} by a constant, so it shows no skill beyond it."
    text = f"Its returns over {benchmark} have a Sharpe ratio of {sharpe * year:.2f}"
    if not sharpe > 0:
        return f"{text}: holding that paid at least as much."
    outcome = (
        "which luck may explain",
        "a little more than luck explains",
        "more than luck explains",
    )[_grade(active)]
    if active.n_counted == 1:
        return f"{text}, above 0 with a confidence of {cautious(active.probabilistic)}, {outcome}."
    return (
        f"{text} against {active.expected_maximum * year:.2f} by luck ({_confidence(active)}), "
        f"{outcome}."
    )


def _doubts(returns: FloatArray, grade: int) -> str:
    """What makes a verdict that found something surer than it should be."""
    doubts = []
    if grade and len(returns) < FEWEST_FOR_STRONG:
        doubts.append(f"Fewer than {FEWEST_FOR_STRONG} days are at most weak evidence.")
    rho = autocorrelation(returns)
    if grade and rho > max(_AUTOCORRELATED, 2 / math.sqrt(len(returns))):
        doubts.append(
            f"Good days follow good days (autocorrelation {rho:.2f}), so the confidences are "
            "somewhat too high."
        )
    return " ".join(doubts)


def _confidence(evidence: SharpeEvidence) -> str:
    text = f"deflated Sharpe ratio {cautious(evidence.deflated)}"
    needed = (math.inf, DSR_FOR_WEAK, DSR_FOR_STRONG)[_grade(evidence)]
    if evidence.deflated_spread < needed < math.inf:
        text += f", but {cautious(evidence.deflated_spread)} by the trials' own spread"
    return text

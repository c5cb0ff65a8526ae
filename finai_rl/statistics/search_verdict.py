"""From the statistics of a search to a plain verdict on the trial that it picked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from finai_rl.statistics.deflation import DeflatedSharpe, deflate
from finai_rl.statistics.overfitting import BacktestOverfitting, backtest_overfitting
from finai_rl.type_aliases import FloatArray

EvidenceLevel = Literal["no evidence", "weak", "strong"]

PSR_NEEDED = 0.95
DSR_FOR_WEAK = 0.90
DSR_FOR_STRONG = 0.95
PBO_FOR_STRONG = 0.20

RULE = (
    f"No evidence: a Sharpe ratio that is not above 0, a probabilistic Sharpe ratio (PSR) below "
    f"{PSR_NEEDED:.2f}, or a deflated one (DSR) below {DSR_FOR_WEAK:.2f}. Strong: a DSR of "
    f"{DSR_FOR_STRONG:.2f} or more and a probability of backtest overfitting (PBO) of "
    f"{PBO_FOR_STRONG:.0%} or less, or a PSR of {PSR_NEEDED:.2f} for the median trial, so that it "
    "hardly matters which one is picked. Weak: the rest. The DSR is for all trials counted, with "
    "the variance of Sharpe ratios that trials without skill would have. Where a benchmark is "
    "given, the returns over it have to pass the same tests of PSR and DSR; where it is not fully "
    "in the market itself, nothing is said of skill, and the evidence is at most weak."
)

# Below it, a PBO moves in coarse steps and by luck from 0 to 1.
_FEW_TRIALS = 10
_PBO_OF_CHANCE = 0.5
_CAVEATS_TOLD = 3
_LEVELS: tuple[EvidenceLevel, ...] = ("no evidence", "weak", "strong")
_MOST_BLOCKS, _LEAST_BLOCKS, _LEAST_BLOCK_LENGTH = 16, 4, 10


@dataclass(frozen=True)
class SearchVerdict:
    """What a search is evidence of.

    Attributes:
        level: "no evidence", "weak" or "strong".
        sentence: The verdict and its reasons in a few plain sentences. Deflated ratios are
            rounded down and the PBO up, so that neither looks better than it is.
        rule: The rule behind the level.
        deflated: Of the returns.
        active: Of the returns over the benchmark, if one was given.
        overfitting: None where it could not be computed.

    Example:
        >>> import numpy as np
        >>> trials = np.random.default_rng(0).normal(0.0, 0.01, (250, 20))
        >>> judge_search(trials, winner=int(trials.mean(axis=0).argmax())).level
        'no evidence'
        >>> trials[:, 3] += 0.005
        >>> judge_search(trials, winner=3).level
        'strong'
    """

    level: EvidenceLevel
    sentence: str
    rule: str
    deflated: DeflatedSharpe
    active: DeflatedSharpe | None
    overfitting: BacktestOverfitting | None


def judge_search(
    trial_returns: FloatArray,
    winner: int,
    benchmark_returns: FloatArray | None = None,
    other_sharpe_ratios: Sequence[float] | FloatArray = (),
    n_counted: int | None = None,
    shortfall: str = "",
    caveats: Sequence[str] = (),
    periods_per_year: float = 252,
    risk_free: float = 0.0,
) -> SearchVerdict:
    """Compute the statistics of a search and judge it with `search_verdict`.

    The PBO is that of the Sharpe ratio over 4 to 16 blocks of at least 10 days; it is left out
    for fewer than two trials or 40 days.

    Args:
        trial_returns: (T, N) daily returns of the trials over the same days.
        winner: Column that the search picked.
        benchmark_returns: (T,) returns over the same days of what needs no skill, such as
            holding every stock in equal weights.
        other_sharpe_ratios: Per-period Sharpe ratios of trials without returns: see `deflate`.
            They count as trials over the benchmark as well, but not in the variance there.
        n_counted: All trials counted in the experiment, if more.
        shortfall: See `search_verdict`.
        caveats: See there.
        periods_per_year: 252 for daily data; for the rate.
        risk_free: Simple annual rate that Sharpe ratios are taken over, those of
            ``other_sharpe_ratios`` as well.

    Raises:
        ValueError: As `deflate`, and if the benchmark covers other days.
    """
    rate = (1 + risk_free) ** (1 / periods_per_year) - 1
    deflated = deflate(trial_returns - rate, winner, other_sharpe_ratios, n_counted)
    n_days, n_trials = trial_returns.shape
    active = None
    if benchmark_returns is not None:
        if benchmark_returns.shape != (n_days,):
            raise ValueError(
                f"{len(benchmark_returns)} benchmark returns for {n_days} days of trial returns"
            )
        differences = trial_returns - benchmark_returns[:, None]
        active = deflate(differences, winner, n_counted=deflated.n_counted)
    n_blocks = min(_MOST_BLOCKS, n_days // _LEAST_BLOCK_LENGTH // 2 * 2)
    overfitting = None
    if n_trials > 1 and n_blocks >= _LEAST_BLOCKS:
        overfitting = backtest_overfitting(trial_returns - rate, n_blocks)
    return search_verdict(deflated, overfitting, active, shortfall, caveats)


def search_verdict(
    deflated: DeflatedSharpe,
    overfitting: BacktestOverfitting | None = None,
    active: DeflatedSharpe | None = None,
    shortfall: str = "",
    caveats: Sequence[str] = (),
) -> SearchVerdict:
    """Judge a search by its trials' returns.

    The level follows `RULE`:

    * "no evidence" if the winner's Sharpe ratio is not above 0, its PSR(0) is below 0.95, or
      its deflated Sharpe ratio is below 0.90.
    * "strong" if the deflated Sharpe ratio is at least 0.95, and the PBO at most 20 % or the
      PSR(0) of the median trial at least 0.95.
    * "weak" otherwise, at most so where the PBO is unknown.

    The deflated Sharpe ratio is `DeflatedSharpe.deflated_null`: the most trials counted, the
    null variance. The one of the paper, by the trials' own variance, is told where it falls
    short of the level. Of simulated searches over noise (2 to 200 trials, 60 to 1000 days) at
    most 6 % came out strong and at least 88 % as no evidence; one trial with a Sharpe ratio of
    0.15 a day among 12 over 500 days was strong in 47 % if they did not correlate and in 84 % if
    they did by 0.8.

    With ``active``, the level is the lower one of the returns and the active returns: what a
    rising market pays everyone passes the first test, and is no skill. Active returns are not
    adjusted for risk, so compare an account that is mostly in cash, or levered, with a
    benchmark of its own exposure: of skill-less trials with betas from 0.5 to 1.5 in a rising
    market, 6 % were strong over ten years; 0.3 % where the betas were equal.

    A high PBO never takes a search down to "no evidence": equally good trials have one of about
    50 % as well. For "strong" it has to be low, as a claim about the trial that was picked, unless
    the median trial passes by itself, so that picking mattered little.

    Undefined statistics (NaN) never pass. A strong verdict is about the days searched over;
    these were seen by the search, and days that were not are still the better judge.

    Args:
        deflated: Of the trials' returns.
        overfitting: Of the same returns; None if it cannot be computed.
        active: Of the trials' returns less those of a benchmark.
        shortfall: What the benchmark lacks to be held against an agent, without a full stop:
            nothing is then said of skill, and the evidence is at most weak.
        caveats: What is known of the data, one sentence each.
    """
    grade = _grade(deflated) if active is None else min(_grade(deflated), _grade(active))
    typical = _typical(deflated, active)
    if overfitting is None or not (overfitting.pbo <= PBO_FOR_STRONG or typical):
        grade = min(grade, 1)
    if shortfall:
        grade = min(grade, 1)
    level = _LEVELS[grade]
    claim = "a Sharpe ratio above 0" if active is None or shortfall else "skill"
    heading = f"{level.removesuffix(' evidence').capitalize()} evidence of {claim}."
    parts = [heading, _selection(deflated)]
    if deflated.estimate.sharpe > 0:
        parts += [_over_benchmark(active), _overfitting(overfitting, typical)]
    parts += [limit_of(shortfall), known_of_data(caveats)]
    sentence = " ".join(filter(None, parts))
    return SearchVerdict(level, sentence, RULE, deflated, active, overfitting)


def _typical(deflated: DeflatedSharpe, active: DeflatedSharpe | None) -> bool:
    """Whether the median trial does well by itself."""
    known = (deflated,) if active is None else (deflated, active)
    return all(found.typical >= PSR_NEEDED for found in known)


def _grade(deflated: DeflatedSharpe) -> int:
    """Index of the level that one set of returns allows."""
    if not (
        deflated.estimate.sharpe > 0
        and deflated.probabilistic >= PSR_NEEDED
        and deflated.deflated_null >= DSR_FOR_WEAK
    ):
        return 0
    return 2 if deflated.deflated_null >= DSR_FOR_STRONG else 1


def _selection(deflated: DeflatedSharpe) -> str:
    n, sharpe = deflated.n_counted, deflated.estimate.sharpe
    days = f"{deflated.estimate.n_returns:,} days"
    if n == 1:
        subject = f"The only trial over {days}"
    elif n > deflated.n_trials:
        subject = f"The trial picked from {deflated.n_trials:,} ({n:,} counted) over {days}"
    else:
        subject = f"The trial picked from {n:,} over {days}"
    if math.isnan(sharpe):
        return f"{subject} has no Sharpe ratio, as its returns do not vary."
    text = f"{subject} has a Sharpe ratio of {sharpe:.3f} a day"
    if not sharpe > 0:
        return f"{text}: it earned nothing on average."
    if n == 1:
        return f"{text}, above 0 with a confidence of {cautious(deflated.probabilistic)} (PSR)."
    return (
        f"{text}; the luckiest of {n:,} without skill is expected to show "
        f"{deflated.expected_maximum_null:.3f} ({_confidence(deflated)})."
    )


def _over_benchmark(active: DeflatedSharpe | None) -> str:
    if active is None:
        return "It was not compared with a benchmark: a rising market may explain it."
    sharpe = active.estimate.sharpe
    if math.isnan(sharpe):
        return "It differs from the benchmark by a constant, so it shows no skill beyond it."
    text = f"Over the benchmark its Sharpe ratio is {sharpe:.3f}"
    if not sharpe > 0:
        return f"{text}: holding the benchmark paid at least as much."
    expected = f"against {active.expected_maximum_null:.3f} by luck ({_confidence(active)})"
    outcome = (
        "which luck and a rising market may explain",
        "a little more than luck and a rising market explain",
        "more than luck and a rising market explain",
    )[_grade(active)]
    return f"{text} {expected}, {outcome}."


def _overfitting(overfitting: BacktestOverfitting | None, typical: bool) -> str:
    if overfitting is None:
        return (
            "Its probability of overfitting is unknown, as that takes two trials with returns "
            f"over {_LEAST_BLOCKS * _LEAST_BLOCK_LENGTH} days; the evidence is at most weak."
        )
    share = f"{math.ceil(overfitting.pbo * 100 - 1e-9)} %"
    text = (
        f"Picked on half of the days, the best trial fell into the lower half of the trials on "
        f"the other days in {share} of {len(overfitting.logits):,} splits (PBO)"
    )
    if overfitting.n_trials < _FEW_TRIALS:
        return f"{text}, which says little with {overfitting.n_trials} trials."
    if overfitting.pbo <= PBO_FOR_STRONG:
        return f"{text}, so the choice lasted."
    if typical:
        return f"{text}; but the median trial does well, too, so the choice hardly matters."
    if overfitting.pbo < _PBO_OF_CHANCE:
        return f"{text}, so the choice lasted only in part."
    return f"{text}, so choosing among the trials was no better than chance."


def _confidence(deflated: DeflatedSharpe) -> str:
    text = f"deflated Sharpe ratio {cautious(deflated.deflated_null)}"
    needed = (math.inf, DSR_FOR_WEAK, DSR_FOR_STRONG)[_grade(deflated)]
    # The two part where trials truly differ, which is worth knowing only once one has passed.
    if math.isfinite(needed) and not deflated.deflated_counted >= needed:
        text += f", but {cautious(deflated.deflated_counted)} by the trials' own spread"
    return text


def cautious(confidence: float) -> str:
    """Write a confidence with two decimals.

    Rounded down: 0.949 must not read as the 0.95 that it misses.
    """
    if math.isnan(confidence):
        return "undefined"
    return f"{math.floor(confidence * 100 + 1e-9) / 100:.2f}"


def limit_of(shortfall: str) -> str:
    """Return the sentence on a benchmark that falls short; empty where none does."""
    if not shortfall:
        return ""
    return f"{shortfall}, so returns over it say little of skill; the evidence is at most weak."


def known_of_data(caveats: Sequence[str]) -> str:
    """Return what a verdict says of its data: the first caveats, and how many more there are."""
    if not caveats:
        return ""
    told = " ".join(f"{caveat.rstrip('.')}." for caveat in caveats[:_CAVEATS_TOLD])
    more = len(caveats) - _CAVEATS_TOLD
    return f"Of the data: {told}{f' And {more} more.' if more > 0 else ''}"

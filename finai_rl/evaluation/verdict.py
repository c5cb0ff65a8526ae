"""From one backtest to a plain verdict: can its Sharpe ratio be believed?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from finai_rl.evaluation.result import BacktestResult
from finai_rl.statistics.run_verdict import RunVerdict, judge_returns
from finai_rl.type_aliases import FloatArray


def judge_run(
    result: BacktestResult,
    baseline: BacktestResult | None = None,
    n_counted: int = 1,
    trial_variance: float | None = None,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
    shortfall: str = "",
    caveats: Sequence[str] = (),
) -> RunVerdict:
    """Judge one backtest by `RULE`, in the way of `search_verdict.judge_search`.

    The level is the lower one of the returns and of the returns over the baseline: what a
    rising market pays everyone is no skill. Returns over the baseline are not adjusted for risk,
    so compare an account that is mostly in cash, or levered, with a baseline of its own exposure.

    One run says nothing of how alike the counted trials are, so they are taken as independent:
    the null variance is ``1 / (n - 1)``, which is stricter than that of a search over correlated
    trials. There is no probability of backtest overfitting; a count of 1 is right only for days
    that no choice has seen, and then the days are the test of overfitting themselves.

    Args:
        result: The backtest.
        baseline: What needs no skill, such as equal weight, over the same days.
        n_counted: All trials that the run was picked from, seeds and manual runs included.
        trial_variance: Variance (ddof=1) of their daily Sharpe ratios. The deflated ratio by it
            is told where it falls short of the level, and does not decide it.
        periods_per_year: 252 for daily data; for the sentences, and for the rate.
        risk_free: Simple annual rate that the account's Sharpe ratio is taken over.
        shortfall: What the baseline lacks to be held against an agent, such as being half in
            cash (`finai_rl.evaluation.coverage.Coverage.shortfall`); empty for nothing.
        caveats: What is known of the data, one sentence each; they are told.

    Raises:
        ValueError: If the baseline covers other days, less than one trial is counted, or the
            variance is negative.
    """
    return judge_returns(
        result.returns,
        None if baseline is None else _paired(result, baseline),
        "" if baseline is None else baseline.name,
        n_counted,
        trial_variance,
        periods_per_year,
        risk_free,
        ruined=result.ruined,
        traded=bool(result.trades.any()),
        shortfall=shortfall,
        caveats=caveats,
    )


def _paired(result: BacktestResult, baseline: BacktestResult) -> FloatArray:
    baseline = baseline.head(len(result.dates))
    if not np.array_equal(baseline.dates, result.dates):
        raise ValueError(f"{baseline.name!r} does not cover the days of {result.name!r}")
    return baseline.returns

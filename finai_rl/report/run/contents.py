"""What the page of an evaluation shows: a value of arrays, tables and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from finai_rl.evaluation.attainable_share import AttainableShare
from finai_rl.evaluation.behaviour import Behaviour
from finai_rl.evaluation.random_band import RandomBand
from finai_rl.evaluation.result import BacktestResult
from finai_rl.evaluation.run_statistics import CostScenario, RunStatistics
from finai_rl.report.run.live import LiveDays
from finai_rl.statistics.run_verdict import RunVerdict
from finai_rl.statistics.seeds import interquartile_mean, stratified_bootstrap_interval
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class SeedScores:
    """How other seeds and folds of the same configuration did.

    Attributes:
        table: One row a run with columns ``seed``, ``fold`` and its metrics.
        metric: Column that the two below are of.
        iqm: Interquartile mean of all runs; NaN if unknown.
        low: Lower end of its 95 % interval, NaN if unknown.
        high: Upper end.

    Example:
        >>> import pandas as pd
        >>> runs = pd.DataFrame({"seed": [0, 1], "fold": [0, 0], "sharpe_ratio": [0.5, 1.5]})
        >>> seed_scores(runs).iqm
        1.0
    """

    table: pd.DataFrame
    metric: str
    iqm: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


def seed_scores(table: pd.DataFrame, metric: str = "sharpe_ratio", seed: int = 0) -> SeedScores:
    """Summarise runs of several seeds and folds.

    Args:
        table: One row a run, with columns ``seed``, ``fold`` and ``metric``.
        metric: What to summarise.
        seed: Of the bootstrap.

    Returns:
        With the interquartile mean of the runs where it is defined, and its interval (seeds
        resampled within folds) where every fold has the same two or more seeds.

    Raises:
        ValueError: If a column is missing, or a seed has two rows for one fold.
    """
    missing = {"seed", "fold", metric} - set(table.columns)
    if missing:
        raise ValueError(f"the table of seeds lacks {sorted(missing)}")
    if metric == "sharpe_ratio":
        # Over a rate above 0 that of an account in cash is not defined, and ranks as 0.
        in_cash = table["total_return"].eq(0) if "total_return" in table else False
        table = table.assign(**{metric: table[metric].mask(table[metric].isna() & in_cash, 0.0)})
    scores = table.pivot(index="seed", columns="fold", values=metric).to_numpy(dtype=np.float64)
    defined = scores[np.isfinite(scores)]
    if not len(defined):
        return SeedScores(table, metric)
    low = high = float("nan")
    if len(defined) == scores.size and len(scores) > 1:
        low, high = stratified_bootstrap_interval(scores, np.random.default_rng(seed))
    return SeedScores(table, metric, interquartile_mean(defined), low, high)


@dataclass(frozen=True)
class DataFacts:
    """Where the prices came from and what is known to be wrong with them.

    Attributes:
        source: What the data is.
        sha256: Of the file, if there is one.
        caveats: What flatters or hurts the result, such as survivors; one sentence each.
        repairs: What was mended before trading; one sentence each.

    Example:
        >>> DataFacts("my prices", caveats=["These stocks are survivors."]).source
        'my prices'
    """

    source: str = ""
    sha256: str = ""
    caveats: Sequence[str] = ()
    repairs: Sequence[str] = ()


@dataclass(frozen=True)
class RunFacts:
    """What it takes to run the evaluation again.

    Attributes:
        run_id: Of the tracker.
        command: As it was typed.
        config: The whole configuration, as text.
        versions: By name of the package.

    Example:
        >>> RunFacts("0123", "python -m finai_rl.train agent=a2c").command
        'python -m finai_rl.train agent=a2c'
    """

    run_id: str = ""
    command: str = ""
    config: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """All that `finai_rl.report.run.files.save_page` shows; a part that is missing is left out.

    Attributes:
        title: Of the page.
        result: The agent's backtest; its name heads the agent's columns.
        baselines: Backtests by name, from the same first day on: those that last longer are
            shown up to the agent's end, those that end before must be ruined.
        block: Name of the days, such as ``"test"``.
        verdict: `finai_rl.evaluation.verdict.judge_run`.
        statistics: `finai_rl.evaluation.run_statistics.statistics_of`.
        behaviour: What the agent did, and why as far as it can be told.
        shortfalls: Which baselines are not fully in the market, and by how much; one sentence each.
        metrics: `finai_rl.evaluation.metrics.metrics` by name: the agent's under the name of its
            backtest, baselines' under theirs, others if wanted.
        benchmark_name: What the metrics' alpha, beta and information ratio are taken against.
        random: Random agents over the same days.
        index: (n_days,) index rebased to the first account value, if there is one.
        index_name: What to call it.
        attainable: The agent on the scale of what can be earned by who knows a planted signal.
        cost_scenarios: Backtests at other costs; those of ``statistics`` if empty.
        seeds: Other seeds and folds.
        data: About the data.
        run: About the run.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate behind the ratios.
        live: The last days, where they came after the backtest.

    Raises:
        ValueError: If a baseline, the index or the random agents cover other days, or a
            baseline has the agent's name.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> from finai_rl.evaluation.backtest import backtest
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> market = synthetic_market(n_days=20, n_stocks=2)
        >>> buyer = ConstantAction(np.ones(2))
        >>> account = backtest(buyer, StockTradingVecEnv(market, record=True), market, "buyer")
        >>> len(EvaluationReport("A buyer", account).result.dates)
        20
    """

    title: str
    result: BacktestResult
    baselines: Mapping[str, BacktestResult] = field(default_factory=dict)
    block: str = ""
    verdict: RunVerdict | None = None
    statistics: RunStatistics | None = None
    behaviour: Behaviour | None = None
    shortfalls: Sequence[str] = ()
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    benchmark_name: str = ""
    random: RandomBand | None = None
    index: FloatArray | None = None
    index_name: str = "index"
    attainable: AttainableShare | None = None
    cost_scenarios: Sequence[CostScenario] = ()
    seeds: SeedScores | None = None
    data: DataFacts | None = None
    run: RunFacts | None = None
    periods_per_year: float = 252
    risk_free: float = 0.0
    live: LiveDays | None = None

    def __post_init__(self) -> None:
        n_days = len(self.result.dates)
        if self.result.name in self.baselines:
            raise ValueError(f"a baseline has the agent's name {self.result.name!r}")
        for name, baseline in self.baselines.items():
            n_shown = min(n_days, len(baseline.dates))
            short = n_shown < n_days and not baseline.ruined
            if short or not np.array_equal(baseline.dates[:n_shown], self.result.dates[:n_shown]):
                raise ValueError(f"{name!r} does not cover the days of {self.result.name!r}")
        if self.index is not None and self.index.shape != (n_days,):
            raise ValueError(f"the index has {len(self.index)} values for {n_days} days")
        if self.random is not None and len(self.random.dates) != n_days:
            raise ValueError(f"the random agents have {len(self.random.dates)} days, not {n_days}")

    @property
    def shown_baselines(self) -> dict[str, BacktestResult]:
        """The baselines over the agent's days."""
        return {name: b.head(len(self.result.dates)) for name, b in self.baselines.items()}

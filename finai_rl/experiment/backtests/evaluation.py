"""Evaluate an agent on a block: backtest, baselines, random agents, cost scenarios, verdict."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from finai_rl.config.env_schemas import COST, settings_with
from finai_rl.evaluation.coverage import Coverage
from finai_rl.evaluation.metrics import break_even_cost, metrics
from finai_rl.evaluation.run_statistics import CostScenario, statistics_of
from finai_rl.evaluation.verdict import judge_run
from finai_rl.evaluation.watched_days import WatchedDays
from finai_rl.experiment.backtests.baselines import (
    CACHE_FOLDER,
    CASH,
    KNOWING,
    LABELS,
    run_baselines,
    run_random_band,
)
from finai_rl.experiment.backtests.behaviour import Explanation, Questions, may_be_kept
from finai_rl.experiment.backtests.holdout import Holdout, run_together
from finai_rl.experiment.environments import Environments
from finai_rl.report.run.contents import DataFacts, EvaluationReport, RunFacts
from finai_rl.statistics.benchmark import EQUAL_WEIGHT
from finai_rl.statistics.returns import sharpe_ratio, simple_returns, total_return

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.evaluation.random_band import RandomBand
    from finai_rl.evaluation.result import BacktestResult
    from finai_rl.evaluation.run_statistics import RunStatistics
    from finai_rl.experiment.finished_run import Block
    from finai_rl.statistics.run_verdict import RunVerdict
    from finai_rl.type_aliases import FloatArray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What an assessment is asked for.

    Attributes:
        baselines: Names of `finai_rl.experiment.backtests.baselines.LABELS`.
        random_agents: Draws of the band; 0 for none.
        cost_multipliers: Costs to backtest the agent again at, in multiples of its own.
        output_root: Baselines are cached below it.
        seed: Of random agents, permutations and resamples.
        permutations: Of each part of the state, for its importance; 0 for none.
        response_days: Days that response curves ask the agent on; 0 for none.
        attribution_days: Days that integrated gradients are of; 0 for none.

    Example:
        >>> names = ["cash", "momentum"]
        >>> request = Request(names, random_agents=99, cost_multipliers=(2,), output_root="outputs")
        >>> [LABELS[name] for name in request.baselines]
        ['Cash', '12-1 momentum']
    """

    baselines: Sequence[str]
    random_agents: int
    cost_multipliers: Sequence[float]
    output_root: str
    seed: int = 0
    permutations: int = 0
    response_days: int = 0
    attribution_days: int = 0


class Assessment:
    """An agent on a block.

    Args:
        cfg: The run's config.
        block: The days, and those before them.
        request: What is wanted.

    Raises:
        ConfigError: If the block or a baseline cannot be backtested.

    Example:
        >>> import hydra
        >>> from finai_rl.config.command import CONFIG_DIR
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.experiment.finished_run import Block
        >>> with hydra.initialize_config_dir(str(CONFIG_DIR)):
        ...     cfg = hydra.compose("train", ["agent=a2c"])
        >>> market = synthetic_market(n_days=40, n_stocks=2)
        >>> block = Block("validation", market.slice_days(20, 40), history=market.slice_days(0, 20))
        >>> request = Request([], random_agents=0, cost_multipliers=(), output_root="outputs")
        >>> assessment = Assessment(cfg, block, request)
        >>> list(assessment.baselines)
        ['equal_weight']
    """

    def __init__(self, cfg: DictConfig, block: Block, request: Request) -> None:
        self._cfg, self._block, self._request = cfg, block, request
        self._environments = Environments(cfg)
        self._holdout = Holdout(self._environments, block.data)
        self._holdout.check()
        found = run_baselines(
            self._environments,
            block.data,
            block.history,
            [name for name in dict.fromkeys(request.baselines) if name != EQUAL_WEIGHT],
            opening=self._holdout.opening,
            cache_folder=Path(request.output_root).absolute() / CACHE_FOLDER,
        )
        self.baselines = {EQUAL_WEIGHT: self._holdout.baseline, **found}

    def report(
        self,
        agent: BaseAlgorithm,
        normalization: VecEnv | None,
        name: str,
        n_counted: int,
        facts: RunFacts,
    ) -> EvaluationReport:
        """Backtest an agent and put together what its page shows.

        Args:
            agent: The agent.
            normalization: The frozen normalization it was trained with; None for none.
            name: What the page calls it.
            n_counted: All looks at these days that the agent may have been chosen by.
            facts: About its run.
        """
        data, yearly = self._block.data, self._yearly
        result, explanation = self._backtest(agent, normalization, name)
        baselines = self._labelled_baselines()
        return EvaluationReport(
            title=f"{name}: {self._block.name} block",
            result=result,
            baselines=baselines,
            block=self._block.name,
            verdict=self._verdict(result, n_counted),
            statistics=self._statistics(result, baselines),
            behaviour=explanation.behaviour(result),
            shortfalls=self._shortfalls,
            metrics=self._metrics(result, baselines),
            benchmark_name=data.benchmark_name,
            random=self._band(result),
            index=self._index(len(result.dates)),
            index_name=data.benchmark_name or "index",
            attainable=self._holdout.share(result),
            cost_scenarios=self._at_other_costs(agent, normalization, result),
            data=DataFacts(data.source.name, data.source.sha256, data.source.caveats),
            run=facts,
            periods_per_year=yearly[0],
            risk_free=yearly[1],
        )

    def _backtest(
        self, agent: BaseAlgorithm, normalization: VecEnv | None, name: str
    ) -> tuple[BacktestResult, Explanation]:
        """Return the agent's account, and what can be asked about it."""
        asked, days = self._request, self._days_to_watch()
        began = time.monotonic()
        result = self._holdout.run(agent, normalization, name, days)
        questions = Questions(
            asked.permutations,
            asked.response_days,
            asked.attribution_days,
            asked.seed,
            time.monotonic() - began,
        )
        of = (self._environments, self._block.data, agent, normalization, questions, days)
        return result, Explanation(*of)

    def _labelled_baselines(self) -> dict[str, BacktestResult]:
        labelled = {LABELS[key]: found for key, found in self.baselines.items()}
        knowing = self._holdout.attainable
        return labelled if knowing is None else {**labelled, KNOWING: knowing}

    def _verdict(self, result: BacktestResult, n_counted: int) -> RunVerdict:
        return judge_run(
            result,
            self.baselines[EQUAL_WEIGHT].head(len(result.dates)),
            n_counted,
            None,
            *self._yearly,
            shortfall=self._holdout.coverage.shortfall,
            caveats=self._block.data.source.caveats,
        )

    def _statistics(
        self, result: BacktestResult, baselines: Mapping[str, BacktestResult]
    ) -> RunStatistics:
        data, (periods_per_year, risk_free) = self._block.data, self._yearly
        return statistics_of(
            result,
            baselines,
            risk=None if data.risk is None else data.risk[: len(result.dates)],
            risk_name=data.risk_name,
            periods_per_year=periods_per_year,
            risk_free=risk_free,
            seed=self._request.seed,
        )

    def _index(self, n_days: int) -> FloatArray | None:
        index = self._holdout.index
        return None if index is None else index[:n_days]

    def _days_to_watch(self) -> WatchedDays | None:
        """Return what keeps the agent's days, where they are asked about and can be kept."""
        asked, n_days = self._request, self._block.data.n_days
        if not (asked.permutations or asked.response_days or asked.attribution_days):
            return None
        return WatchedDays() if may_be_kept(self._holdout.observation_shape, n_days) else None

    @property
    def _shortfalls(self) -> list[str]:
        """Baselines that are to be in the market and are not; only equal weight is to hold all."""
        found = [self._holdout.coverage.shortfall]
        for name, result in self.baselines.items():
            if name not in (CASH, EQUAL_WEIGHT):
                found.append(replace(Coverage.of(result), left_out=()).shortfall)
        return [f"{shortfall}." for shortfall in found if shortfall]

    @property
    def _yearly(self) -> tuple[float, float]:
        settings = self._cfg.evaluation
        return float(settings.periods_per_year), float(settings.risk_free)

    def _metrics(
        self, result: BacktestResult, baselines: Mapping[str, BacktestResult]
    ) -> dict[str, dict[str, float]]:
        n_days = len(result.dates)
        index = self._index(n_days)
        against = None if index is None else simple_returns(index)
        found = {
            name: metrics(account.head(n_days), *self._yearly, against)
            for name, account in {result.name: result, **baselines}.items()
        }
        equal_weight = self.baselines[EQUAL_WEIGHT].head(n_days)
        found[result.name]["break_even_cost"] = break_even_cost(result, equal_weight)
        return found

    def _band(self, result: BacktestResult) -> RandomBand | None:
        if not self._request.random_agents:
            return None
        try:
            return run_random_band(
                self._environments,
                self._block.data,
                result,
                n_draws=self._request.random_agents,
                seed=self._request.seed,
            )
        except ValueError as error:
            log.warning("No random agents: %s", error)
            return None

    def _at_other_costs(
        self, agent: BaseAlgorithm, normalization: VecEnv | None, result: BacktestResult
    ) -> list[CostScenario]:
        """Backtest the agent again at multiples of its costs; it may trade otherwise then."""
        if at_costs(self._cfg, 1.0) is None:
            if self._request.cost_multipliers:
                log.warning(
                    "cost_multipliers: not used; the agent is backtested at other costs where its "
                    "environment has one number for each, and env.finrl_compat=false"
                )
            return []
        others = [multiplier for multiplier in self._request.cost_multipliers if multiplier != 1]
        markets = [
            Holdout(Environments(cfg), self._block.data)
            for cfg in (at_costs(self._cfg, multiplier) for multiplier in others)
            if cfg is not None
        ]
        found = run_together(markets, agent, normalization, result.name)
        accounts = {**dict(zip(others, found, strict=True)), 1: result}
        scenarios = []
        for multiplier in self._request.cost_multipliers:
            returns = accounts[multiplier].returns
            scenarios.append(
                CostScenario(
                    multiplier, sharpe_ratio(returns, *self._yearly), total_return(returns)
                )
            )
        return scenarios


def at_costs(cfg: DictConfig, multiplier: float) -> DictConfig | None:
    """Return a run's config with every cost of trading multiplied, as its backtests pay it.

    Args:
        cfg: The run's config.
        multiplier: Of the costs.

    Returns:
        None where that cannot be: a cost is not one number, or the arithmetic is FinRL's.
    """
    terms = backtest_terms(cfg)
    known = [name for name in settings_with(COST) if name in cfg.env]
    scalar = all(isinstance(terms[name], int | float) for name in known)
    if not known or not scalar or terms.get("finrl_compat"):
        return None
    changed = copy.deepcopy(cfg)
    for name in known:
        node = "evaluation.env" if name in cfg.evaluation.env else "env"
        OmegaConf.update(changed, f"{node}.{name}", terms[name] * multiplier)
    return changed


def backtest_terms(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings that a run's backtests trade with: ``evaluation.env`` over ``env``.

    Args:
        cfg: The run's config.
    """
    return dict(Environments(cfg).evaluation_settings)

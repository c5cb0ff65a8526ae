"""All that is to be said of an agent on a block: backtest, baselines, random agents, verdict."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from finai_rl.evaluation.metrics import break_even_cost, metrics
from finai_rl.evaluation.run_statistics import CostScenario, statistics_of
from finai_rl.evaluation.verdict import judge_run
from finai_rl.experiment.baselines import (
    CACHE_FOLDER,
    EQUAL_WEIGHT,
    LABELS,
    run_baselines,
    run_random_band,
)
from finai_rl.experiment.holdout import Holdout
from finai_rl.report.run.contents import DataFacts, EvaluationReport, RunFacts
from finai_rl.statistics.returns import sharpe_ratio, simple_returns, total_return

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.evaluation.random_band import RandomBand
    from finai_rl.evaluation.result import BacktestResult
    from finai_rl.experiment.finished_run import Block

log = logging.getLogger(__name__)

COSTS = ("buy_cost_pct", "sell_cost_pct", "slippage_bps", "impact")
"""Settings of an environment that trading is paid by."""


@dataclass(frozen=True)
class Request:
    """What an assessment is asked for.

    Attributes:
        baselines: Names of `finai_rl.experiment.baselines.LABELS`.
        random_agents: Draws of the band; 0 for none.
        cost_multipliers: Costs to backtest the agent again at, in multiples of its own.
        output_root: Baselines are cached below it.
        seed: Of random agents and resamples.
    """

    baselines: Sequence[str]
    random_agents: int
    cost_multipliers: Sequence[float]
    output_root: str
    seed: int = 0


class Assessment:
    """An agent on a block.

    Args:
        cfg: The run's config.
        block: The days, and those before them.
        request: What is wanted.

    Raises:
        ConfigError: If the block or a baseline cannot be backtested.
    """

    def __init__(self, cfg: DictConfig, block: Block, request: Request) -> None:
        self._cfg, self._block, self._request = cfg, block, request
        self._holdout = Holdout(cfg, block.data)
        opening = float(self._holdout.baseline.account_value[0])
        names = dict.fromkeys([EQUAL_WEIGHT, *request.baselines])
        folder = Path(request.output_root).absolute() / CACHE_FOLDER
        self.baselines = run_baselines(
            cfg,
            block.data,
            block.history,
            list(names),
            initial_amount=opening,
            cache_folder=folder,
        )

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
        result = self._holdout.run(agent, normalization, name)
        baselines = {LABELS[key]: found for key, found in self.baselines.items()}
        equal_weight = self.baselines[EQUAL_WEIGHT]
        n_days = len(result.dates)
        index = None if self._holdout.index is None else self._holdout.index[:n_days]
        return EvaluationReport(
            title=f"{name}: {self._block.name} block",
            result=result,
            baselines=baselines,
            block=self._block.name,
            verdict=judge_run(
                result, equal_weight.head(n_days), n_counted, periods_per_year=yearly[0]
            ),
            statistics=statistics_of(
                result,
                baselines,
                risk=None if data.risk is None else data.risk[:n_days],
                risk_name=data.risk_name,
                periods_per_year=yearly[0],
                risk_free=yearly[1],
                seed=self._request.seed,
            ),
            metrics=self._metrics(result, baselines),
            benchmark_name=data.benchmark_name,
            random=self._band(result),
            index=index,
            index_name=data.benchmark_name or "index",
            cost_scenarios=self._at_other_costs(agent, normalization, result),
            data=DataFacts(data.source.name, data.source.sha256, data.source.caveats),
            run=facts,
            periods_per_year=yearly[0],
            risk_free=yearly[1],
        )

    @property
    def _yearly(self) -> tuple[float, float]:
        settings = self._cfg.evaluation
        return float(settings.periods_per_year), float(settings.risk_free)

    def _metrics(
        self, result: BacktestResult, baselines: Mapping[str, BacktestResult]
    ) -> dict[str, dict[str, float]]:
        n_days, index = len(result.dates), self._holdout.index
        against = None if index is None else simple_returns(index[:n_days])
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
                self._cfg,
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
        known = [name for name in COSTS if name in self._cfg.env]
        scalar = all(isinstance(self._cfg.env[name], int | float) for name in known)
        if not known or not scalar or self._cfg.env.get("finrl_compat"):
            return []
        scenarios = []
        for multiplier in self._request.cost_multipliers:
            account = result
            if multiplier != 1:
                cfg = copy.deepcopy(self._cfg)
                for name in known:
                    OmegaConf.update(cfg, f"env.{name}", cfg.env[name] * multiplier)
                account = Holdout(cfg, self._block.data).run(agent, normalization, result.name)
            returns = account.returns
            scenarios.append(
                CostScenario(
                    multiplier, sharpe_ratio(returns, *self._yearly), total_return(returns)
                )
            )
        return scenarios

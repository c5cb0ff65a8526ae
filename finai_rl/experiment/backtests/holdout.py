"""Backtest agents on held-out blocks of days, beside the baselines."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.envs.wrappers.observations import frozen
from finai_rl.envs.wrappers.segments import SegmentedVecEnv
from finai_rl.errors import ConfigError
from finai_rl.evaluation.attainable_share import AttainableShare
from finai_rl.evaluation.backtest import BacktestResult, backtest, backtests
from finai_rl.evaluation.behaviour import habits_of
from finai_rl.evaluation.coverage import Coverage, left_out_by_day
from finai_rl.evaluation.metrics import break_even_cost, exposures, metrics, return_metrics
from finai_rl.evaluation.policies.buy_and_hold import ConstantAction, index_account_value
from finai_rl.evaluation.watched_days import WatchedDays
from finai_rl.experiment.backtests.baselines import (
    CACHE_FOLDER,
    cost_of_buying,
    equal_weight,
    remedy_of,
    shares_at_first,
)
from finai_rl.experiment.environments import Environments, Opening
from finai_rl.experiment.market import planted_settings
from finai_rl.report.run.contents import DataFacts, EvaluationReport
from finai_rl.statistics.benchmark import (
    ATTAINABLE,
    EQUAL_WEIGHT,
    EXPOSURE_COLUMN,
    LEFT_OUT_COLUMN,
)
from finai_rl.statistics.periods import suits_dates, usual_periods_a_year
from finai_rl.statistics.returns import account_sharpe, simple_returns
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

log = logging.getLogger(__name__)

EXACT = 1.2
"""Factor by which periods a year differ where two calendars do: 365 days from 252."""

RETURNS_FILE = "returns.csv"


@dataclass(frozen=True)
class HoldoutReport:
    """What a backtest found.

    Attributes:
        metrics: Metrics by ``agent``, ``equal_weight`` and, where the data has one, ``index``,
            all over the same days: those until the agent's ruin, or the whole block.
        files: Pictures and tables written.
        returns: (n_days - 1,) the agent's daily returns, 0 after its ruin; of several blocks one
            after the other.
        ruined_on: The day on which the agent's account was worth nothing, as ISO text; None if
            it never was.
        traded: Whether the agent traded at all.
        shortfall: What equal weight lacks to be held against the agent; empty for nothing.
        attainable: The agent on the scale of what can be earned by who knows what is planted;
            None where nothing is.
        bought_and_held: Whether it bought at the beginning and held, by the rule of
            `finai_rl.statistics.trading_habits`; of several blocks, on each.
        habits: How it trades, in one sentence; empty of several blocks.
        results: The agent's account on each block.

    Example:
        >>> report = HoldoutReport({"agent": {"sharpe_ratio": 0.4}}, files=[], returns=np.zeros(2))
        >>> report.metrics["agent"]["sharpe_ratio"], report.ruined_on is None
        (0.4, True)
    """

    metrics: dict[str, dict[str, float]]
    files: list[Path]
    returns: FloatArray
    ruined_on: str | None = None
    traded: bool = True
    shortfall: str = ""
    attainable: AttainableShare | None = None
    bought_and_held: bool = False
    habits: str = ""
    results: tuple[BacktestResult, ...] = ()


class Holdout:
    """Backtests agents on a block of days, with frozen normalization and deterministic actions.

    Nothing is run when it is made. `check` runs, before any training, all that needs no agent;
    what it finds is kept for the backtests.

    Args:
        environments: Builds the run's environments.
        data: The block.

    Example:
        >>> import hydra
        >>> from finai_rl.config.command import CONFIG_DIR
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.experiment.environments import Environments
        >>> with hydra.initialize_config_dir(str(CONFIG_DIR)):
        ...     cfg = hydra.compose("train", ["agent=a2c"])
        >>> holdout = Holdout(Environments(cfg), synthetic_market(n_days=20, n_stocks=2))
        >>> holdout.check()
        >>> holdout.opening.cash, len(holdout.baseline.dates)
        (1000000.0, 20)
    """

    def __init__(self, environments: Environments, data: MarketData) -> None:
        self._environments, self._cfg, self._data = environments, environments.cfg, data

    def check(self) -> None:
        """Run the dry run and equal weight, and validate the objective's name.

        A benchmark that is not fully in the market is told, with what would put it there.

        Raises:
            ConfigError: If the objective is no metric, or the settings do not allow a backtest.
        """
        self._check_settings()
        names = [*self._baseline_metrics[EQUAL_WEIGHT], "break_even_cost"]
        if self._cfg.objective not in names:
            raise ConfigError(
                [f"objective: no metric {self._cfg.objective!r}; choose from {names}"]
            )
        if not self.coverage.is_whole:
            remedy = remedy_of(self._environments, self.baseline, self.coverage)
            log.warning("%s: %s", self.coverage.shortfall, remedy)

    @cached_property
    def opening(self) -> Opening:
        """What the account opens with.

        Measured by an account that orders nothing, which also shows that an episode is the block.
        """
        space = self._env.action_space
        nothing = ConstantAction(np.zeros(space.shape or (), space.dtype))
        try:
            result = backtest(nothing, self._env, self._data, "dry run")
        except ValueError as error:
            raise ConfigError([f"evaluation.env: {error}"]) from error
        self._check_days(result)
        return Opening.of(result)

    @cached_property
    def baseline(self) -> BacktestResult:
        """Equal weight, bought on the first day and held, in the agent's market."""
        return equal_weight(self._environments, self._data, self.opening)

    @cached_property
    def attainable(self) -> BacktestResult | None:
        """What who knows the planted signal makes of the block; None where nothing is planted."""
        if planted_settings(self._cfg) is None:
            return None
        from finai_rl.experiment.backtests.attainable import attainable

        folder = Path(self._cfg.output_root).absolute() / CACHE_FOLDER
        return attainable(self._environments, self._data, self.opening, folder)

    def share(self, result: BacktestResult) -> AttainableShare | None:
        """Return a backtest on the scale of the attainable, all until its end; None as there."""
        if self.attainable is None:
            return None
        from finai_rl.experiment.backtests.attainable import rule_of

        settings, n_days = self._cfg.evaluation, len(result.dates)
        agent, held, knowing = (
            account_sharpe(account.returns, settings.periods_per_year, settings.risk_free)
            for account in (result, self.baseline.head(n_days), self.attainable.head(n_days))
        )
        return AttainableShare(agent, held, knowing, rule_of(self.attainable))

    @cached_property
    def coverage(self) -> Coverage:
        """How much of equal weight's money is in the market, and in which stocks."""
        return Coverage.of(self.baseline, self._data.listed)

    @cached_property
    def index(self) -> FloatArray | None:
        """(n_days,) the data's index, rebased to the opening; None where it has none."""
        return index_account_value(self._data, self.opening.worth(self._data.close[0]))

    def backtest(
        self, agent: BaseAlgorithm, trained: VecEnv | None, name: str, folder: Path
    ) -> HoldoutReport:
        """Backtest an agent and write pictures and tables.

        Where its account is ruined they end on that day, and so does what it is compared with.

        Args:
            agent: The agent.
            trained: The environment it learned in, whose normalization is frozen; None for none.
            name: What the pictures call it.
            folder: Where they go.

        Raises:
            ConfigError: If the episode ends early for any other reason.
        """
        # It draws: matplotlib is imported after the training.
        from finai_rl.report.run.files import save_report

        data = self._data
        result = self.run(agent, trained, name)
        n_days = len(result.dates)
        baseline = self.baseline.head(n_days)
        index = None if self.index is None else self.index[:n_days]
        shown = EvaluationReport(
            title=name,
            result=result,
            baselines={baseline.name: baseline},
            index=index,
            index_name=data.benchmark_name,
            data=DataFacts(caveats=data.source.caveats),
        )
        files = save_report(shown, folder)
        files.append(self._save_returns(result, folder))
        measured = self.measure_agent(result)
        whole = n_days == data.n_days
        baselines = self._baseline_metrics if whole else self._measure_baselines(n_days)
        habits = habits_of(result, self._cfg.evaluation.periods_per_year)
        return HoldoutReport(
            {"agent": measured, **baselines},
            files,
            self.daily_returns(result),
            data.day_names[n_days - 1] if result.ruined else None,
            habits.traded,
            self.coverage.shortfall,
            self.share(result),
            habits.bought_and_held,
            habits.sentence("The agent"),
            (result,),
        )

    def run(
        self,
        agent: BaseAlgorithm,
        trained: VecEnv | None,
        name: str,
        days: WatchedDays | None = None,
    ) -> BacktestResult:
        """Backtest an agent and write nothing.

        Args:
            agent: As for `backtest`, like the two that follow.
            trained: See there.
            name: See there.
            days: Receives what the agent saw and did.

        Raises:
            ConfigError: As `backtest`.
        """
        env = self._env
        if not self._environments.starts_alike:
            env = self._environments.evaluation(self._data)
        env.seed(self._cfg.seed)
        env = env if trained is None else frozen(env, trained)
        result = backtest(agent, env, self._data, name, days)
        self._check_days(result)
        return result

    @property
    def observation_shape(self) -> tuple[int, ...] | None:
        """The shape of what an agent sees on a day; None where that is no array."""
        return self._env.observation_space.shape

    def measure(self, result: BacktestResult) -> dict[str, float]:
        """Return the metrics of a backtest, without those that need a baseline's."""
        settings = self._cfg.evaluation
        against = None if self.index is None else simple_returns(self.index[: len(result.dates)])
        return metrics(result, settings.periods_per_year, settings.risk_free, against)

    def measure_agent(self, result: BacktestResult) -> dict[str, float]:
        """Return all metrics of an agent's backtest, which an objective may be."""
        baseline = self.baseline.head(len(result.dates))
        return {**self.measure(result), "break_even_cost": break_even_cost(result, baseline)}

    def _save_returns(self, result: BacktestResult, folder: Path) -> Path:
        """Write what other runs are compared by: returns of the agent and of what needs no skill.

        Net of costs, one row for every day after the first; nothing is left to earn after ruin.
        Beside equal weight's, how much of it was in stocks and how many stocks it left out.
        """
        import pandas as pd

        columns = {
            "date": self._data.day_names[1:],
            "agent": self.daily_returns(result),
            EQUAL_WEIGHT: simple_returns(self.baseline.account_value),
            EXPOSURE_COLUMN: exposures(self.baseline),
            LEFT_OUT_COLUMN: left_out_by_day(self.baseline, self._data.listed).sum(axis=1),
        }
        if self.attainable is not None:
            columns[ATTAINABLE] = self.attainable.returns
        if self.index is not None:
            columns["index"] = simple_returns(self.index)
        table = pd.DataFrame(columns)
        file = folder / RETURNS_FILE
        table.to_csv(file, index=False)
        return file

    def daily_returns(self, result: BacktestResult) -> FloatArray:
        """Return the (n_days - 1,) simple returns of an account, 0 after its ruin."""
        returns = simple_returns(result.account_value)
        return np.concatenate([returns, np.zeros(self._data.n_days - 1 - len(returns))])

    @cached_property
    def _env(self) -> VecEnv:
        return self._environments.evaluation(self._data)

    @cached_property
    def _baseline_metrics(self) -> dict[str, dict[str, float]]:
        return self._measure_baselines(self._data.n_days)

    def _check_settings(self) -> None:
        data, settings = self._data, self._environments.evaluation_settings
        cost_of_buying(self._environments, data)
        held = shares_at_first(self._environments, data)
        if settings.get("finrl_compat") and data.n_stocks == 1 and held.any():
            raise ConfigError(
                [
                    "env.num_stock_shares: FinRL counts shares of a single stock as wealth without "
                    "holding them; leave it null, or set env.finrl_compat=false"
                ]
            )
        assumed = self._cfg.evaluation.periods_per_year
        observed = usual_periods_a_year(data.dates)
        if suits_dates(assumed, data.dates):
            if max(assumed, observed) > EXACT * min(assumed, observed):
                log.warning(
                    "evaluation.periods_per_year is %g, and a year has about %d of these periods "
                    "(a market that never closes has 365 days): annualized figures are by %g; "
                    "evaluation.periods_per_year=%d has them by the dates",
                    *(assumed, observed, assumed, observed),
                )
        else:
            raise ConfigError(
                [
                    f"evaluation.periods_per_year: {assumed}, but the validation block has about "
                    f"{observed} periods a year; annualized figures would be wrong: set "
                    f"evaluation.periods_per_year={observed}"
                ]
            )

    def _check_days(self, result: BacktestResult) -> None:
        n_days = len(result.dates)
        from_the_start = np.array_equal(result.dates, self._data.dates[:n_days])
        if not from_the_start or (n_days < self._data.n_days and not result.ruined):
            raise ConfigError(
                [
                    "evaluation.env: a backtest covers its whole block: leave episode_days=null "
                    f"and random_start=false ({result.name!r} covers {n_days} of "
                    f"{self._data.n_days} days)"
                ]
            )

    def _measure_baselines(self, n_days: int) -> dict[str, dict[str, float]]:
        settings = self._cfg.evaluation
        measured = {EQUAL_WEIGHT: self.measure(self.baseline.head(n_days))}
        if self.index is not None:
            measured["index"] = return_metrics(
                simple_returns(self.index[:n_days]), settings.periods_per_year, settings.risk_free
            )
        return measured


def run_together(
    holdouts: Sequence[Holdout], agent: BaseAlgorithm, trained: VecEnv | None, name: str
) -> list[BacktestResult]:
    """Backtest an agent in several markets at once, one account each, and write nothing.

    The agent is asked for all accounts of a day together. As matrices are multiplied, that may
    differ in the last bits of its actions from asking for one.

    Args:
        holdouts: Of the same days; their environments differ in what trading costs, say.
        agent: As for `Holdout.run`, like the two that follow.
        trained: See there.
        name: See there.

    Raises:
        ConfigError: As `Holdout.run`.
    """
    if len(holdouts) < 2 or not all(one._environments.starts_alike for one in holdouts):
        return [one.run(agent, trained, name) for one in holdouts]
    env: VecEnv = SegmentedVecEnv([one._env for one in holdouts])
    env = env if trained is None else frozen(env, trained)
    results = backtests(agent, env, holdouts[0]._data, [name] * len(holdouts))
    for holdout, result in zip(holdouts, results, strict=True):
        holdout._check_days(result)
    return results

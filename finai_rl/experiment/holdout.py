"""Backtest agents on held-out blocks of days, beside the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.envs.settings import per_stock
from finai_rl.envs.wrappers.observations import frozen
from finai_rl.errors import ConfigError
from finai_rl.evaluation.backtest import BacktestResult, backtest
from finai_rl.evaluation.metrics import break_even_cost, metrics, return_metrics
from finai_rl.evaluation.policies.buy_and_hold import (
    ConstantAction,
    index_account_value,
)
from finai_rl.experiment.baselines import cost_of_buying, equal_weight
from finai_rl.experiment.environments import Environments
from finai_rl.report.run.contents import DataFacts, EvaluationReport
from finai_rl.report.run.files import save_report
from finai_rl.statistics.benchmark import EQUAL_WEIGHT
from finai_rl.statistics.returns import simple_returns
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

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

    Example:
        >>> report = HoldoutReport({"agent": {"sharpe_ratio": 0.4}}, files=[], returns=np.zeros(2))
        >>> report.metrics["agent"]["sharpe_ratio"], report.ruined_on is None
        (0.4, True)
    """

    metrics: dict[str, dict[str, float]]
    files: list[Path]
    returns: FloatArray
    ruined_on: str | None = None


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
        >>> with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        ...     cfg = hydra.compose("train", ["agent=a2c"])
        >>> holdout = Holdout(Environments(cfg), synthetic_market(n_days=20, n_stocks=2))
        >>> holdout.check()
        >>> holdout.opening, len(holdout.baseline.dates)
        (1000000.0, 20)
    """

    def __init__(self, environments: Environments, data: MarketData) -> None:
        self._environments, self._cfg, self._data = environments, environments.cfg, data

    def check(self) -> None:
        """Run the dry run and equal weight, and validate the objective's name.

        Raises:
            ConfigError: If the objective is no metric, or the settings do not allow a backtest.
        """
        self._check_settings()
        names = [*self._baseline_metrics[EQUAL_WEIGHT], "break_even_cost"]
        if self._cfg.objective not in names:
            raise ConfigError(
                [f"objective: no metric {self._cfg.objective!r}; choose from {names}"]
            )

    @cached_property
    def opening(self) -> float:
        """What the account is worth at the start, in the currency of the prices.

        Measured by an account that orders nothing, which also shows that an episode is the block.
        """
        space = self._env.action_space
        nothing = ConstantAction(np.zeros(space.shape or (), space.dtype))
        try:
            result = backtest(nothing, self._env, self._data, "dry run")
        except ValueError as error:
            raise ConfigError([f"evaluation.env: {error}"]) from error
        self._check_days(result)
        return float(result.account_value[0])

    @cached_property
    def baseline(self) -> BacktestResult:
        """Equal weight, bought on the first day and held, at the agent's costs."""
        return equal_weight(self._environments, self._data, self.opening)

    @cached_property
    def index(self) -> FloatArray | None:
        """(n_days,) the data's index, rebased to the opening; None where it has none."""
        return index_account_value(self._data, self.opening)

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
        measured = self.measure(result)
        measured["break_even_cost"] = break_even_cost(result, baseline)
        whole = n_days == data.n_days
        baselines = self._baseline_metrics if whole else self._measure_baselines(n_days)
        return HoldoutReport(
            {"agent": measured, **baselines},
            files,
            self.daily_returns(result),
            data.day_names[n_days - 1] if result.ruined else None,
        )

    def run(self, agent: BaseAlgorithm, trained: VecEnv | None, name: str) -> BacktestResult:
        """Backtest an agent and write nothing; arguments and errors are those of `backtest`."""
        env = self._env
        if not self._environments.starts_alike:
            env = self._environments.evaluation(self._data)
        env.seed(self._cfg.seed)
        env = env if trained is None else frozen(env, trained)
        result = backtest(agent, env, self._data, name)
        self._check_days(result)
        return result

    def measure(self, result: BacktestResult) -> dict[str, float]:
        """Return the metrics of a backtest, without those that need a baseline's."""
        settings = self._cfg.evaluation
        against = None if self.index is None else simple_returns(self.index[: len(result.dates)])
        return metrics(result, settings.periods_per_year, settings.risk_free, against)

    def _save_returns(self, result: BacktestResult, folder: Path) -> Path:
        """Write what other runs are compared by: returns of the agent and of what needs no skill.

        Net of costs, one row for every day after the first; nothing is left to earn after ruin.
        """
        import pandas as pd

        columns = {
            "date": self._data.day_names[1:],
            "agent": self.daily_returns(result),
            EQUAL_WEIGHT: simple_returns(self.baseline.account_value),
        }
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
        held = per_stock("num_stock_shares", settings.get("num_stock_shares") or 0.0, data)
        if settings.get("finrl_compat") and data.n_stocks == 1 and held.any():
            raise ConfigError(
                [
                    "env.num_stock_shares: FinRL counts shares of a single stock as wealth without "
                    "holding them; leave it null, or set env.finrl_compat=false"
                ]
            )
        years = float((data.dates[-1] - data.dates[0]) / np.timedelta64(1, "D")) / 365.25
        observed, assumed = (data.n_days - 1) / years, self._cfg.evaluation.periods_per_year
        if not 1 / 1.5 < observed / assumed < 1.5:
            raise ConfigError(
                [
                    f"evaluation.periods_per_year: {assumed}, but the validation block has about "
                    f"{observed:.0f} periods a year; annualized figures would be wrong: set "
                    f"evaluation.periods_per_year={observed:.0f}"
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


def holdout_of(environments: Environments, blocks: Sequence[MarketData]) -> Holdout | HoldoutBlocks:
    """Return what backtests agents on one block, or on each of several."""
    return (
        Holdout(environments, blocks[0])
        if len(blocks) == 1
        else HoldoutBlocks(environments, blocks)
    )


class HoldoutBlocks:
    """Backtests agents on each of several blocks, as `Holdout` does on one.

    Args:
        environments: Builds the run's environments.
        blocks: The blocks, by date.

    Example:
        >>> import hydra
        >>> from finai_rl.config.command import CONFIG_DIR
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.experiment.environments import Environments
        >>> with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        ...     cfg = hydra.compose("train", ["agent=a2c"])
        >>> market = synthetic_market(n_days=40, n_stocks=2)
        >>> blocks = [market.slice_days(0, 15), market.slice_days(25, 40)]
        >>> holdout = holdout_of(Environments(cfg), blocks)
        >>> holdout.check()
        >>> isinstance(holdout, HoldoutBlocks)
        True
    """

    def __init__(self, environments: Environments, blocks: Sequence[MarketData]) -> None:
        self._holdouts = {block.span: Holdout(environments, block) for block in blocks}

    def check(self) -> None:
        """Check every block, see `Holdout.check`.

        Raises:
            ConfigError: If the objective is no metric, or the settings do not allow a backtest.
        """
        for holdout in self._holdouts.values():
            holdout.check()

    def backtest(
        self, agent: BaseAlgorithm, trained: VecEnv | None, name: str, folder: Path
    ) -> HoldoutReport:
        """Backtest an agent on every block and write pictures and tables.

        Args:
            agent: The agent.
            trained: The environment it learned in, whose normalization is frozen; None for none.
            name: What the pictures call it.
            folder: Where they go: a folder for each block, and the returns of all in one file.

        Returns:
            Metrics that are means over the blocks.

        Raises:
            ConfigError: If an episode ends early for any other reason than ruin.
        """
        reports = {
            span: holdout.backtest(agent, trained, name, folder / span.replace(" ", "_"))
            for span, holdout in self._holdouts.items()
        }
        found = list(reports.values())
        ruined = [report.ruined_on for report in found if report.ruined_on is not None]
        return HoldoutReport(
            _means([report.metrics for report in found]),
            [*(file for report in found for file in report.files), _join(reports, folder)],
            np.concatenate([report.returns for report in found]),
            min(ruined, default=None),
        )


def _means(metrics: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        account: {
            name: float(np.mean([of_block[account][name] for of_block in metrics]))
            for name in values
        }
        for account, values in metrics[0].items()
    }


def _join(reports: dict[str, HoldoutReport], folder: Path) -> Path:
    import pandas as pd

    tables = []
    for span in reports:
        table = pd.read_csv(folder / span.replace(" ", "_") / RETURNS_FILE)
        tables.append(table.assign(block=span))
    file = folder / RETURNS_FILE
    pd.concat(tables).to_csv(file, index=False)
    return file

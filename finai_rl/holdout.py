"""One block of days to backtest an agent on, beside its baselines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from omegaconf import DictConfig

from finai_rl.assembly import evaluation_env, evaluation_settings
from finai_rl.config import ConfigError
from finai_rl.data.market import MarketData
from finai_rl.envs.settings import cost_of_trading, per_stock
from finai_rl.evaluation.backtest import BacktestResult, backtest
from finai_rl.evaluation.baselines import (
    DoNothing,
    EqualWeightBuyAndHold,
    equal_weight_shares,
    index_account_value,
)
from finai_rl.evaluation.metrics import break_even_cost, metrics, return_metrics
from finai_rl.evaluation.report import save_report
from finai_rl.evaluation.returns import simple_returns

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

EQUAL_WEIGHT = "Equal weight, buy and hold"


BASELINE_SETTINGS = ("hmax", "initial_amount", "buy_cost_pct")


@dataclass(frozen=True)
class HoldoutReport:
    """What a backtest found.

    Attributes:
        metrics: Metrics by ``agent``, ``equal_weight`` and, where the data has one, ``index``.
        files: Pictures and tables written.
    """

    metrics: dict[str, dict[str, float]]
    files: list[Path]


class Holdout:
    """Backtests agents on a block of days, with frozen normalization and deterministic actions.

    The baselines are run when it is made, so that whatever is wrong with the block, the
    environment's evaluation settings or the objective's name shows before any training.

    Args:
        cfg: The run config.
        data: The block.

    Raises:
        ConfigError: If the objective is no metric, or the settings do not allow a backtest.
    """

    def __init__(self, cfg: DictConfig, data: MarketData) -> None:
        self._cfg, self._data = cfg, data
        self._settings = evaluation_settings(cfg)
        self._check()
        try:
            nothing = backtest(DoNothing(data.n_stocks), evaluation_env(cfg, data), data, "dry run")
        except ValueError as error:
            raise ConfigError([f"evaluation.env: {error}"]) from error
        if len(nothing.dates) != data.n_days:
            raise ConfigError(
                [
                    "evaluation.env: a backtest covers its whole block: leave episode_days=null "
                    "and random_start=false"
                ]
            )
        opening = float(nothing.account_value[0])
        self.baseline = self._equal_weight(opening)
        self.index = index_account_value(data, opening)
        self.baseline_metrics = {"equal_weight": self._measure(self.baseline)}
        if self.index is not None:
            self.baseline_metrics["index"] = return_metrics(
                simple_returns(self.index),
                cfg.evaluation.periods_per_year,
                cfg.evaluation.risk_free,
            )
        names = [*self.baseline_metrics["equal_weight"], "break_even_cost"]
        if cfg.objective not in names:
            raise ConfigError([f"objective: no metric {cfg.objective!r}; choose from {names}"])

    def backtest(
        self, agent: BaseAlgorithm, trained: VecEnv, name: str, folder: Path
    ) -> HoldoutReport:
        """Backtest an agent and write pictures and tables.

        Args:
            agent: The agent.
            trained: The environment it learned in, whose normalization is frozen.
            name: What the pictures call it.
            folder: Where they go.
        """
        env = evaluation_env(self._cfg, self._data, trained)
        result = backtest(agent, env, self._data, name)
        data = self._data
        files = save_report(
            result, [self.baseline], self.index, data.benchmark_name, data.source.caveats, folder
        )
        measured = self._measure(result)
        measured["break_even_cost"] = break_even_cost(result, self.baseline)
        return HoldoutReport({"agent": measured, **self.baseline_metrics}, files)

    def _check(self) -> None:
        data, settings = self._data, self._settings
        lacking = [name for name in BASELINE_SETTINGS if name not in settings]
        if lacking:
            raise ConfigError([f"env: the equal-weight baseline needs the settings {lacking}"])
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

    def _measure(self, result: BacktestResult) -> dict[str, float]:
        settings = self._cfg.evaluation
        against = None if self.index is None else simple_returns(self.index)
        return metrics(result, settings.periods_per_year, settings.risk_free, against)

    def _equal_weight(self, opening: float) -> BacktestResult:
        slippage = self._settings.get("slippage_bps", 0.0)
        try:
            cost = cost_of_trading(
                "buy_cost_pct", self._settings["buy_cost_pct"], slippage, self._data
            )
            hmax = int(equal_weight_shares(self._data, opening, cost).max())
            policy = EqualWeightBuyAndHold(self._data, opening, cost, hmax)
        except ValueError as error:
            raise ConfigError([f"env: {error}"]) from error
        # Bought at once, for what the agent's account opens with, and never sold: neither the
        # agent's order limit nor its risk rule hold.
        env = evaluation_env(
            self._cfg,
            self._data,
            hmax=hmax,
            initial_amount=opening,
            num_stock_shares=None,
            previous_state=None,
            turbulence_threshold=None,
        )
        return backtest(policy, env, self._data, EQUAL_WEIGHT)

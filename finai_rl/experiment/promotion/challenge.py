"""A challenger beside the champion, each in its own account, on the challenger's days."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig

from finai_rl.config.env_schemas import COST, settings_with
from finai_rl.errors import ConfigError, InputError
from finai_rl.evaluation.verdict import judge_run
from finai_rl.experiment.backtests.evaluation import at_costs, backtest_terms
from finai_rl.experiment.backtests.holdout import Holdout
from finai_rl.experiment.deciding.newest import PINS, newest
from finai_rl.experiment.deciding.run_of_agent import inputs_of, trained_days_of
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.finished_run import block_of, config_of
from finai_rl.experiment.promotion.gates import Duel
from finai_rl.statistics.returns import sharpe_ratio
from finai_rl.tracking.history.finished_run import TEST_TAG, FinishedRun

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.market import MarketData
    from finai_rl.evaluation.result import BacktestResult
    from finai_rl.statistics.run_verdict import RunVerdict

ALIKE = (
    *settings_with(COST),
    *("fill", "initial_amount", "delisting_loss", "finrl_compat", "allow_short"),
)
"""What the accounts of two agents must have in common to be compared."""
ALIKE_IF_SHORT = ("borrow_rate", "initial_margin", "maintenance_margin")
"""The same, where they may sell short."""
EQUAL_WEIGHT_NAME = "equal weight"


@dataclass(frozen=True)
class Contender:
    """An agent and the days that it is backtested on.

    Attributes:
        cfg: The checked config of its run.
        agent: The agent.
        normalization: The normalization it was trained with; None for none.
        data: The days.

    Example:
        >>> import hydra
        >>> from stable_baselines3 import A2C
        >>> from finai_rl.config.command import CONFIG_DIR
        >>> from finai_rl.data import synthetic_market
        >>> with hydra.initialize_config_dir(str(CONFIG_DIR)):
        ...     cfg = hydra.compose("train", ["agent=a2c", "env.normalize=false"])
        >>> market = synthetic_market(n_days=20, n_stocks=2)
        >>> agent = A2C("MlpPolicy", Environments(cfg).training(market))
        >>> contender = Contender(cfg, agent, None, market)
        >>> len(contender.returns(1.0)), len(contender.equal_weight(2.0))
        (19, 19)
    """

    cfg: DictConfig
    agent: BaseAlgorithm
    normalization: VecEnv | None
    data: MarketData

    def holdout(self, multiplier: float = 1.0) -> Holdout:
        """Return what backtests it at a multiple of its costs."""
        cfg = self.cfg if multiplier == 1 else at_costs(self.cfg, multiplier)
        assert cfg is not None
        return Holdout(Environments(cfg), self.data)

    def account(self, multiplier: float = 1.0) -> BacktestResult:
        """Return its account."""
        return self.holdout(multiplier).run(self.agent, self.normalization, "agent")

    def returns(self, multiplier: float) -> np.ndarray:
        """Return its (n_days - 1,) daily returns, 0 after its ruin."""
        return self.holdout(multiplier).daily_returns(self.account(multiplier))

    def equal_weight(self, multiplier: float) -> np.ndarray:
        """Return those of equal weight in its market."""
        holdout = self.holdout(multiplier)
        return holdout.daily_returns(holdout.baseline)


class Challenge:
    """A challenger on its validation days, beside the champion or, without one, equal weight.

    Args:
        run: The challenger's.
        champion: The champion's; None where there is none yet.
        seed: Of the resamples.

    Raises:
        InputError: If one of them cannot be backtested on these days.
    """

    def __init__(self, run: FinishedRun, champion: FinishedRun | None, seed: int) -> None:
        self.cfg, self._run, self._seed = config_of(run), run, seed
        block = block_of(self.cfg, run, "validation")
        self.challenger = Contender(self.cfg, *run.policy(), block.data)
        self.notes: list[str] = []
        self.champion = None
        self.rival = EQUAL_WEIGHT_NAME
        if champion is not None:
            self.rival = "the champion"
            self.champion = self._on_the_same_days(champion)

    def duel(self, multiplier: float = 1.0) -> Duel | None:
        """Return the daily returns of both at a multiple of their costs.

        Returns:
            None where there are no costs to multiply.
        """
        sides = [self.challenger, *([] if self.champion is None else [self.champion])]
        if multiplier != 1 and not all(_pays(side.cfg) for side in sides):
            return None
        if self.champion is None:
            other = self.challenger.equal_weight(multiplier)
        else:
            other = self.champion.returns(multiplier)
        settings = self.cfg.evaluation
        return Duel(
            self.challenger.returns(multiplier),
            other,
            self.rival,
            settings.periods_per_year,
            settings.risk_free,
            self._seed,
        )

    @cached_property
    def account(self) -> BacktestResult:
        """The challenger's account."""
        return self.challenger.account()

    @property
    def traded(self) -> bool:
        """Whether the challenger traded at all."""
        return bool(self.account.trades.any())

    @cached_property
    def verdict(self) -> RunVerdict:
        """On the challenger beside equal weight, by all trials that its experiment has counted."""
        holdout = self.challenger.holdout()
        return judge_run(
            self.account,
            holdout.baseline.head(len(self.account.dates)),
            max(self._run.trials_counted(), 1),
            periods_per_year=self.cfg.evaluation.periods_per_year,
            risk_free=self.cfg.evaluation.risk_free,
            shortfall=holdout.coverage.shortfall,
            caveats=self.challenger.data.source.caveats,
        )

    def sealed_block(self) -> str:
        """Open the challenger's sealed block, count it once, and say what the account made of it.

        Raises:
            InputError: If there is none.
        """
        block = block_of(self.cfg, self._run, "test")
        if self._run.tag_now(TEST_TAG) is None:
            self._run.open_test()
        on_test = Contender(
            self.cfg, self.challenger.agent, self.challenger.normalization, block.data
        )
        own, held = (
            sharpe_ratio(
                returns, self.cfg.evaluation.periods_per_year, self.cfg.evaluation.risk_free
            )
            for returns in (on_test.returns(1.0), on_test.equal_weight(1.0))
        )
        return f"Sharpe ratio {own:.2f}, equal weight {held:.2f}, {block.data.span}"

    def _on_the_same_days(self, champion: FinishedRun) -> Contender:
        """Rebuild the champion on the challenger's days.

        Raises:
            InputError: If its data lacks them, or its account is on other terms.
        """
        champion.check()
        cfg, days = config_of(champion), self.challenger.data
        if said := "; ".join(apart(self.cfg, cfg)):
            raise ConfigError(
                [f"run_id: its account cannot be held against the champion's: {said}"]
            )
        agent, normalization = champion.policy()
        inputs = inputs_of(champion)
        try:
            found = newest(
                cfg,
                inputs,
                agent,
                changes=self._same_file(cfg),
                day=days.day_names[-1],
                account_start=days.day_names[0],
                rescaled=False,
                known=trained_days_of(champion),
            )
        except InputError as error:
            said = f"the champion, run {champion.run_id}, cannot be backtested on the same days"
            raise InputError(f"{said} ({days.span}).\n{error}") from error
        block = found.market.slice_days(found.first, found.market.n_days)
        alike = block.tickers == days.tickers and block.day_names == days.day_names
        if not (alike and np.array_equal(block.close, days.close)):
            raise InputError(
                f"the champion, run {champion.run_id}, trades other stocks, days or prices than "
                f"the challenger on {days.span}: train the challenger on the same market"
            )
        if inputs is not None and inputs.trained_until >= days.day_names[0]:
            self.notes.append(
                f"The champion has learned from days until {inputs.trained_until}, some of these "
                "among them, which helps it."
            )
        return Contender(cfg, agent, normalization, block)

    def _same_file(self, cfg: DictConfig) -> dict[str, Any]:
        """Return the challenger's file and its version, as settings of the champion's source."""
        mine = self.cfg.data
        if cfg.data["_target_"] != mine["_target_"] or not ("path" in mine and "path" in cfg.data):
            return {}
        return {name: mine[name] for name in ("path", *PINS) if name in mine and name in cfg.data}


def apart(cfg: DictConfig, champion: DictConfig) -> list[str]:
    """Return on which terms accounts of two runs differ, as they are backtested.

    Args:
        cfg: The challenger's checked config.
        champion: The champion's.
    """
    mine, its = backtest_terms(cfg), backtest_terms(champion)
    short = mine.get("allow_short") and its.get("allow_short")
    return [
        f"env.{name} is {mine.get(name)}, the champion's {its.get(name)}"
        for name in (*ALIKE, *(ALIKE_IF_SHORT if short else ()))
        # A setting that is off is as good as none, which another environment has.
        if (mine.get(name) or 0) != (its.get(name) or 0)
    ]


def _pays(cfg: DictConfig) -> bool:
    """Return whether there are costs of trading that can be multiplied."""
    terms = backtest_terms(cfg)
    return at_costs(cfg, 1.0) is not None and any(terms.get(name) for name in settings_with(COST))

"""Find out what an agent did on a block and why, in environments of its run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from finai_rl.agents.evaluation_mode import predicting
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.observations import ACCOUNT_BLOCKS
from finai_rl.evaluation.attribution import (
    Attribution,
    has_gradients,
    integrated_gradients,
)
from finai_rl.evaluation.behaviour import Behaviour, habits_of, trade_drivers
from finai_rl.evaluation.importance import PermutationImportance, permutation_importance
from finai_rl.evaluation.observation_layout import ObservationLayout
from finai_rl.evaluation.response import LEVELS, ResponseCurve, response_curves
from finai_rl.evaluation.watched_days import WatchedDays, watched
from finai_rl.experiment.environments import in_finrls_arithmetic
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.market import MarketData
    from finai_rl.evaluation.result import BacktestResult
    from finai_rl.experiment.environments import Environments

log = logging.getLogger(__name__)

MOST_BACKTESTS = 100
"""What the importances may take, in the time of one backtest; and how many are run one by one."""
MOST_STOCKS = 30
"""Stocks that are asked about one by one: the largest positions."""
MOST_ACCOUNTS = 768
_GROUP = 16
_OBSERVED_CELLS, _LEDGER_CELLS, _RECORDED_CELLS = 8_000_000, 10_000_000, 200_000_000
OF_ACCOUNT = ("holdings", *ACCOUNT_BLOCKS)


def may_be_kept(shape: tuple[int, ...] | None, n_days: int) -> bool:
    """Return whether observations of a shape are rows that can be kept for all days."""
    return shape is not None and len(shape) == 1 and shape[0] * n_days <= _RECORDED_CELLS


@dataclass(frozen=True)
class Questions:
    """What is asked about an agent.

    Attributes:
        permutations: Of each part of the state; 0 for no importances.
        response_days: Days that response curves ask on; 0 for none.
        attribution_days: Days that integrated gradients are of; 0 for none.
        seed: Of permutations and resamples.
        seconds: How long one backtest of the agent takes.

    Example:
        >>> Questions(permutations=20, response_days=60).seed
        0
    """

    permutations: int = 0
    response_days: int = 0
    attribution_days: int = 0
    seed: int = 0
    seconds: float = float("inf")


class Explanation:
    """Why an agent trades as it does, on one block.

    Args:
        environments: Builds the run's environments.
        data: The block.
        agent: The agent.
        trained: The environment it learned in, whose normalization is frozen; None for none.
        questions: What is asked.
        days: Of the agent's backtest, where it has been watched.

    Example:
        >>> import hydra
        >>> from finai_rl.config.command import CONFIG_DIR
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.evaluation.backtest import backtest
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> from finai_rl.experiment.environments import Environments
        >>> with hydra.initialize_config_dir(str(CONFIG_DIR)):
        ...     cfg = hydra.compose("train", ["agent=a2c"])
        >>> environments, market = Environments(cfg), synthetic_market(n_days=30, n_stocks=2)
        >>> buyer = ConstantAction([1.0, 1.0])
        >>> result = backtest(buyer, environments.evaluation(market), market, "buyer")
        >>> asked = Questions(permutations=2)
        >>> found = Explanation(environments, market, buyer, None, asked).behaviour(result)
        >>> found.importance.parts["close"].estimate
        0.0
    """

    def __init__(
        self,
        environments: Environments,
        data: MarketData,
        agent: BaseAlgorithm,
        trained: VecEnv | None,
        questions: Questions,
        days: WatchedDays | None = None,
    ) -> None:
        self._environments, self._data, self._asked = environments, data, questions
        self._agent, self._trained, self._days = agent, trained, days
        self._notes: list[str] = []

    def behaviour(self, result: BacktestResult) -> Behaviour:
        """Return what an agent did in its backtest, and the answers to what is asked."""
        evaluation = self._environments.cfg.evaluation
        habits = habits_of(result, evaluation.periods_per_year)
        features = self._features(len(result.dates))
        drivers = (
            []
            if habits.bought_and_held or not habits.traded
            else trade_drivers(result, features, self._asked.seed, self._data.listed)
        )
        questions = self._asked
        asked = questions.permutations or questions.response_days or questions.attribution_days
        layout = self._layout() if asked else None
        return Behaviour(
            habits,
            drivers,
            self._importance(layout, result) if layout and questions.permutations else None,
            self._curves(layout, result) if layout and questions.response_days else (),
            attribution=(
                self._attribution(layout) if layout and questions.attribution_days else None
            ),
            notes=tuple(self._notes),
        )

    def _features(self, n_days: int) -> dict[str, FloatArray]:
        """Return what of the data the agent may see, and prices as they are."""
        data = self._data
        settings = self._environments.evaluation_settings
        wanted = settings.get("indicators")
        names = data.feature_names if wanted is None else tuple(wanted)
        found = {"close": data.close[:n_days]}
        found |= {
            name: data.features[:n_days, data.feature_names.index(name)]
            for name in names
            if name in data.feature_names
        }
        if settings.get("sentiment") is True and data.sentiment is not None:
            found |= {
                name: data.sentiment[:n_days, number]
                for number, name in enumerate(data.sentiment_names)
            }
        return found

    def _layout(self) -> ObservationLayout | None:
        """Return what the observations hold, or note why that is not known."""
        env = self._environments.evaluation(self._data)
        shape, window = env.observation_space.shape, self._environments.window
        try:
            names = tuple(env.get_attr("observation_names", 0)[0])
        except AttributeError:
            self._note("its environment has no observation_names, which say what it sees")
            return None
        layout = ObservationLayout(names, self._data.n_stocks, window)
        if shape != (layout.n_columns,):
            self._note(
                f"its observations have shape {shape}, and their names stand for "
                f"{layout.n_columns} columns"
            )
            return None
        if not may_be_kept(shape, self._data.n_days):
            self._note("its observations of all days do not fit into memory")
            return None
        return layout

    def _importance(
        self, layout: ObservationLayout, result: BacktestResult
    ) -> PermutationImportance:
        evaluation, asked = self._environments.cfg.evaluation, self._asked
        batched = self._is_batched
        stocks = self._largest(result) if batched else {}
        n_parts = len(layout.parts) + len(stocks)
        n_permutations, n_envs = asked.permutations, 1
        if batched:
            n_envs = self._accounts(layout, n_parts * n_permutations)
        else:
            n_permutations = min(n_permutations, max(2, MOST_BACKTESTS // n_parts))
        # Books of every account are most of what a batch takes, and its values are all of them
        # that is asked for; in FinRL's arithmetic the two open with different amounts.
        recorded = not batched or in_finrls_arithmetic(self._environments.evaluation_settings)
        env = self._environment(n_envs, record=recorded)
        found = permutation_importance(
            self._agent,
            env,
            layout,
            n_permutations=n_permutations,
            stocks=stocks,
            seed=asked.seed,
            periods_per_year=evaluation.periods_per_year,
            risk_free=evaluation.risk_free,
            most_seconds=MOST_BACKTESTS * asked.seconds,
            seen=None if self._days is None else self._days.seen,
            market=None if recorded else cast(MarketVecEnv, env.unwrapped),
        )
        if not batched:
            self._notes.append(
                "Importances: stocks are left out, as this environment trades one account at a "
                "time."
            )
        if found.n_permutations < asked.permutations:
            self._notes.append(
                f"Importances: {found.n_permutations} permutations instead of "
                f"{asked.permutations}, to take no longer than about {MOST_BACKTESTS} backtests."
            )
        return found

    def _curves(self, layout: ObservationLayout, result: BacktestResult) -> list[ResponseCurve]:
        if not self._is_batched:
            self._notes.append(
                "No response curves: they need an account that can be put back to the day before, "
                "which this environment does not have."
            )
            return []
        stocks = list(self._largest(result).values())
        env = self._environment(len(stocks) * len(LEVELS), record=False)
        return response_curves(
            self._agent,
            env,
            cast(MarketVecEnv, env.unwrapped),
            self._data.close,
            layout,
            [name for name in layout.names if name not in OF_ACCOUNT],
            stocks,
            self._asked.response_days,
            self._asked.seed,
            self._days,
            self._data.listed,
        )

    def _attribution(self, layout: ObservationLayout) -> Attribution | None:
        if not has_gradients(self._agent):
            self._notes.append(
                "No integrated gradients: they need a network of PyTorch without a memory."
            )
            return None
        days = self._days
        if days is None:
            env = self._environment(1, record=False)
            with predicting(self._agent):
                days = watched(self._agent, env, self._asked.seed)
        return integrated_gradients(self._agent, days.seen, layout, self._asked.attribution_days)

    @property
    def _is_batched(self) -> bool:
        return isinstance(self._environments.evaluation(self._data).unwrapped, MarketVecEnv)

    def _environment(self, n_envs: int, **changes: Any) -> VecEnv:
        """Build that of a backtest, with several accounts where it can have them."""
        known = self._environments.evaluation_settings
        wanted = {"n_envs": n_envs, **changes}
        further = {name: value for name, value in wanted.items() if name in known}
        return self._environments.evaluation(self._data, self._trained, **further)

    def _accounts(self, layout: ObservationLayout, wanted: int) -> int:
        """Return how many accounts a batch has: one usual one beside those wanted, if they fit.

        Rows of a matrix are multiplied in groups: in one of a whole number of groups, all alike.
        """
        finrls = in_finrls_arithmetic(self._environments.evaluation_settings)
        cells = self._data.n_days * (self._data.n_stocks if finrls else 1)
        most = min(MOST_ACCOUNTS, _OBSERVED_CELLS // layout.n_columns, _LEDGER_CELLS // cells)
        n_batches = -(-wanted // max(most - 1, 1))
        even = -(-wanted // n_batches) + 1
        return max(1, min(most, -(-even // _GROUP) * _GROUP))

    def _largest(self, result: BacktestResult) -> Mapping[str, int]:
        """Return the positions of the stocks that the account held most of, by ticker."""
        size = np.abs(np.nan_to_num(result.weights[:, :-1])).mean(axis=0)
        order = np.argsort(-size, kind="stable")[:MOST_STOCKS]
        return {result.tickers[place]: int(place) for place in order}

    def _note(self, why: str) -> None:
        self._notes.append(f"Nothing of what it goes by: {why}.")
        log.warning(self._notes[-1])

"""What an agent's result owes to each part of what it sees: permutation importance in Sharpe."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.agents.evaluation_mode import predicting
from finai_rl.evaluation.backtest import Policy
from finai_rl.evaluation.observation_layout import ObservationLayout
from finai_rl.statistics.bootstrap import Interval
from finai_rl.statistics.returns import sharpe_ratio, simple_returns
from finai_rl.type_aliases import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

_CONFIDENCE = 0.95
_LEAST = 2
# An account whose Sharpe ratio moves by the last bits of float32 arithmetic has not moved.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class PermutationImportance:
    """How much lower the Sharpe ratio is where a part of the observation belongs to another day.

    Attributes:
        sharpe_ratio: Of the agent as it is, annualized.
        parts: By part of the state (``cash``, ``close``, ``holdings``, each feature): mean drop
            of the Sharpe ratio, and the range of 95 % of the permutations.
        stocks: The same by ticker: everything that the agent sees of a stock.
        n_permutations: Of each.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> market = synthetic_market(n_days=20, n_stocks=2)
        >>> env = StockTradingVecEnv(market, n_envs=8, record=True)
        >>> layout = ObservationLayout(env.observation_names, n_stocks=2)
        >>> buyer = ConstantAction([0.5, 0.5])
        >>> found = permutation_importance(buyer, env, layout, n_permutations=2)
        >>> found.parts["close"].estimate
        0.0
    """

    sharpe_ratio: float
    parts: Mapping[str, Interval]
    stocks: Mapping[str, Interval]
    n_permutations: int


@dataclass(frozen=True, eq=False)
class _Exchange:
    """What the accounts of a batch see: of some columns, what was seen on another day."""

    columns: BoolArray
    days: IntArray
    recorded: NDArray[Any]

    def seen(self, observation: NDArray[Any], step: int) -> NDArray[Any]:
        other = self.recorded[self.days[:, step % self.days.shape[1]]]
        return np.where(self.columns, other, observation)


def permutation_importance(
    policy: Policy,
    env: VecEnv,
    layout: ObservationLayout,
    *,
    n_permutations: int,
    stocks: Mapping[str, int] | None = None,
    seed: int = 0,
    periods_per_year: float = 252,
    risk_free: float = 0.0,
    most_seconds: float = float("inf"),
) -> PermutationImportance:
    """Backtest a policy again and again, each time with one part of what it sees permuted.

    The policy sees, in the columns of the part, what it saw on another day of its own backtest,
    and everything else as it is; on every day of a window alike. Its account is real throughout:
    prices, costs and holdings are those of the day. Nothing of the policy is touched or known, so
    that it may be any. (Breiman 2001, "Random Forests", for a regression; here the loss is the
    Sharpe ratio of an account.)

    Args:
        policy: Any policy.
        env: One or more environments, built with ``record=True``, frozen and windowed as for a
            backtest; as many backtests run at once as it has accounts.
        layout: What the columns of its observations are.
        n_permutations: Of each part.
        stocks: Position by ticker of those whose columns are permuted too.
        seed: Of the permutations; permutation number p is the same for every part.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.
        most_seconds: After it no further permutation is begun; two of each are always made.

    Returns:
        Means and ranges; NaN where a Sharpe ratio is not defined.

    Raises:
        ValueError: If the layout is not that of the observations.
    """
    if env.observation_space.shape != (layout.n_columns,):
        raise ValueError(
            f"observations of shape {env.observation_space.shape}, a layout of {layout.n_columns}"
        )
    columns = {("part", name): layout.part(name) for name in layout.parts}
    columns |= {("stock", name): layout.stock(place) for name, place in (stocks or {}).items()}
    yearly = (periods_per_year, risk_free)
    began = time.monotonic()
    with predicting(policy):
        usual, recorded = _episode(policy, env, seed, yearly)
    drops: dict[tuple[str, str], list[float]] = {part: [] for part in columns}
    asked = [(part, number) for number in range(n_permutations) for part in columns]
    for first in range(0, len(asked), env.num_envs):
        complete = min(len(values) for values in drops.values())
        if complete >= _LEAST and time.monotonic() - began > most_seconds:
            break
        batch = asked[first : first + env.num_envs]
        exchange = _exchange(batch, columns, recorded, env.num_envs, seed)
        with predicting(policy):
            found, _ = _episode(policy, env, seed, yearly, exchange)
        for row, (part, _number) in enumerate(batch):
            drops[part].append(float(usual[row] - found[row]))
    complete = min(len(values) for values in drops.values())
    intervals = {part: _summary(values[:complete]) for part, values in drops.items()}
    return PermutationImportance(
        float(usual[0]),
        {name: found for (kind, name), found in intervals.items() if kind == "part"},
        {name: found for (kind, name), found in intervals.items() if kind == "stock"},
        complete,
    )


def _exchange(
    batch: Sequence[tuple[tuple[str, str], int]],
    columns: Mapping[tuple[str, str], IntArray],
    recorded: NDArray[Any],
    n_envs: int,
    seed: int,
) -> _Exchange:
    mask = np.zeros((n_envs, recorded.shape[1]), dtype=np.bool_)
    days = np.tile(np.arange(len(recorded)), (n_envs, 1))
    for row, (part, number) in enumerate(batch):
        mask[row, columns[part]] = True
        days[row] = np.random.default_rng([seed, number]).permutation(len(recorded))
    return _Exchange(mask, days, recorded)


def _episode(
    policy: Policy,
    env: VecEnv,
    seed: int,
    yearly: tuple[float, float],
    exchange: _Exchange | None = None,
) -> tuple[FloatArray, NDArray[Any]]:
    """Return the Sharpe ratio of each account, and (n_steps, n_columns) of what the first saw."""
    env.seed(seed)
    observation: Any = env.reset()
    state: tuple[NDArray[Any], ...] | None = None
    episode_start = np.ones(env.num_envs, dtype=np.bool_)
    ratios = np.full(env.num_envs, np.nan)
    running, recorded = np.ones(env.num_envs, dtype=np.bool_), []
    for step in itertools.count():
        seen = observation if exchange is None else exchange.seen(observation, step)
        if exchange is None and running[0]:
            recorded.append(observation[0].copy())
        actions, state = policy.predict(
            seen, state=state, episode_start=episode_start, deterministic=True
        )
        observation, _, episode_start, infos = env.step(actions)
        # An account that was ruined before the others has begun anew, and counts no more.
        for row in np.flatnonzero(episode_start & running):
            returns = simple_returns(np.asarray(infos[row]["ledger"]["account_value"]))
            ratios[row] = sharpe_ratio(returns, *yearly)
        running &= ~episode_start
        if not running.any():
            break
    return ratios, np.array(recorded)


def _summary(drops: Sequence[float]) -> Interval:
    """Return the mean of some differences and the range of most of them."""
    values = np.asarray(drops)
    values = np.where(np.abs(values) < _ROUNDING, 0.0, values)
    if not len(values) or not np.isfinite(values).all():
        return Interval(math.nan, math.nan, math.nan, _CONFIDENCE)
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(values.mean()), float(low), float(high), _CONFIDENCE)

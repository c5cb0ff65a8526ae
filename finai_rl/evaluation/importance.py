"""What an agent's result owes to each part of what it sees: permutation importance in Sharpe."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.agents.evaluation_mode import predicting
from finai_rl.evaluation.backtest import Policy
from finai_rl.evaluation.observation_layout import ObservationLayout
from finai_rl.evaluation.random_band import BatchedMarket
from finai_rl.statistics.intervals.bootstrap import Interval
from finai_rl.statistics.returns import sharpe_ratio, simple_returns
from finai_rl.type_aliases import FloatArray, IntArray

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
    """Which accounts of a batch see, in some columns, what was seen on another day.

    ``rows`` and ``columns`` are those of the numbers exchanged, and ``days`` (n_steps, n_envs) is
    the day that each account is shown on each.
    """

    rows: IntArray
    columns: IntArray
    days: IntArray
    recorded: NDArray[Any]

    def seen(self, observation: NDArray[Any], step: int) -> NDArray[Any]:
        """Return what the accounts are shown, in an array of its own."""
        shown = observation.copy()
        days = self.days[step % len(self.days)]
        shown[self.rows, self.columns] = self.recorded[days[self.rows], self.columns]
        return shown


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
    seen: NDArray[Any] | None = None,
    market: BatchedMarket | None = None,
) -> PermutationImportance:
    """Backtest a policy again and again, each time with one part of what it sees permuted.

    The policy sees, in the columns of the part, what it saw on another day of its own backtest,
    and everything else as it is; on every day of a window alike. Its account is real throughout:
    prices, costs and holdings are those of the day. Nothing of the policy is touched or known, so
    that it may be any. (Breiman 2001, "Random Forests", for a regression; here the loss is the
    Sharpe ratio of an account.)

    Args:
        policy: Any policy.
        env: One or more environments, frozen and windowed as for a backtest, and built with
            ``record=True`` unless ``market`` is given; as many backtests run at once as it has
            accounts.
        layout: What the columns of its observations are.
        n_permutations: Of each part.
        stocks: Position by ticker of those whose columns are permuted too.
        seed: Of the permutations; permutation number p is the same for every part.
        periods_per_year: 252 for daily data.
        risk_free: Simple annual rate.
        most_seconds: After it no further permutation is begun; two of each are always made.
        seen: (n_days, n_columns) of what the policy sees in its backtest, where that is known. One
            account of each batch then is the usual one that the others are compared with; else,
            or if there is one account only, a batch of usual ones goes before.
        market: The environment itself, where its accounts' values are those of its books.

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
    began = time.monotonic()
    run = _Batch(policy, env, market, seed, (periods_per_year, risk_free))
    alone = seen is None or env.num_envs == 1
    usual, recorded = run.usual() if alone else (None, seen)
    assert recorded is not None
    drops: dict[tuple[str, str], list[float]] = {part: [] for part in columns}
    asked = [(part, number) for number in range(n_permutations) for part in columns]
    at_once, ratio = env.num_envs - (not alone), math.nan
    for first in range(0, len(asked), at_once):
        complete = min(len(values) for values in drops.values())
        if complete >= _LEAST and time.monotonic() - began > most_seconds:
            break
        batch = asked[first : first + at_once]
        found = run.ratios(_exchange(batch, columns, recorded, env.num_envs, seed))
        # The last account is the usual one: no question is about it.
        before = np.full(env.num_envs, found[-1]) if usual is None else usual
        ratio = float(before[0])
        for row, (part, _number) in enumerate(batch):
            drops[part].append(float(before[row] - found[row]))
    complete = min(len(values) for values in drops.values())
    intervals = {part: _summary(values[:complete]) for part, values in drops.items()}
    return PermutationImportance(
        ratio,
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
    numbers = {number for _, number in batch}
    orders = {
        number: np.random.default_rng([seed, number]).permutation(len(recorded))
        for number in numbers
    }
    days = np.tile(np.arange(len(recorded))[:, np.newaxis], (1, n_envs))
    for row, (_, number) in enumerate(batch):
        days[:, row] = orders[number]
    exchanged = [columns[part] for part, _ in batch]
    rows = np.repeat(np.arange(len(batch)), [len(part) for part in exchanged])
    return _Exchange(rows, np.concatenate(exchanged), days, recorded)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Runs a policy through one episode of a batch of accounts."""

    policy: Policy
    env: VecEnv
    market: BatchedMarket | None
    seed: int
    yearly: tuple[float, float]

    def usual(self) -> tuple[FloatArray, NDArray[Any]]:
        """Return Sharpe ratios of accounts as they are, and what the first saw by day."""
        recorded: list[NDArray[Any]] = []

        def as_it_is(observation: NDArray[Any], _: int) -> NDArray[Any]:
            recorded.append(observation[0].copy())
            return observation

        return self._run(as_it_is), np.array(recorded)

    def ratios(self, exchange: _Exchange) -> FloatArray:
        """Return the Sharpe ratio of each account where numbers are exchanged."""
        return self._run(exchange.seen)

    def _run(self, shown: Callable[[NDArray[Any], int], NDArray[Any]]) -> FloatArray:
        env = self.env
        env.seed(self.seed)
        observation: Any = env.reset()
        state: tuple[NDArray[Any], ...] | None = None
        episode_start = np.ones(env.num_envs, dtype=np.bool_)
        ratios, running = np.full(env.num_envs, np.nan), np.ones(env.num_envs, dtype=np.bool_)
        values = [] if self.market is None else [self.market.accounts["value"].copy()]
        with predicting(self.policy):
            for step in itertools.count():
                actions, state = self.policy.predict(
                    shown(observation, step),
                    state=state,
                    episode_start=episode_start,
                    deterministic=True,
                )
                observation, _, episode_start, infos = env.step(actions)
                if self.market is not None:
                    values.append(self.market.accounts["value"].copy())
                # An account that was ruined before the others has begun anew, and counts no more.
                ended = np.flatnonzero(episode_start & running)
                by_account = np.transpose(values) if len(ended) else np.empty(0)
                for row in map(int, ended):
                    account = _values_of(row, by_account, infos[row])
                    ratios[row] = sharpe_ratio(simple_returns(account), *self.yearly)
                running &= ~episode_start
                if not running.any():
                    return ratios
        raise AssertionError("an episode ends")


def _values_of(row: int, by_account: FloatArray, info: Mapping[str, Any]) -> FloatArray:
    """Return the values of an account by day, of its books where there are any."""
    if not by_account.size:
        return np.asarray(info["ledger"]["account_value"])
    # It has begun anew by now: what it ended with stands in the info.
    return np.append(by_account[row, :-1], info["account"]["account_value"])


def _summary(drops: Sequence[float]) -> Interval:
    """Return the mean of some differences and the range of most of them."""
    values = np.asarray(drops)
    values = np.where(np.abs(values) < _ROUNDING, 0.0, values)
    if not len(values) or not np.isfinite(values).all():
        return Interval(math.nan, math.nan, math.nan, _CONFIDENCE)
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(float(values.mean()), float(low), float(high), _CONFIDENCE)

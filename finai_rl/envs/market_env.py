"""What every batched market shares: episodes, accounts, observations, books."""

from __future__ import annotations

import copy
import itertools
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.envs.episodes import EpisodeWindows, Ledger, statistics
from finai_rl.envs.kernels.accounting import inner
from finai_rl.envs.kernels.cash_accounts import step_cash_accounts
from finai_rl.envs.kernels.compilation import resolved
from finai_rl.envs.kernels.observing import (
    RELATIVE,
    SHARES,
    WEIGHTS,
    write_observations,
    write_relative_observations,
)
from finai_rl.envs.kernels.stepping import ACCOUNT, first_not_finite, step_accounts
from finai_rl.envs.observations import Observed
from finai_rl.envs.rewards.reward import Reward, Step
from finai_rl.envs.settings import check_opening_shares, check_range
from finai_rl.envs.terms import Terms, opening_account
from finai_rl.envs.whole_batch import WholeBatchVecEnv
from finai_rl.errors import Diverged
from finai_rl.type_aliases import BoolArray, Float32Array, FloatArray, IntArray

ACCOUNT_FIELDS = ACCOUNT.names or ()
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


class MarketVecEnv(WholeBatchVecEnv):
    """A batch of accounts that trade one market, which they share and which is stored once.

    Subclasses say what an action means. All state of the accounts is in two arrays:
    ``accounts`` (n_envs,) of :data:`~finai_rl.envs.kernels.stepping.ACCOUNT` and ``shares``
    (n_envs, n_stocks). ``observation_names`` has the names of an observation's blocks, of one
    column per stock each, which follow its first column, the cash.

    Args:
        data: The market.
        terms: On what terms orders are executed.
        observed: What of the data an observation shows.
        n_actions: Length of an action.
        n_envs: Number of accounts.
        opening_cash: Cash at the start of an episode.
        opening_shares: (n_stocks,) shares at the start of an episode.
        episode_days: Most days in an episode; None for all days of the data.
        random_start: Whether each episode's window starts on a random day.
        record: Whether the ``info`` at an episode's end carries its ``ledger``.
        seed: Seed of the random starts; None takes fresh entropy.
        threads: How many parts of the batch are stepped at the same time.
        reward: What accounts are paid for a step; None for the change of their value, times the
            scaling of the terms. The batch keeps a copy.

    Raises:
        ValueError: If a setting is out of range.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=4, n_stocks=2), n_envs=3)
        >>> isinstance(env, MarketVecEnv)
        True
        >>> observations = env.reset()
        >>> env.episode_steps, env.n_stocks
        (3, 2)
        >>> env.accounts["cash"]
        array([1000000., 1000000., 1000000.])
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so by VecEnv
    render_mode: str | None = None
    not_state = (
        "data", "terms", "_market_rows", "_unit", "_settled", "observation_names", "_cash", "_code"
    )  # fmt: skip
    """Attributes that no step changes: a checkpoint does not hold them."""

    def __init__(
        self,
        data: MarketData,
        terms: Terms,
        observed: Observed,
        *,
        n_actions: int,
        n_envs: int,
        opening_cash: float,
        opening_shares: FloatArray,
        episode_days: int | None,
        random_start: bool,
        record: bool,
        seed: int | None,
        threads: int,
        reward: Reward | None = None,
    ) -> None:
        check_range("n_envs", n_envs, least=1)
        check_range("threads", threads, least=1)
        check_range("initial_amount", opening_cash, least=0.0)
        if opening_cash == 0 and not opening_shares.any():
            raise ValueError(
                "initial_amount must be positive where no shares are held at the start"
            )
        check_opening_shares(data, opening_shares)
        self.data = data
        self.terms = terms
        self.threads = min(int(threads), int(n_envs))
        self._pool: ThreadPoolExecutor | None = None
        self._opening_cash, self._opening_shares = float(opening_cash), opening_shares
        self.observation_names = observed.blocks
        self._market_rows, self._layout = observed.rows, observed.layout
        terms.rules["layout"] = observed.layout
        self._cash = terms.for_cash and observed.layout == SHARES
        self._code: dict[np.dtype[Any], Callable[..., int]] = {}
        self._windows = EpisodeWindows(data.n_days, n_envs, episode_days, random_start)
        self._windows.seed(seed)
        books = (n_envs, self._windows.length, terms.fill_price)
        self._ledger = Ledger(*books, terms.loss_where_delisted) if record else None
        self.accounts = np.zeros(n_envs, dtype=ACCOUNT)
        self.shares = np.zeros((n_envs, data.n_stocks))
        self._executed = np.zeros((n_envs, data.n_stocks))
        self._settled = None if terms.listed is None else np.zeros_like(self._executed)
        self._traded_weights = np.zeros((n_envs, data.n_stocks))
        self._n_observations = self._market_rows.shape[1]
        self._actions_shape = (int(n_envs), n_actions)
        self._reward = copy.deepcopy(reward)
        if self._reward is not None:
            self._reward.start(data, n_envs)
        self._unit = {dtype: self._action_unit(dtype) for dtype in (FLOAT32, FLOAT64)}
        super().__init__(
            n_envs,
            gym.spaces.Box(-np.inf, np.inf, (self._n_observations,), dtype=np.float32),
            gym.spaces.Box(-1.0, 1.0, (n_actions,), dtype=np.float32),
        )

    @property
    def n_stocks(self) -> int:
        """Number of stocks, in whose order an observation's columns are."""
        return self.data.n_stocks

    @property
    def whole_shares(self) -> bool:
        """Whether no fraction of a share is traded."""
        return bool(self.terms.rules["whole_shares"][0])

    @property
    def episode_steps(self) -> int:
        """Steps in an episode that is not cut short."""
        return self._windows.length - 1

    def costs_of(self, orders: FloatArray, env: int | IntArray = 0) -> FloatArray:
        """Return what orders would cost that were filled at the close an account is looking at.

        Args:
            orders: ([n_accounts,] n_stocks) shares, positive to buy, negative to sell.
            env: Whose day it is; ([n_accounts]).

        Returns:
            As the orders: proportional costs and market impact, in the currency of the prices.
        """
        day = self.accounts["day"][env]
        return self.terms.costs_of(orders, self.data.close[day], day)

    @abstractmethod
    def action_name(self, position: int) -> str:
        """Return which stock an entry of an action is about, for messages."""

    def reset(self) -> Float32Array:
        """Start a new episode in every environment.

        Returns:
            (n_envs, n_observations) float32 observations.
        """
        if self._seeds[0] is not None:
            self._windows.seed(self._seeds[0])
        self._reset_seeds()
        for env in range(self.num_envs):
            self._begin_episode(env)
        return self.observe()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep (n_envs, n_actions) actions in [-1, 1] for the next :meth:`step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Float32Array, Float32Array, BoolArray, list[dict[str, Any]]]:
        """Advance a day; an environment whose episode ended starts its next one.

        Returns:
            Observations, rewards (n_envs,) float32, dones (n_envs,), and infos. At an episode's
            end the info holds ``terminal_observation``, ``TimeLimit.truncated``, ``account``
            (see :meth:`episode_info`) and, when recording, ``ledger``.
        """
        observations, rewards, dones, ended = self.advance(self._actions)
        # A dict each: wrappers may write to them.
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if not ended:
            return observations, rewards, dones, infos
        for env in map(int, np.flatnonzero(dones)):
            infos[env] = self.episode_info(env)
            infos[env]["terminal_observation"] = observations[env].copy()
            infos[env]["TimeLimit.truncated"] = not self.accounts[env]["terminated"]
            self._begin_episode(env)
            self._write_observations(env, env + 1, observations)
        return observations, rewards, dones, infos

    def advance(self, actions: NDArray[Any]) -> tuple[Float32Array, Float32Array, BoolArray, int]:
        """Trade and move on to the next day, without starting new episodes.

        Args:
            actions: (n_envs, n_actions) in [-1, 1].

        Returns:
            Observations (n_envs, n_observations), rewards (n_envs,) and dones (n_envs,), of which
            ``accounts["terminated"]`` says which were not truncated; and how many are done.

        Raises:
            ValueError: If an action is NaN or infinite; names the environment and the stock.
        """
        actions = self._checked(np.asarray(actions))
        observations = np.empty((self.num_envs, self._n_observations), dtype=np.float32)
        rewards = np.empty(self.num_envs, dtype=np.float32)
        dones = np.empty(self.num_envs, dtype=np.bool_)
        if self._ledger is None and self._reward is None:
            return observations, rewards, dones, self._step(actions, observations, rewards, dones)
        before = self.accounts.copy()
        ended = self._step(actions, observations, rewards, dones)
        if self._reward is not None:
            paid = self._reward(Step.between(before, self.accounts, dones))
            self.accounts["reward"] = rewards[:] = paid
        if self._ledger is not None:
            self._ledger.enter(before, self.accounts, self.shares, self._executed, self._settled)
        return observations, rewards, dones, ended

    def _step(
        self,
        actions: NDArray[Any],
        observations: Float32Array,
        rewards: Float32Array,
        dones: BoolArray,
    ) -> int:
        if self.threads == 1:
            return self._step_part(0, self.num_envs, actions, observations, rewards, dones)
        # Made here and not before, so that the batch can be pickled and survives a fork.
        self._pool = self._pool or ThreadPoolExecutor(self.threads - 1)
        bounds = [part * self.num_envs // self.threads for part in range(self.threads + 1)]
        parts = [
            self._pool.submit(self._step_part, first, last, actions, observations, rewards, dones)
            for first, last in itertools.pairwise(bounds[1:])
        ]
        ended = self._step_part(0, bounds[1], actions, observations, rewards, dones)
        return ended + sum(part.result() for part in parts)

    def _step_part(
        self,
        first: int,
        last: int,
        actions: NDArray[Any],
        observations: Float32Array,
        rewards: Float32Array,
        dones: BoolArray,
    ) -> int:
        terms = self.terms
        leading = (
            first, last, actions, self._unit[actions.dtype], self.accounts, self.shares,
            self._executed, self.data.close, terms.fill_price, terms.risk, terms.rates,
        )  # fmt: skip
        trailing = (terms.rules, self._market_rows, observations, rewards, dones)
        if self._cash:
            return self._kernel(step_cash_accounts, *leading, *trailing)
        ended = self._kernel(
            step_accounts, *leading, terms.impact, terms.borrow, terms.initial_margin,
            terms.maintenance_margin, terms.listed, terms.delisting_loss, self._settled, *trailing,
        )  # fmt: skip
        if self._layout == RELATIVE:
            self._write_observations(first, last, observations)
        return ended

    def _kernel(self, function: Callable[..., int], *arguments: Any) -> int:
        """Call a compiled function whose arguments' types the actions' alone decides."""
        dtype = arguments[2].dtype
        if dtype not in self._code:
            self._code[dtype] = resolved(function, *arguments)
        return int(self._code[dtype](*arguments))

    def _action_unit(self, dtype: np.dtype[Any]) -> np.floating[Any]:
        """Return what an action of 1 asks for, in the actions' own type."""
        return cast("np.floating[Any]", dtype.type(1))

    def _checked(self, actions: NDArray[Any]) -> NDArray[Any]:
        expected = self._actions_shape
        if actions.shape != expected:
            raise ValueError(f"actions must have shape {expected}, got {actions.shape}")
        if actions.dtype != FLOAT32 and actions.dtype != FLOAT64:
            actions = actions.astype(np.float64)
        actions = np.ascontiguousarray(actions)
        broken = first_not_finite(actions)
        if broken >= 0:
            env, position = divmod(broken, expected[1])
            raise Diverged(
                f"action {actions[env, position]} for {self.action_name(position)} in environment "
                f"{env} is not a finite number: the agent's network has diverged"
            )
        return actions

    def observe(self) -> Float32Array:
        """Return (n_envs, n_observations) float32 copies of the current states."""
        out = np.empty((self.num_envs, self._n_observations), dtype=np.float32)
        self._write_observations(0, self.num_envs, out)
        return out

    def _write_observations(self, first: int, last: int, out: Float32Array) -> None:
        rows = self._market_rows
        if self._layout != RELATIVE:
            weights = self._layout == WEIGHTS
            write_observations(first, last, self.accounts, self.shares, rows, weights, out)
            return
        write_relative_observations(
            first, last, self.accounts, self.shares, self._executed, self._traded_weights,
            self.data.close, self.terms.rates, self.terms.impact, rows, out,
        )  # fmt: skip

    def episode_info(self, env: int) -> dict[str, Any]:
        """Return the account statistics of an environment's episode, and its ledger if recorded.

        Returns:
            ``account`` of :func:`~finai_rl.envs.episodes.statistics`; ``ledger`` as
            :meth:`finai_rl.envs.episodes.Ledger.close` has it.
        """
        # All fields at once, as Python's numbers: one by one they take several times as long.
        account = dict(zip(ACCOUNT_FIELDS, self.accounts[env].item(), strict=True))
        info: dict[str, Any] = {"account": statistics(account, self.terms.borrow is not None)}
        if self._ledger is not None:
            info["ledger"] = self._ledger.close(env, account["first_day"], account["day"])
        return info

    def _opening_value(self, cash: float, shares: FloatArray, price: FloatArray) -> float:
        return cash + float(inner(shares, price))

    def _begin_episode(self, env: int) -> None:
        start, end = self._windows.draw(env)
        if self._reward is not None:
            self._reward.reset(env)
        price, opening = self.data.close[start], (self._opening_cash, self._opening_shares)
        cash, self.shares[env] = opening_account(self.terms, start, *opening, price)
        value = self._opening_value(cash, self.shares[env], price)
        self._forget_trades(env, price, value)
        # In the order of ``ACCOUNT``: days, counts, money.
        reward = self.accounts[env]["reward"]
        self.accounts[env] = (start, start, end, 0, 0, 0, cash, value, 0.0, 0.0, 0.0, reward)
        if self._ledger is not None:
            recorded = self._recorded_opening(value, start)
            self._ledger.open(env, recorded, cash, self.shares[env])

    def place(self, env: int, cash: float, shares: FloatArray) -> None:
        """Put other holdings in the place of an account's, on the day that it is on.

        What an observation tells of the trades before is that there were none.

        Args:
            env: The account.
            cash: In the currency of the prices.
            shares: (n_stocks,) of each stock.
        """
        account = self.accounts[env]
        price = self.data.close[account["day"]]
        self.shares[env] = shares
        account["cash"], account["value"] = cash, cash + float(inner(self.shares[env], price))
        self._forget_trades(env, price, float(account["value"]))

    def _forget_trades(self, env: int, price: FloatArray, value: float) -> None:
        self._executed[env] = 0.0
        if self._layout == RELATIVE:
            worth = self.shares[env] * price
            self._traded_weights[env] = worth / value if value > 0.0 else 0.0

    def _recorded_opening(self, value: float, start: int) -> float:
        return value

    def close(self) -> None:
        """Shut down the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None, "_code": {}}

"""FinRL's own ``StockTradingEnv`` on the same MarketData."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import multiprocessing
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from finai_rl.data.market import MarketData
from finai_rl.envs.episodes import Ledger
from finai_rl.envs.kernels.stepping import ACCOUNT
from finai_rl.envs.settings import (
    check_range,
    check_risk,
    finrl_blocked,
    finrl_observation_names,
    per_stock,
    refuse_unlisted,
    state_features,
)

FINRLS_STATE = (
    "day",
    "state",
    "reward",
    "cost",
    "trades",
    "episode",
    "terminal",
    "turbulence",
    "asset_memory",
    "rewards_memory",
    "actions_memory",
    "state_memory",
    "date_memory",
)
"""Attributes of FinRL's class that its steps change."""


def import_finrl_module(name: str) -> types.ModuleType:
    """Import a module of FinRL without FinRL's broker and data-vendor dependencies.

    ``import finrl`` executes modules that need brokers' and vendors' packages, which FinRL's
    wheel neither declares nor needs for its environment. Where that import fails, an empty
    package stands in for ``finrl`` just long enough to import the module asked for.

    Args:
        name: Full name, starting with ``finrl.``.

    Raises:
        ModuleNotFoundError: If FinRL is not installed, or the module itself needs more.
    """
    spec = importlib.util.find_spec("finrl")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("FinRL is not installed: pip install finrl==0.3.7")
    try:
        importlib.import_module("finrl")
    except ImportError:
        stub = types.ModuleType("finrl")
        stub.__path__ = list(spec.submodule_search_locations)
        sys.modules["finrl"] = stub
        try:
            return importlib.import_module(name)
        finally:
            del sys.modules["finrl"]
    return importlib.import_module(name)


def load_finrl_class() -> type[Any]:
    """Return FinRL's ``StockTradingEnv``."""
    module = import_finrl_module("finrl.meta.env_stock_trading.env_stocktrading")
    finrl_class: type[Any] = module.StockTradingEnv
    return finrl_class


def finrl_frame(data: MarketData) -> pd.DataFrame:
    """Lay a market out as FinRL's class reads it: rows by day and ticker, day number as index.

    Returns:
        n_days * n_stocks rows with ``date``, ``tic``, ``close``, every feature, and the risk
        index under its own name.
    """
    days = pd.Index(range(data.n_days)).repeat(data.n_stocks)
    columns: dict[str, Any] = {
        "date": [name for name in data.day_names for _ in data.tickers],
        "tic": list(data.tickers) * data.n_days,
        "close": data.close.ravel(),
    }
    for number, name in enumerate(data.feature_names):
        columns[name] = data.features[:, number, :].ravel()
    if data.risk is not None:
        columns[data.risk_name] = data.risk.repeat(data.n_stocks)
    return pd.DataFrame(columns, index=days)


class FinRLStockTradingEnv(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """FinRL's class as it is, behind Gymnasium's interface: float32 copies instead of live lists.

    Args:
        data: The market.
        **settings: As for :func:`finrl_vec_env`, without ``n_envs`` and ``start_method``.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> env = finrl_vec_env(synthetic_market(n_days=4, n_stocks=2), initial_amount=10_000)
        >>> isinstance(env.envs[0], FinRLStockTradingEnv)
        True
        >>> env.reset().shape
        (1, 11)
        >>> float(env.reset()[0, 0])
        10000.0
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so by Env

    def __init__(
        self,
        data: MarketData,
        *,
        hmax: int,
        initial_amount: float,
        buy_cost_pct: float | Sequence[float] | Mapping[str, float],
        sell_cost_pct: float | Sequence[float] | Mapping[str, float],
        reward_scaling: float,
        num_stock_shares: Sequence[float] | Mapping[str, float] | None,
        indicators: Sequence[str] | None,
        sentiment: bool | str,
        turbulence_threshold: float | None,
        record: bool,
    ) -> None:
        refuse_unlisted(data)
        features = state_features(data, indicators, sentiment)
        finrl_blocked(features)
        check_risk(data, turbulence_threshold)
        names = [f"feature_{number}" for number in range(features.shape[1])]
        n = data.n_stocks
        self._env = load_finrl_class()(
            finrl_frame(replace(data, features=features, feature_names=tuple(names), sentiment=None,
                                sentiment_names=())),
            stock_dim=n,
            hmax=hmax,
            initial_amount=initial_amount,
            num_stock_shares=per_stock("num_stock_shares", num_stock_shares or 0.0, data).tolist(),
            buy_cost_pct=per_stock("buy_cost_pct", buy_cost_pct, data).tolist(),
            sell_cost_pct=per_stock("sell_cost_pct", sell_cost_pct, data).tolist(),
            reward_scaling=reward_scaling,
            state_space=1 + 2 * n + features.shape[1] * n,
            action_space=n,
            tech_indicator_list=names,
            turbulence_threshold=turbulence_threshold,
            risk_indicator_col=data.risk_name,
            # FinRL prints its own summary every so many episodes; the logger has these numbers.
            print_verbosity=sys.maxsize,
        )  # fmt: skip
        self.observation_space = self._env.observation_space
        self.action_space = self._env.action_space
        self.episode_steps = data.n_days
        self.n_stocks = data.n_stocks
        self.observation_names = finrl_observation_names(data, indicators, sentiment)
        self._ledger = Ledger(1, data.n_days, data.close[:-1]) if record else None
        self._books = np.zeros((2, 1), dtype=ACCOUNT)
        self._turnover = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start again at the first day; a seed changes nothing: FinRL's class knows no chance."""
        super().reset(seed=seed)
        state, _ = self._env.reset()
        # FinRL never empties this list: it would grow by an episode's states for ever.
        self._env.state_memory.clear()
        self._turnover = 0.0
        if self._ledger is not None:
            cash, shares = self._account()
            self._ledger.open(0, self._env.asset_memory[0], cash, shares)
        return np.array(state, dtype=np.float32), {}

    def step(
        self, action: NDArray[Any]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Step FinRL's class; its last step of an episode trades nothing."""
        env = self._env
        price, value, cost = self._prices(), env.asset_memory[-1], env.cost
        state, reward, terminal, truncated, _ = env.step(np.array(action))
        info: dict[str, Any] = {}
        if terminal:
            info = self._episode_info()
        else:
            executed = np.asarray(env.actions_memory[-1], dtype=np.float64)
            bought, sold = (np.clip(sign * executed, 0, None) @ price for sign in (1, -1))
            self._turnover += max(bought, sold) / value
            if self._ledger is not None:
                cash, shares = self._account()
                before, after = self._books
                before["day"], before["cost"] = env.day - 1, cost
                after["day"], after["cost"] = env.day, env.cost
                after["cash"], after["value"] = cash, env.asset_memory[-1]
                self._ledger.enter(before, after, shares[np.newaxis], executed[np.newaxis])
        return np.array(state, dtype=np.float32), float(reward), bool(terminal), truncated, info

    def get_state(self) -> dict[str, Any]:
        """Return where the episode stands: plain values, by their names in FinRL's class."""
        own = {name: value for name, value in vars(self._env).items() if name in FINRLS_STATE}
        ledger = None if self._ledger is None else self._ledger.get_state()
        return {"finrl": copy.deepcopy(own), "turnover": self._turnover, "ledger": ledger}

    def set_state(self, state: dict[str, Any]) -> None:
        """Put an episode where `get_state` found it."""
        vars(self._env).update(copy.deepcopy(state["finrl"]))
        self._env.data = self._env.df.loc[self._env.day, :]
        self._turnover = state["turnover"]
        if self._ledger is not None:
            self._ledger.set_state(state["ledger"])

    def _account(self) -> tuple[float, NDArray[np.float64]]:
        n = self._env.stock_dim
        return float(self._env.state[0]), np.array(self._env.state[1 + n : 1 + 2 * n], dtype=float)

    def _prices(self) -> NDArray[np.float64]:
        return np.array(self._env.state[1 : 1 + self._env.stock_dim], dtype=np.float64)

    def _episode_info(self) -> dict[str, Any]:
        env = self._env
        info: dict[str, Any] = {
            "account": {
                "account_value": float(env.asset_memory[-1]),
                "turnover": self._turnover / max(env.day, 1),
                "cost": float(env.cost),
                "trades": int(env.trades),
            }
        }
        if self._ledger is not None:
            info["ledger"] = self._ledger.close(0, 0, env.day)
        return info


def finrl_vec_env(
    data: MarketData,
    *,
    n_envs: int = 1,
    start_method: str | None = None,
    hmax: int = 100,
    initial_amount: float = 1_000_000.0,
    buy_cost_pct: float | Sequence[float] | Mapping[str, float] = 0.001,
    sell_cost_pct: float | Sequence[float] | Mapping[str, float] = 0.001,
    reward_scaling: float = 1e-4,
    num_stock_shares: Sequence[float] | Mapping[str, float] | None = None,
    indicators: Sequence[str] | None = None,
    sentiment: bool | str = False,
    turbulence_threshold: float | None = None,
    record: bool = False,
) -> VecEnv:
    """Run FinRL's own ``StockTradingEnv``, to hold it beside :class:`StockTradingVecEnv`.

    Args:
        data: The market; every process gets a copy of it.
        n_envs: Number of environments.
        start_method: ``fork``, ``forkserver`` or ``spawn`` puts each environment in a process of
            its own (``SubprocVecEnv``); None steps them one after the other (``DummyVecEnv``).
        hmax: Most shares to trade per stock and day.
        initial_amount: Cash at the start of an episode.
        buy_cost_pct: Proportional cost of buying as a fraction: one, one per stock, or by ticker.
        sell_cost_pct: The same for selling.
        reward_scaling: Factor on rewards.
        num_stock_shares: Shares held at the start, one per stock or by ticker; none by default.
        indicators: Names of the data's features in the state; all by default.
        sentiment: Whether the data's sentiment columns end the state; ``"shuffled"`` for a
            placebo whose days have exchanged their sentiment at random.
        turbulence_threshold: At or above it everything is sold; None ignores the risk index.
        record: Whether the ``info`` at an episode's end carries its ``ledger``.

    Raises:
        ValueError: If a setting is out of range, or the data lacks a column it asks for.
    """
    methods = multiprocessing.get_all_start_methods()
    if start_method is not None and start_method not in methods:
        raise ValueError(f"start_method must be null or one of {methods}, got {start_method!r}")
    check_range("n_envs", n_envs, least=1)
    check_range("hmax", hmax, least=1)
    check_range("initial_amount", initial_amount, least=0.0)
    check_range("reward_scaling", reward_scaling, least=0.0)
    make = partial(
        FinRLStockTradingEnv,
        data,
        hmax=hmax,
        initial_amount=initial_amount,
        buy_cost_pct=buy_cost_pct,
        sell_cost_pct=sell_cost_pct,
        reward_scaling=reward_scaling,
        num_stock_shares=num_stock_shares,
        indicators=indicators,
        sentiment=sentiment,
        turbulence_threshold=turbulence_threshold,
        record=record,
    )
    if start_method is None or n_envs == 1:
        return DummyVecEnv([make] * n_envs)
    return SubprocVecEnv([make] * n_envs, start_method=start_method)

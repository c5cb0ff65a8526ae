"""A small market, an environment that trades it in plain Python, and the results of trading it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from finai_rl.data.market import MarketData
from finai_rl.evaluation.backtest import BacktestResult, backtest
from tests.markets import generated_market

HMAX = 1000


class RecordingMarket(VecEnv):
    """Trades one share order after another; keeps the books as lists of Python floats."""

    render_mode = None

    def __init__(
        self,
        data: MarketData,
        *,
        cash: float = 1_000_000.0,
        cost: float = 0.001,
        record: bool = True,
        n_envs: int = 1,
        extra_step: bool = False,
    ) -> None:
        self.data, self.start, self.cost, self.record = data, cash, cost, record
        self.last = data.n_days - 1 + extra_step
        box = gym.spaces.Box(-np.inf, np.inf, (1 + data.n_stocks,))
        super().__init__(n_envs, box, gym.spaces.Box(-1, 1, (data.n_stocks,)))

    def reset(self) -> np.ndarray:
        self.day, self.cash, self.shares = 0, self.start, [0.0] * self.data.n_stocks
        self.book: dict[str, list[Any]] = {
            key: [] for key in ("days", "account_value", "cash", "shares", "trades", "costs")
        }
        self._note()
        return self._observe()

    def step_async(self, actions: np.ndarray) -> None:
        self.actions = actions

    def step_wait(self) -> Any:
        if self.day < self.data.n_days - 1:
            self._trade()
        self.day += 1
        done = self.day == self.last
        if self.day < self.data.n_days:
            self._note()
        info = {}
        if done:
            ledger = {key: np.array(value) for key, value in self.book.items()}
            info = {"ledger": ledger} if self.record else {}
            self.reset()
        return self._observe(), np.zeros(1), np.array([done]), [info]

    def _trade(self) -> None:
        orders = [int(order) for order in self.actions[0] * HMAX]
        trades, costs = [0.0] * len(orders), 0.0
        for stock in sorted(range(len(orders)), key=lambda stock: orders[stock]):
            price = float(self.data.close[self.day, stock])
            most = self.cash // (price * (1 + self.cost))
            trades[stock] = float(min(max(orders[stock], -self.shares[stock]), most))
            fee = abs(trades[stock]) * price * self.cost
            self.cash -= trades[stock] * price + fee
            self.shares[stock] += trades[stock]
            costs += fee
        self.book["trades"].append(trades)
        self.book["costs"].append(costs)

    def _note(self) -> None:
        worth = sum(
            float(p) * s for p, s in zip(self.data.close[self.day], self.shares, strict=True)
        )
        self.book["days"].append(self.day)
        self.book["account_value"].append(self.cash + worth)
        self.book["cash"].append(self.cash)
        self.book["shares"].append(list(self.shares))

    def _observe(self) -> np.ndarray:
        day = min(self.day, self.data.n_days - 1)
        return np.array([[self.cash, *self.data.close[day]]])

    def close(self) -> None: ...

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None: ...

    def env_method(
        self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
    ) -> Any: ...

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


class ScriptedPolicy:
    """Sends given actions (n_days, n_stocks) and remembers what it was asked."""

    def __init__(self, actions: np.ndarray) -> None:
        self.actions, self.calls = actions, []

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        self.calls.append((observation, state, episode_start, deterministic))
        step = 0 if state is None else int(state[0][0])
        return self.actions[None, min(step, len(self.actions) - 1)], (np.array([step + 1]),)


def traded(
    n_days: int = 60, n_stocks: int = 4, seed: int = 0, *, size: float = 1.0, **market: Any
) -> BacktestResult:
    """Backtest random actions of a given size on a generated market."""
    data = generated_market(n_days, n_stocks, seed=seed)
    actions = size * np.random.default_rng(seed).uniform(-1, 1, (n_days, n_stocks))
    return backtest(ScriptedPolicy(actions), RecordingMarket(data, **market), data, "agent")

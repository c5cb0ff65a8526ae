"""A small market, an environment that trades it in plain Python, and the results of trading it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from finai_rl.data.market import MarketData
from finai_rl.evaluation.backtest import BacktestResult, backtest
from tests.markets import generated_market

HMAX = 1000


class RecordingMarket(VecEnv):
    """Trades one share order after another; keeps the books as lists of Python floats.

    With ``fill_price`` (n_days - 1, n_stocks) the orders of a day fill at these prices rather
    than at its close, and the books say so. With ``short`` any order fills, in fractions of a
    share; borrowing costs ``borrow_fee`` of a short position's close a day, and an account worth
    nothing ends its episode.
    """

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
        fill_price: np.ndarray | None = None,
        short: bool = False,
        borrow_fee: float = 0.0,
    ) -> None:
        self.data, self.start, self.cost, self.record = data, cash, cost, record
        self.fill_price, self.short, self.borrow_fee = fill_price, short, borrow_fee
        self.fills = data.close[:-1] if fill_price is None else fill_price
        self.last = data.n_days - 1 + extra_step
        box = gym.spaces.Box(-np.inf, np.inf, (1 + data.n_stocks,))
        super().__init__(n_envs, box, gym.spaces.Box(-1, 1, (data.n_stocks,)))

    def reset(self) -> np.ndarray:
        self.day, self.cash, self.shares = 0, self.start, [0.0] * self.data.n_stocks
        self.book: dict[str, list[Any]] = {
            key: [] for key in ("days", "account_value", "cash", "shares", "trades", "costs")
        }
        if self.short or self.fill_price is not None:
            self.book |= {"fill_price": [], "financing": []}
        self._note()
        return self._observe()

    def step_async(self, actions: np.ndarray) -> None:
        self.actions = actions

    def step_wait(self) -> Any:
        if self.day < self.data.n_days - 1:
            self._trade()
        self.day += 1
        if self.day < self.data.n_days:
            self._note()
        done = self.day == self.last or self.book["account_value"][-1] <= 0
        info = {}
        if done:
            ledger = {key: np.array(value) for key, value in self.book.items()}
            info = {"ledger": ledger} if self.record else {}
            self.reset()
        return self._observe(), np.zeros(1), np.array([done]), [info]

    def _trade(self) -> None:
        orders = self._orders()
        trades, costs = [0.0] * len(orders), 0.0
        borrowed = -sum(
            min(s, 0.0) * float(p)
            for s, p in zip(self.shares, self.data.close[self.day], strict=True)
        )
        for stock in sorted(range(len(orders)), key=lambda stock: orders[stock]):
            price = float(self.fills[self.day, stock])
            most = max(self.cash // (price * (1 + self.cost)), 0.0)
            cut = float(min(max(orders[stock], -self.shares[stock]), most))
            trades[stock] = orders[stock] if self.short else cut
            fee = abs(trades[stock]) * price * self.cost
            self.cash -= trades[stock] * price + fee
            self.shares[stock] += trades[stock]
            costs += fee
        self.book["trades"].append(trades)
        self.book["costs"].append(costs)
        if "financing" in self.book:
            self.cash -= borrowed * self.borrow_fee
            self.book["financing"].append(borrowed * self.borrow_fee)
            self.book["fill_price"].append(list(self.fills[self.day]))

    def _orders(self) -> list[float]:
        orders = [float(order) for order in self.actions[0] * HMAX]
        return orders if self.short else [float(int(order)) for order in orders]

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


def sold_short(close: list[float], shares: float, cash: float = 1000.0) -> BacktestResult:
    """Sell one stock short at its first close without costs, and wait for what comes."""
    data = generated_market(len(close), 1)
    data = replace(data, close=np.array(close)[:, None])
    actions = np.zeros((len(close), 1))
    actions[0] = -shares / HMAX
    env = RecordingMarket(data, cash=cash, cost=0.0, short=True)
    return backtest(ScriptedPolicy(actions), env, data, "short seller")


def traded(
    n_days: int = 60, n_stocks: int = 4, seed: int = 0, *, size: float = 1.0, **market: Any
) -> BacktestResult:
    """Backtest random actions of a given size on a generated market."""
    data = generated_market(n_days, n_stocks, seed=seed)
    actions = size * np.random.default_rng(seed).uniform(-1, 1, (n_days, n_stocks))
    return backtest(ScriptedPolicy(actions), RecordingMarket(data, **market), data, "agent")

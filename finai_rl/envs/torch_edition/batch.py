"""A batch of accounts on one device: market and accounts as tensors, a day in their life."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from finai_rl.envs.kernels.observing import RELATIVE, WEIGHTS
from finai_rl.envs.kernels.stepping import DUST
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.torch_edition.execution import execute_orders
from finai_rl.envs.torch_edition.observing import observations, relative_observations, weights_of
from finai_rl.envs.torch_edition.orders import orders_by_value, orders_in_shares, orders_to_weights
from finai_rl.envs.torch_edition.rewards import TensorReward
from finai_rl.envs.torch_edition.sums import sum_in_lanes


@dataclass(frozen=True)
class Rules:
    """What holds for all accounts and days, as in ``RULES`` of the compiled kernels.

    Attributes:
        whole: Whether shares are.
        weights: Whether actions are target weights.
        pro_rata: Whether scarce money cuts all orders by one factor.
        layout: Of the observation.
        temperature: Of a softmax; None for linear weights.
        hmax: Shares that an action of 1 asks for.
        max_order: Fraction of the account that it asks for instead; 0 for ``hmax``.
        risk_threshold: At or above it every position is closed.
        reward_scaling: Factor on the change of account value.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> Rules.of(StockTradingVecEnv(synthetic_market(n_days=4, n_stocks=2), hmax=7)).hmax
        7
    """

    whole: bool
    weights: bool
    pro_rata: bool
    layout: int
    temperature: float | None
    hmax: int
    max_order: float
    risk_threshold: float
    reward_scaling: float

    @classmethod
    def of(cls, market: MarketVecEnv) -> Rules:
        """Read the rules of a compiled environment."""
        rule = market.terms.rules[0]
        return cls(
            whole=bool(rule["whole_shares"]),
            weights=bool(rule["target_weights"]),
            pro_rata=bool(rule["pro_rata"]),
            layout=int(rule["layout"]),
            temperature=float(rule["temperature"]) if rule["softmax"] else None,
            hmax=int(getattr(market, "hmax", 0)),
            max_order=float(rule["max_order"]),
            risk_threshold=float(rule["risk_threshold"]),
            reward_scaling=float(rule["reward_scaling"]),
        )


class TensorAccounts:
    """Accounts that trade one market, all of it on one device.

    Args:
        market: The compiled environment whose market, terms and rules these are.
        reward: What a step is paid; None for the change of account value times the scaling.
        device: Where everything is.
        dtype: ``torch.float64``, or ``torch.float32`` for half of the memory.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> market = StockTradingVecEnv(synthetic_market(n_days=4, n_stocks=2), n_envs=3, hmax=10)
        >>> accounts = TensorAccounts(market, None, torch.device("cpu"), torch.float64)
        >>> accounts.begin(np.arange(3), np.zeros(3, int), np.full(3, 3))
        >>> seen, rewards, dones = accounts.step(torch.ones(3, 2))
        >>> accounts.shares[0].tolist(), dones.tolist()
        ([10.0, 10.0], [False, False, False])
    """

    not_state = ("rules", "close", "fills", "risk", "rates", "rows", "opening_shares")
    """Attributes that no step changes: a checkpoint does not hold them."""

    def __init__(
        self,
        market: MarketVecEnv,
        reward: TensorReward | None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        terms = market.terms
        self.device, self.dtype = device, dtype
        self.rules = Rules.of(market)
        self.close = self._money(market.data.close)
        same = terms.fill == "same_close"
        self.fills = self.close if same else self._money(terms.fill_price)
        self.risk = None if terms.risk is None else self._money(terms.risk)
        self.rates = self._money(terms.rates)
        self.rows = torch.as_tensor(market._market_rows, device=device)
        self.opening_cash, shares = market._opening_cash, market._opening_shares
        self.opening_shares = self._money(shares)
        self.reward = reward
        n_envs, n_stocks = market.num_envs, market.n_stocks
        for name in ("first_day", "day", "last_day", "trades"):
            setattr(self, name, torch.zeros(n_envs, dtype=torch.long, device=device))
        for name in ("cash", "value", "cost", "turnover"):
            setattr(self, name, torch.zeros(n_envs, dtype=dtype, device=device))
        self.terminated = torch.zeros(n_envs, dtype=torch.bool, device=device)
        self.shares = torch.zeros((n_envs, n_stocks), dtype=dtype, device=device)
        self.traded_weights = torch.zeros_like(self.shares)
        if reward is not None:
            reward.start(market.data, self.value)

    first_day: Tensor
    day: Tensor
    last_day: Tensor
    trades: Tensor
    cash: Tensor
    value: Tensor
    cost: Tensor
    turnover: Tensor

    def _money(self, array: NDArray[Any]) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=self.dtype, device=self.device)

    def begin(self, envs: NDArray[Any], first: NDArray[Any], last: NDArray[Any]) -> None:
        """Start new episodes.

        Args:
            envs: (n,) numbers of the accounts.
            first: (n,) first days.
            last: (n,) last days.
        """
        at, start, end = (
            torch.as_tensor(array, dtype=torch.long, device=self.device)
            for array in (envs, first, last)
        )
        price = self.close.index_select(0, start)
        value = self.opening_cash + sum_in_lanes(self.opening_shares * price)
        self.first_day[at], self.day[at], self.last_day[at] = start, start, end
        self.cash[at], self.value[at], self.shares[at] = (
            self.opening_cash, value, self.opening_shares,
        )  # fmt: skip
        for statistic in (self.trades, self.cost, self.turnover, self.terminated):
            statistic[at] = 0
        worth = self.opening_shares * price / value.unsqueeze(1)
        self.traded_weights[at] = torch.where(value.unsqueeze(1) > 0.0, worth, 0.0)
        if self.reward is not None:
            self.reward.reset(at)

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Trade and move on to the next day, without starting new episodes.

        Args:
            actions: (n_envs, n_actions) finite, in [-1, 1], float32 or float64.

        Returns:
            Observations (n_envs, n_observations) float32, rewards (n_envs,) float32, and dones
            (n_envs,), of which `terminated` says which were not truncated.
        """
        today, before = self.day, self.value
        now = self.close.index_select(0, today)
        price = now if self.fills is self.close else self.fills.index_select(0, today)
        closes = None
        if self.risk is not None:
            closes = self.risk.index_select(0, today) >= self.rules.risk_threshold
        done = execute_orders(
            self._wanted(actions, now), price, self.shares, self.rates, self.cash,
            None if self.rules.whole else DUST * before.clamp_min(0.0), closes,
            pro_rata=self.rules.pro_rata,
        )  # fmt: skip
        self.shares = self.shares + done.traded
        self.cash = done.cash
        self.trades = self.trades + (done.traded != 0.0).sum(dim=1)
        self.cost = self.cost + done.cost
        most = torch.maximum(done.bought, done.sold)
        # An episode may open with an account that is worth nothing.
        self.turnover = self.turnover + torch.where(before > 0.0, most / before, 0.0)
        if self.rules.layout == RELATIVE:
            moved = (done.traded != 0.0).any(dim=1, keepdim=True)
            weights = weights_of(self.cash, self.shares, now)
            self.traded_weights = torch.where(moved, weights, self.traded_weights)
        self.day = today + 1
        close = self.close.index_select(0, self.day)
        self.value = self.cash + sum_in_lanes(self.shares * close)
        self.terminated = self.value <= 0.0
        paid = (self.value - before) * self.rules.reward_scaling
        if self.reward is not None:
            paid = self.reward.pay(today, before, self.value)
        return self._seen(close), paid.float(), self.terminated | (self.day >= self.last_day)

    def observe(self) -> Tensor:
        """Return (n_envs, n_observations) float32 copies of the current states."""
        return self._seen(self.close.index_select(0, self.day))

    def _wanted(self, actions: Tensor, now: Tensor) -> Tensor:
        rules = self.rules
        if rules.weights:
            return orders_to_weights(
                actions, self.value, now, self.shares, self.rates, rules.temperature,
                whole=rules.whole,
            )  # fmt: skip
        if rules.max_order > 0.0:
            worth = rules.max_order * self.value.clamp_min(0.0)
            return orders_by_value(actions, worth, now, whole=rules.whole)
        return orders_in_shares(actions, rules.hmax, self.dtype, whole=rules.whole)

    def _seen(self, close: Tensor) -> Tensor:
        state = (self.rows, self.day, self.cash, self.shares, self.value)
        if self.rules.layout == RELATIVE:
            return relative_observations(*state, self.traded_weights, close, self.rates)
        return observations(*state, weights=self.rules.layout == WEIGHTS)

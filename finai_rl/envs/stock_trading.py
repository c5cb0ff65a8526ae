"""FinRL's stock trading market, batched and compiled, for Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.envs.action_modulation import SentimentModulation
from finai_rl.envs.kernels.finrl_accounting import (
    account_value,
    step_finrl_accounts,
    write_finrl_orders,
)
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.observations import FINRL, HORIZONS, observed_market
from finai_rl.envs.rewards.reward import Reward
from finai_rl.envs.settings import (
    account_in_state,
    check_range,
    finrl_blocked,
    per_stock,
    refuse_unlisted,
    state_features,
)
from finai_rl.envs.terms import PerStock, refuse_beside_finrl, terms_of_trade
from finai_rl.type_aliases import BoolArray, Float32Array, FloatArray


class StockTradingVecEnv(MarketVecEnv):
    """Many accounts trading the same stocks, one compiled call per step.

    The Markov decision process is that of FinRL 0.3.7's ``StockTradingEnv``. A state is
    ``[cash, close.., shares.., feature_1.., .., feature_K.., sentiment..]``, float32, features
    grouped by name and in ticker order. An action in [-1, 1] per stock, times ``hmax`` and
    truncated toward zero, is the number of shares to buy or sell at the close the agent is
    looking at: sells first, then buys in order of size while cash lasts. The reward is the
    change of account value until the next close, net of costs, times ``reward_scaling``. The
    product with ``hmax`` is taken in the actions' own precision, as FinRL does.

    What the default corrects in FinRL's class, and ``finrl_compat=True`` keeps:

    * the step after the last day, which pays the previous reward again, does not exist;
    * the end of the data (or window) truncates an episode instead of terminating it, and an
      account worth nothing terminates;
    * equal buy orders are served in ticker order, where FinRL's order depends on NumPy and the CPU;
    * actions outside [-1, 1] are clipped, so that ``hmax`` holds;
    * the risk index counts from the first day of an episode on, where FinRL takes it as 0;
    * a first feature of exactly 1.0 does not forbid trading;
    * a buy never overdraws cash by rounding, and buying zero shares is not a trade;
    * initial shares count for a single stock too.

    In both modes observations are copies, resets are seeded, and NaN or infinite actions raise.

    Args:
        data: The market, shared by all environments.
        n_envs: Number of environments.
        hmax: Most shares to trade per stock and day.
        max_order: Largest order as a fraction of the account value, which an action of 1 asks for
            at the close it has seen, instead of ``hmax`` shares; None for ``hmax``.
        initial_amount: Cash at the start of an episode, in the currency of the prices.
        buy_cost_pct: Proportional cost of buying as a fraction (0.001 is 10 basis points), one
            for all stocks, one per stock, or by ticker.
        sell_cost_pct: The same for selling.
        slippage_bps: How much worse than the fill price every order is executed, in basis
            points; booked as a cost on top of the others.
        impact: Y of the square-root law: an order of q shares costs the fraction
            Y * volatility * sqrt(q / volume) of its value, at most one half (see
            :func:`~finai_rl.envs.terms.impact_coefficients`), q being all of it, whatever it
            closes and opens. Needs the data's volume.
        fill: When orders are executed: ``same_close``, the close the agent has just seen, as
            FinRL does; ``next_open``, which needs the data's opening prices; or ``next_close``.
            What cash pays for is known only then. Forced closing fills then too, and the borrow
            fee of the night is on what was short before the trade.
        fractional_shares: Whether orders are not truncated to whole shares. Money worth less than
            a billionth of the account buys no fraction.
        pro_rata: Whether orders that cash does not pay for are all cut by the same factor, as in
            :class:`~finai_rl.envs.portfolio.PortfolioVecEnv`, instead of served largest first.
        allow_short: Whether more may be sold than is held. Covers come first and are paid from
            all cash; purchases and short sales are then ranked together by size in shares.
            Selling short leaves the proceeds in cash, and needs as much again times
            ``initial_margin``; only cash beyond that buys.
        borrow_rate: Annual fee on the value held short at a day's close, a fraction, for the
            calendar days to the next close over 360; one for all stocks, one per stock, or by
            ticker.
        initial_margin: Margin on what is sold short, a fraction (US Regulation T: 0.5).
        maintenance_margin: Where an account, at the close of the decision, is worth less than
            this fraction of what it is short (FINRA Rule 4210: 0.3), every position is closed
            instead of the agent's orders.
        delisting_loss: Fraction of a holding that is lost where its stock is delisted: what is held
            on the last day on which the data lists it is sold at that day's close, less this
            (a short position is covered at it). Stocks are not traded on days on which they
            are not listed, and nothing shown on a day says whether they will be on the next.
        reward_scaling: Factor on rewards.
        num_stock_shares: Shares held at the start of an episode, one per stock or by ticker;
            none by default. Fractions are sold as they are.
        previous_state: A state to carry on from: its cash and shares open every episode instead
            of ``initial_amount`` and ``num_stock_shares`` (FinRL's ``initial=False``).
        observation: ``finrl`` for the state above, ``relative`` for a stationary and scale-free
            one, ``ranks`` for that with each column as its rank among the day's stocks; see
            :func:`~finai_rl.envs.observations.observed_market`.
        horizons: In days, for the returns and averages of a relative observation.
        indicators: Names of the data's features in the state, in this order; all by default.
        sentiment: Whether the data's sentiment columns end the state; ``"shuffled"`` for a
            placebo whose days have exchanged their sentiment at random.
        sentiment_modulation: Scale actions by sentiment before they become shares:
            ``finrl_deepseek`` (by up to 10 %), ``finrl_deepseek_1`` (1 %), ``finrl_deepseek_01``
            (0.1 %), see :class:`~finai_rl.envs.action_modulation.SentimentModulation`; None for
            not.
        turbulence_threshold: At or above this value of the data's risk index every position is
            closed and none opened; None ignores the risk index.
        episode_days: Most days in an episode; None for all days of the data.
        random_start: Whether each episode's window starts on a random day.
        finrl_compat: Whether to behave exactly as FinRL 0.3.7, its defects included.
        record: Whether the ``info`` at an episode's end carries its day-by-day ``ledger``.
        seed: Seed of the random starts; None takes fresh entropy.
        threads: How many parts of the batch are stepped at the same time; pays from some hundred
            environments on.
        reward: What an account is paid for a day, see :mod:`finai_rl.envs.rewards`; None for the
            change of its value times ``reward_scaling``.

    Raises:
        ValueError: If a setting is out of range, or the data lacks a column it asks for.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> env = StockTradingVecEnv(synthetic_market(n_days=4, n_stocks=2), n_envs=3, hmax=10)
        >>> env.reset().shape
        (3, 11)
        >>> actions = np.array([[1.0, 0.5], [0.0, 0.0], [-1.0, -1.0]])
        >>> observations, rewards, dones, infos = env.step(actions)
        >>> env.shares
        array([[10.,  5.],
               [ 0.,  0.],
               [ 0.,  0.]])
    """

    def __init__(
        self,
        data: MarketData,
        *,
        n_envs: int = 1,
        hmax: int = 100,
        max_order: float | None = None,
        initial_amount: float = 1_000_000.0,
        buy_cost_pct: PerStock = 0.001,
        sell_cost_pct: PerStock = 0.001,
        slippage_bps: float = 0.0,
        impact: float = 0.0,
        fill: str = "same_close",
        fractional_shares: bool = False,
        pro_rata: bool = False,
        allow_short: bool = False,
        borrow_rate: PerStock = 0.01,
        initial_margin: float = 0.5,
        maintenance_margin: float = 0.3,
        delisting_loss: float = 0.0,
        reward_scaling: float = 1e-4,
        num_stock_shares: PerStock | None = None,
        previous_state: Sequence[float] | None = None,
        observation: str = FINRL,
        horizons: Sequence[int] = HORIZONS,
        indicators: Sequence[str] | None = None,
        sentiment: bool | str = False,
        sentiment_modulation: str | None = None,
        turbulence_threshold: float | None = None,
        episode_days: int | None = None,
        random_start: bool = False,
        finrl_compat: bool = False,
        record: bool = False,
        seed: int | None = None,
        threads: int = 1,
        reward: Reward | None = None,
    ) -> None:
        check_range("hmax", hmax, least=1)
        if hmax != int(hmax):
            raise ValueError(f"hmax is a number of shares and must be whole, got {hmax}")
        if finrl_compat:
            refuse_unlisted(data)
            refuse_beside_finrl(
                fill="" if fill == "same_close" else fill,
                max_order=max_order,
                observation="" if observation == FINRL else observation,
                slippage_bps=slippage_bps,
                impact=impact,
                fractional_shares=fractional_shares,
                pro_rata=pro_rata,
                allow_short=allow_short,
                delisting_loss=delisting_loss,
                reward=reward and type(reward).__name__,
            )
        self.hmax = int(hmax)
        self.finrl_compat = finrl_compat
        self.num_stock_shares = per_stock(
            "num_stock_shares", 0.0 if num_stock_shares is None else num_stock_shares, data
        )
        self._carried_on = previous_state is not None
        if previous_state is not None:
            initial_amount, self.num_stock_shares = account_in_state(previous_state, data)
            if not (allow_short or finrl_compat) and (self.num_stock_shares < 0).any():
                raise ValueError("previous_state is short of stocks: that needs allow_short=true")
        terms = terms_of_trade(
            data,
            buy_cost_pct=buy_cost_pct,
            sell_cost_pct=sell_cost_pct,
            slippage_bps=slippage_bps,
            impact=impact,
            fill=fill,
            fractional_shares=fractional_shares,
            allow_short=allow_short,
            borrow_rate=borrow_rate,
            initial_margin=initial_margin,
            maintenance_margin=maintenance_margin,
            delisting_loss=delisting_loss,
            turbulence_threshold=turbulence_threshold,
            reward_scaling=reward_scaling,
            pro_rata=pro_rata,
            max_order=max_order,
        )
        self._blocked = (
            finrl_blocked(state_features(data, indicators, sentiment)) if finrl_compat else None
        )
        self._modulation = (
            None
            if sentiment_modulation is None
            else SentimentModulation(data, sentiment_modulation)
        )
        super().__init__(
            data,
            terms,
            observed_market(data, observation, indicators, sentiment, horizons, weights=False),
            n_actions=data.n_stocks,
            n_envs=n_envs,
            opening_cash=initial_amount,
            opening_shares=self._opening(data.n_stocks),
            episode_days=episode_days,
            random_start=random_start,
            record=record,
            seed=seed,
            threads=threads,
            reward=reward,
        )

    @property
    def episode_steps(self) -> int:
        """Steps in an episode; FinRL's mode ends each by one more, in which nothing happens."""
        return super().episode_steps + int(self.finrl_compat)

    def action_name(self, position: int) -> str:
        """Return the stock that an entry of an action is about."""
        return self.data.tickers[position]

    def _checked(self, actions: NDArray[Any]) -> NDArray[Any]:
        actions = super()._checked(actions)
        if self._modulation is None:
            return actions
        return self._modulation.scaled(actions, self.accounts["day"])

    def _action_unit(self, dtype: np.dtype[Any]) -> np.floating[Any]:
        hmax: np.floating[Any] = dtype.type(self.hmax)
        return hmax

    def _step(
        self,
        actions: NDArray[Any],
        observations: Float32Array,
        rewards: Float32Array,
        dones: BoolArray,
    ) -> int:
        if not self.finrl_compat:
            return super()._step(actions, observations, rewards, dones)
        rule = self.terms.rules[0]
        orders = np.empty(actions.shape, dtype=np.int64)
        liquidate = np.empty(self.num_envs, dtype=np.bool_)
        write_finrl_orders(
            actions, self._unit[actions.dtype], self.accounts, self.terms.risk,
            float(rule["risk_threshold"]), orders, liquidate,
        )  # fmt: skip
        return int(
            step_finrl_accounts(
                orders, np.argsort(orders, axis=1), liquidate, self.accounts, self.shares,
                self._executed, self.data.close, self.terms.rates, self._blocked,
                float(rule["reward_scaling"]), self._market_rows, observations, rewards, dones,
            )
        )  # fmt: skip

    @property
    def _finrl_opening(self) -> bool:
        return self.finrl_compat and not self._carried_on

    def _opening(self, n_stocks: int) -> FloatArray:
        # FinRL ignores the initial shares of a single stock, here, but not in its asset memory.
        ignored = self._finrl_opening and n_stocks == 1
        return np.zeros(n_stocks) if ignored else self.num_stock_shares

    def _opening_value(self, cash: float, shares: FloatArray, price: FloatArray) -> float:
        if self.finrl_compat:
            return float(account_value(cash, price, shares))
        return super()._opening_value(cash, shares, price)

    def _recorded_opening(self, value: float, start: int) -> float:
        if self._finrl_opening:
            return float(
                self._opening_cash + np.sum(self.num_stock_shares * self.data.close[start])
            )
        return value

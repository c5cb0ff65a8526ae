"""Target weights instead of shares, on the same accounts, costs and calendar."""

from __future__ import annotations

from collections.abc import Sequence

from finai_rl.data.market import MarketData
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.observations import FINRL, HORIZONS, observed_market
from finai_rl.envs.rewards.reward import Reward
from finai_rl.envs.settings import per_stock
from finai_rl.envs.terms import LINEAR, PerStock, terms_of_trade


class PortfolioVecEnv(MarketVecEnv):
    r"""Many portfolios of the same stocks, rebalanced to the weights that an action asks for.

    An action has one entry in [-1, 1] per stock and one, the last, for cash. Weights are

    .. math:: w_i = \frac{(a_i + 1)/2}{\sum_j (a_j + 1)/2}

    or all cash where every entry is -1; with ``allow_short`` a stock's weight keeps its sign,
    :math:`w_i = a_i / (\sum_j |a_j| + (a_{cash} + 1)/2)`. With ``weights="softmax"`` they are

    .. math:: w_i = \frac{e^{a_i/T}}{\sum_j e^{a_j/T}}

    so that differences between entries count wherever they are (with ``allow_short`` a stock's
    numerator is :math:`\mathrm{sign}(a_i) (e^{|a_i|/T} - 1)`). Orders lead from the present
    holdings, which prices have moved since the last day, to the target, at the value of the account
    at the close the agent is looking at; asking for the weights one has trades nothing, and
    differences worth less than a millionth of the account are rounding and are not traded. Costs
    come out of cash; where cash does not pay for all purchases, all are cut by the same factor,
    covers of short positions by one of their own and first.

    A state is ``[cash, close.., holdings.., feature_1.., .., feature_K.., sentiment..]``, float32,
    with cash and holdings as fractions of the account value, or what ``observation`` says. The
    reward is the change of account value until the next close, net of costs, times
    ``reward_scaling``. The end of the data (or window) truncates an episode; an account worth
    nothing terminates it.

    Args:
        data: The market, shared by all environments.
        n_envs: Number of environments.
        initial_amount: Cash at the start of an episode, in the currency of the prices.
        buy_cost_pct: As for :class:`~finai_rl.envs.stock_trading.StockTradingVecEnv`.
        sell_cost_pct: The same for selling.
        slippage_bps: See there.
        impact: See there.
        fill: See there.
        fractional_shares: Whether holdings are not rounded to whole shares. A whole holding less
            than a share away from its target is left alone, others are cut toward zero, and the
            money that is left over buys one share more of stocks by largest remainder.
        allow_short: Whether weights may be negative; see there.
        borrow_rate: See there.
        initial_margin: See there.
        maintenance_margin: See there.
        delisting_loss: See there. The entries of stocks that are not listed on a day are not read:
            the weights of the others and of cash add up to 1.
        weights: ``linear`` or ``softmax``, as above.
        temperature: Of the softmax, in units of an action's entries: the smaller, the more one
            stock can stand out.
        reward_scaling: Factor on rewards.
        num_stock_shares: Shares held at the start of an episode, one per stock or by ticker;
            none by default.
        observation: ``finrl`` for the state above, ``relative`` for a stationary and scale-free
            one, ``ranks`` for that with each column as its rank among the day's stocks; see
            :func:`~finai_rl.envs.observations.observed_market`.
        horizons: In days, for the returns and averages of a relative observation.
        indicators: Names of the data's features in the state, in this order; all by default.
        sentiment: Whether the data's sentiment columns end the state; ``"shuffled"`` for a
            placebo whose days have exchanged their sentiment at random.
        turbulence_threshold: At or above this value of the data's risk index every position is
            closed and none opened; None ignores the risk index.
        episode_days: Most days in an episode; None for all days of the data.
        random_start: Whether each episode's window starts on a random day.
        record: Whether the ``info`` at an episode's end carries its day-by-day ``ledger``.
        seed: Seed of the random starts; None takes fresh entropy.
        threads: How many parts of the batch are stepped at the same time.
        reward: What an account is paid for a day, see :mod:`finai_rl.envs.rewards`; None for the
            change of its value times ``reward_scaling``.

    Raises:
        ValueError: If a setting is out of range, or the data lacks a column it asks for.

    Example:
        >>> import numpy as np
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=4, n_stocks=2)
        >>> env = PortfolioVecEnv(market, n_envs=2, buy_cost_pct=0)
        >>> observations = env.reset()
        >>> in_stocks, in_cash = [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]
        >>> observations, rewards, dones, infos = env.step(np.array([in_stocks, in_cash]))
        >>> observations[:, 0]
        array([0., 1.], dtype=float32)
    """

    def __init__(
        self,
        data: MarketData,
        *,
        n_envs: int = 1,
        initial_amount: float = 1_000_000.0,
        buy_cost_pct: PerStock = 0.001,
        sell_cost_pct: PerStock = 0.001,
        slippage_bps: float = 0.0,
        impact: float = 0.0,
        fill: str = "same_close",
        fractional_shares: bool = True,
        allow_short: bool = False,
        borrow_rate: PerStock = 0.01,
        initial_margin: float = 0.5,
        maintenance_margin: float = 0.3,
        delisting_loss: float = 0.0,
        weights: str = LINEAR,
        temperature: float = 0.2,
        reward_scaling: float = 1e-4,
        num_stock_shares: PerStock | None = None,
        observation: str = FINRL,
        horizons: Sequence[int] = HORIZONS,
        indicators: Sequence[str] | None = None,
        sentiment: bool | str = False,
        turbulence_threshold: float | None = None,
        episode_days: int | None = None,
        random_start: bool = False,
        record: bool = False,
        seed: int | None = None,
        threads: int = 1,
        reward: Reward | None = None,
    ) -> None:
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
            target_weights=True,
            pro_rata=True,
            weights=weights,
            temperature=temperature,
        )
        super().__init__(
            data,
            terms,
            observed_market(data, observation, indicators, sentiment, horizons, weights=True),
            n_actions=data.n_stocks + 1,
            n_envs=n_envs,
            opening_cash=initial_amount,
            opening_shares=per_stock(
                "num_stock_shares", 0.0 if num_stock_shares is None else num_stock_shares, data
            ),
            episode_days=episode_days,
            random_start=random_start,
            record=record,
            seed=seed,
            threads=threads,
            reward=reward,
        )

    def action_name(self, position: int) -> str:
        """Return the stock that an entry of an action is about, or cash."""
        return [*self.data.tickers, "cash"][position]

"""The terms on which orders are executed: prices, costs and margins, laid out to be compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.envs.kernels.accounting import MAX_IMPACT
from finai_rl.envs.kernels.stepping import RULES
from finai_rl.envs.settings import check_range, check_risk, cost_of_trading, per_stock
from finai_rl.type_aliases import BoolArray, FloatArray, IntArray

FILLS = ("same_close", "next_open", "next_close")
"""When an order decided at a day's close is executed."""

LINEAR, SOFTMAX = "linear", "softmax"
MAPPINGS = (LINEAR, SOFTMAX)
"""How an action becomes weights."""

LEAST_TEMPERATURE = 0.01

PerStock = float | Sequence[float] | Mapping[str, float]

DAYS_IN_A_YEAR_OF_INTEREST = 360.0
VOLATILITY_DECAY = 0.94
VOLATILITY_AT_FIRST = 0.02


@dataclass(frozen=True, eq=False, repr=False)
class Terms:
    """The terms of a market's trades.

    Attributes:
        fill: One of ``FILLS``.
        fill_price: (n_days - 1, n_stocks) prices at which a day's orders are executed.
        rates: (2, n_stocks) proportional cost of buying and of selling, slippage included.
        impact: (n_days, n_stocks) impact coefficients, or None.
        borrow: (n_days - 1, n_stocks) fee for being short until the next day, or None if no more
            may be sold than is held.
        initial_margin: Margin on what is sold short, or None likewise.
        maintenance_margin: Every position is closed below it.
        listed: (n_days, n_stocks) what is listed on which day, or None where all always is.
        delisting_loss: Fraction of a holding that is lost where its stock is delisted.
        risk: (n_days,) risk index, or None if there is no threshold.
        rules: (1,) of ``RULES``.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> market = synthetic_market(n_days=4, n_stocks=2)
        >>> env = StockTradingVecEnv(market, fill="next_open", buy_cost_pct=0.002)
        >>> env.terms.fill, bool((env.terms.fill_price == market.open[1:]).all())
        ('next_open', True)
        >>> env.terms.rates
        array([[0.002, 0.002],
               [0.001, 0.001]])
    """

    fill: str
    fill_price: FloatArray
    rates: FloatArray
    impact: FloatArray | None
    borrow: FloatArray | None
    initial_margin: float | None
    maintenance_margin: float
    listed: BoolArray | None
    delisting_loss: float
    risk: FloatArray | None
    rules: NDArray[np.void]

    @property
    def loss_where_delisted(self) -> float | None:
        """``delisting_loss``; None where every stock always is listed."""
        return None if self.listed is None else self.delisting_loss

    def costs_of(self, orders: FloatArray, price: FloatArray, day: int | IntArray) -> FloatArray:
        """Return costs of orders filled at a price on a day, impact included.

        Args:
            orders: ([n_accounts,] n_stocks) shares, negative to sell.
            price: The same of prices.
            day: ([n_accounts]) of the data.
        """
        quantity = np.abs(orders)
        value = quantity * price
        costs: FloatArray = value * np.where(orders > 0, *self.rates)
        if self.impact is not None:
            costs += value * np.minimum(self.impact[day] * np.sqrt(quantity), MAX_IMPACT)
        return costs

    @property
    def for_cash(self) -> bool:
        """Whether whole shares are bought for cash, the largest order first, and nothing else."""
        rule = self.rules[0]
        told = rule["target_weights"] or rule["pro_rata"] or rule["max_order"] > 0.0
        plain = self.impact is None and self.borrow is None and self.listed is None
        return bool(plain and rule["whole_shares"] and not told)


def terms_of_trade(
    data: MarketData,
    *,
    buy_cost_pct: PerStock,
    sell_cost_pct: PerStock,
    slippage_bps: float,
    impact: float,
    fill: str,
    fractional_shares: bool,
    allow_short: bool,
    borrow_rate: PerStock,
    initial_margin: float,
    maintenance_margin: float,
    turbulence_threshold: float | None,
    reward_scaling: float,
    target_weights: bool = False,
    pro_rata: bool = False,
    weights: str = LINEAR,
    temperature: float = 1.0,
    max_order: float | None = None,
    delisting_loss: float = 0.0,
) -> Terms:
    """Check settings against a market and lay them out for compiled functions.

    Args:
        data: The market.
        buy_cost_pct: As for :class:`~finai_rl.envs.stock_trading.StockTradingVecEnv`, like all
            that follow.
        sell_cost_pct: See there.
        slippage_bps: See there.
        impact: See there.
        fill: See there.
        fractional_shares: See there.
        allow_short: See there.
        borrow_rate: See there.
        initial_margin: See there.
        maintenance_margin: See there.
        turbulence_threshold: See there.
        reward_scaling: See there.
        target_weights: Whether actions are weights rather than shares.
        pro_rata: See there.
        weights: As for :class:`~finai_rl.envs.portfolio.PortfolioVecEnv`.
        temperature: See there.
        max_order: As for :class:`~finai_rl.envs.stock_trading.StockTradingVecEnv`.
        delisting_loss: See there.

    Raises:
        ValueError: If a setting is out of range, or the data lacks a column it asks for.
    """
    for name, value in {
        "reward_scaling": reward_scaling,
        "slippage_bps": slippage_bps,
        "impact": impact,
        "initial_margin": initial_margin,
        "maintenance_margin": maintenance_margin,
    }.items():
        check_range(name, value, least=0.0)
    if maintenance_margin > initial_margin:
        raise ValueError(
            f"maintenance_margin={maintenance_margin} must not exceed initial_margin="
            f"{initial_margin}: every short sale would be closed the next day"
        )
    if not 0.0 <= delisting_loss <= 1.0:
        raise ValueError(f"delisting_loss is a fraction from 0 to 1, got {delisting_loss}")
    check_risk(data, turbulence_threshold)
    borrow = _borrow_fees(data, borrow_rate)
    rates = _rates(data, buy_cost_pct, sell_cost_pct, slippage_bps, impact)
    rules = np.zeros(1, dtype=RULES)
    rules["whole_shares"] = not fractional_shares
    rules["target_weights"] = target_weights
    rules["fills_later"] = fill != "same_close"
    rules["pro_rata"] = pro_rata
    rules["softmax"] = _is_softmax(weights, temperature)
    rules["temperature"] = temperature
    rules["max_order"] = _max_order(max_order)
    rules["risk_threshold"] = np.inf if turbulence_threshold is None else turbulence_threshold
    rules["reward_scaling"] = reward_scaling
    return Terms(
        fill=fill,
        fill_price=_fill_price(data, fill),
        rates=rates,
        impact=impact_coefficients(data, impact) if impact else None,
        borrow=borrow if allow_short else None,
        initial_margin=float(initial_margin) if allow_short else None,
        maintenance_margin=float(maintenance_margin),
        listed=None if data.listed is None else np.ascontiguousarray(data.listed),
        delisting_loss=float(delisting_loss),
        risk=None if turbulence_threshold is None else data.risk,
        rules=rules,
    )


def opening_account(
    terms: Terms, day: int, cash: float, shares: FloatArray, price: FloatArray
) -> tuple[float, FloatArray]:
    """Return the cash and shares of an episode that starts on a day, of what it opens with.

    Shares of a stock that is not listed on the day are settled, as those of a delisted one are.
    """
    if terms.listed is None:
        return cash, shares
    listed = terms.listed[day]
    worth = np.where(listed, 0.0, shares * price)
    money = worth - terms.delisting_loss * np.maximum(worth, 0.0)
    return cash + float(money.sum()), np.where(listed, shares, 0.0)


def refuse_beside_finrl(**settings: Any) -> None:
    """Refuse settings that FinRL's class does not know, unless they are off.

    Raises:
        ValueError: Names them.
    """
    asked = [f"{name}={value}" for name, value in settings.items() if value]
    if asked:
        raise ValueError(f"finrl_compat=true is FinRL's market, which knows no {', '.join(asked)}")


def impact_coefficients(data: MarketData, impact: float) -> FloatArray:
    r"""Return what the square root of a traded quantity is multiplied by: :math:`Y\sigma/\sqrt V`.

    Volatility is RiskMetrics' (1996): variance of simple returns weighted exponentially with decay
    0.94, starting from 2 % a day where there is no past yet. Volume is weighted likewise, starting
    from the first day's. Both use the past up to the day of the decision only, the days before the
    panel's first included where it has kept them.

    Args:
        data: The market, with volume.
        impact: The Y of the square-root law; empirically near 1 (Almgren et al., 2005).

    Returns:
        (n_days, n_stocks) float64.

    Raises:
        ValueError: If the data has no volume.
    """
    if data.volume is None:
        raise ValueError(
            "impact needs traded volume, and this data has none: set env.impact=0, or where the "
            "source has it name its column in data.volume"
        )
    close, traded, listed = _with_past(data, data.volume)
    variance = np.full(data.n_stocks, VOLATILITY_AT_FIRST**2)
    volume = traded[0].copy()
    coefficients = np.empty_like(close)
    for day in range(len(close)):
        if day:
            squared = (close[day] / close[day - 1] - 1.0) ** 2
            moved = VOLATILITY_DECAY * variance + (1 - VOLATILITY_DECAY) * squared
            averaged = VOLATILITY_DECAY * volume + (1 - VOLATILITY_DECAY) * traded[day]
            if listed is not None:
                going_on = listed[day] & listed[day - 1]
                moved = np.where(going_on, moved, VOLATILITY_AT_FIRST**2)
                averaged = np.where(going_on, averaged, traded[day])
            variance, volume = moved, averaged
        coefficients[day] = impact * np.sqrt(variance / volume)
    return coefficients[-data.n_days :].copy()


def _with_past(
    data: MarketData, volume: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray | None]:
    """Return closes, volume and listings of a panel, the days before it first."""
    past = data.past
    if past is None or past.volume is None or past.tickers != data.tickers:
        return data.close, volume, data.listed
    close = np.concatenate([past.close, data.close])
    listed = None
    if data.listed is not None or past.listed is not None:
        everything = (np.ones(one.close.shape, dtype=bool) for one in (past, data))
        known = zip((past.listed, data.listed), everything, strict=True)
        listed = np.concatenate([every if one is None else one for one, every in known])
    return close, np.concatenate([past.volume, volume]), listed


def _is_softmax(weights: str, temperature: float) -> bool:
    if weights not in MAPPINGS:
        raise ValueError(f"weights must be one of {', '.join(MAPPINGS)}, got {weights!r}")
    check_range("temperature", temperature, least=LEAST_TEMPERATURE)
    return weights == SOFTMAX


def _max_order(share: float | None) -> float:
    if share is not None and not 0.0 < share < np.inf:
        raise ValueError(
            f"max_order is a fraction of the account value above 0, or null, got {share}"
        )
    return 0.0 if share is None else float(share)


def _rates(
    data: MarketData,
    buy_cost_pct: PerStock,
    sell_cost_pct: PerStock,
    slippage_bps: float,
    impact: float,
) -> FloatArray:
    rates = np.stack(
        [
            cost_of_trading("buy_cost_pct", buy_cost_pct, slippage_bps, data),
            cost_of_trading("sell_cost_pct", sell_cost_pct, slippage_bps, data),
        ]
    )
    if impact and (rates[1] + MAX_IMPACT >= 1).any():
        raise ValueError(
            f"sell_cost_pct and slippage_bps must stay below {1 - MAX_IMPACT} beside impact, which "
            f"takes up to {MAX_IMPACT}: a sale must not cost more than it brings"
        )
    return rates


def _fill_price(data: MarketData, fill: str) -> FloatArray:
    if fill not in FILLS:
        raise ValueError(f"fill must be one of {', '.join(FILLS)}, got {fill!r}")
    if fill == "next_close":
        closed = data.close[1:]
        return closed if data.listed is None else np.where(data.listed[1:], closed, data.close[:-1])
    if fill == "same_close":
        return data.close[:-1]
    if data.open is None:
        raise ValueError(
            "fill=next_open needs opening prices, and this data has none: set env.fill=next_close, "
            "or where the source has them name their column in data.open"
        )
    opened = data.open[1:]
    # Nothing opens for a stock that is delisted by then: what is held is settled at its last price.
    return opened if data.listed is None else np.where(data.listed[1:], opened, data.close[:-1])


def _borrow_fees(data: MarketData, borrow_rate: PerStock) -> FloatArray:
    days = np.diff(data.dates) / np.timedelta64(1, "D")
    rate = per_stock("borrow_rate", borrow_rate, data)
    return np.outer(days / DAYS_IN_A_YEAR_OF_INTEREST, rate)

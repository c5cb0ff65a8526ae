"""What an environment's settings must satisfy, and what they select from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.type_aliases import BoolArray, FloatArray


def check_range(name: str, value: float, least: float) -> None:
    """Refuse a setting below its least value, infinite, or not a number."""
    if not least <= value < np.inf:
        raise ValueError(f"{name} must be at least {least} and finite, got {value}")


def check_risk(data: MarketData, turbulence_threshold: float | None) -> None:
    """Refuse a threshold that is no number, or on data without a risk index."""
    if turbulence_threshold is not None and np.isnan(turbulence_threshold):
        raise ValueError("turbulence_threshold must be a number, or null to ignore the risk index")
    if turbulence_threshold is not None and data.risk is None:
        raise ValueError(
            "turbulence_threshold needs a risk index, and this data has none: set data.risk "
            "(turbulence or vix), or turbulence_threshold=null"
        )


def per_stock(
    name: str, value: float | Sequence[float] | Mapping[str, float], data: MarketData
) -> FloatArray:
    """Return a setting as (n_stocks,) float64.

    Args:
        name: What messages call it; a name ending in ``cost_pct`` is held below 1.
        value: One number for all stocks, one per stock in ticker order, or numbers by ticker.
            Tickers left out count as 0 for shares; a cost or rate must name every ticker.
        data: The market.

    Raises:
        ValueError: If a ticker is unknown or left out, or a number is out of range.
    """
    is_cost = name.endswith("cost_pct")
    names_all = is_cost or name.endswith("rate")
    if isinstance(value, Mapping):
        unknown = [ticker for ticker in value if ticker not in data.tickers]
        left_out = [ticker for ticker in data.tickers if ticker not in value]
        if unknown or (names_all and left_out):
            said = f"unknown {unknown}" if unknown else f"none for {left_out}"
            raise ValueError(f"{name} by ticker: {said}; the stocks are {list(data.tickers)}")
        value = [value.get(ticker, 0.0) for ticker in data.tickers]
    values = np.asarray(value, dtype=np.float64)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != data.n_stocks):
        raise ValueError(
            f"{name} must be one number or one for each of {data.n_stocks} stocks, got {value}"
        )
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(f"{name} must be finite and not negative, got {value}")
    if is_cost and (values >= 1).any():
        raise ValueError(f"{name} is a fraction (0.001 is 10 basis points) below 1, got {value}")
    return np.broadcast_to(values, (data.n_stocks,)).copy()


def cost_of_trading(
    name: str,
    cost_pct: float | Sequence[float] | Mapping[str, float],
    slippage_bps: float,
    data: MarketData,
) -> FloatArray:
    """Return cost and slippage together, (n_stocks,) fractions of the value traded, below 1."""
    total = per_stock(name, cost_pct, data) + slippage_bps * 1e-4
    if (total >= 1).any():
        raise ValueError(f"{name} and slippage_bps={slippage_bps} add up to all of a trade's value")
    return total


def account_in_state(state: Sequence[float], data: MarketData) -> tuple[float, FloatArray]:
    """Return the cash and (n_stocks,) shares of a state ``[cash, close.., shares.., ..]``."""
    n = data.n_stocks
    if len(state) < 1 + 2 * n:
        raise ValueError(
            f"previous_state must start with cash, {n} prices and {n} shares, "
            f"got {len(state)} values"
        )
    shares = np.asarray(state[1 + n : 1 + 2 * n], dtype=np.float64)
    if not np.isfinite([state[0], *shares]).all():
        raise ValueError("previous_state: cash and shares must be finite")
    return float(state[0]), shares


SHUFFLED = "shuffled"
"""The placebo among sentiments: everything about it is kept but the day that it belongs to."""


def state_features(
    data: MarketData, indicators: Sequence[str] | None, sentiment: bool | str
) -> FloatArray:
    """Select the (n_days, n_features, n_stocks) features that a state holds, sentiment last.

    Args:
        data: The market.
        indicators: Names of features; None for all.
        sentiment: Whether sentiment is part of it; ``"shuffled"`` for a placebo, in which the
            days of this data have exchanged their sentiment at random.

    Raises:
        ValueError: If a feature or the sentiment is not there.
    """
    if sentiment not in (True, False, SHUFFLED):
        raise ValueError(f"sentiment must be true, false or {SHUFFLED}, got {sentiment!r}")
    wanted = list(data.feature_names if indicators is None else indicators)
    missing = [name for name in wanted if name not in data.feature_names]
    if missing:
        raise ValueError(
            f"indicators: {missing} not in this data; it has {list(data.feature_names)}"
        )
    chosen = data.features[:, [data.feature_names.index(name) for name in wanted]]
    if not sentiment:
        return chosen
    if data.sentiment is None:
        raise ValueError(
            f"sentiment={str(sentiment).lower()}, but this data has no sentiment column; its "
            f"columns are {list(data.feature_names)}: name one in data.sentiment.columns, or "
            "choose other data"
        )
    shown = data.sentiment
    if sentiment == SHUFFLED:
        shown = shown[np.random.default_rng(0).permutation(data.n_days)]
    return np.concatenate([chosen, shown], axis=1)


def finrl_blocked(features: FloatArray) -> BoolArray | None:
    """Mark the (n_days, n_stocks) where FinRL takes a first feature of 1.0 for "do not trade".

    Returns:
        None where there is no such value.
    """
    if features.shape[1] == 0:
        raise ValueError("finrl_compat needs at least one indicator: FinRL fails without")
    blocked: BoolArray = features[:, 0, :] == 1.0
    return blocked if blocked.any() else None

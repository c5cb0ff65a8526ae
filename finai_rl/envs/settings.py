"""What an environment's settings must satisfy, and what they select from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from finai_rl.config.tickers.ticker_file import TickerFile
from finai_rl.config.tickers.ticker_keys import by_ticker, listed, unknown_names
from finai_rl.data.market import MarketData
from finai_rl.type_aliases import BoolArray, FloatArray


def check_range(name: str, value: float, least: float) -> None:
    """Refuse a setting below its least value, infinite, or not a number."""
    if not least <= value < np.inf:
        raise ValueError(f"{name} must be at least {least} and finite, got {value}")


def check_opening_shares(data: MarketData, shares: FloatArray) -> None:
    """Refuse shares of a stock that is listed only after the first day."""
    if data.listed is None:
        return
    not_yet = ~data.listed[0] & data.listed.any(axis=0) & (shares != 0)
    if not_yet.any():
        names = ", ".join(repr(data.tickers[stock]) for stock in np.flatnonzero(not_yet)[:5])
        raise ValueError(
            f"num_stock_shares: {names} is not listed yet on {data.day_names[0]}: leave it out"
        )


def refuse_unlisted(data: MarketData) -> None:
    """Refuse a market in which stocks come and go, which FinRL's arithmetic does not know."""
    if data.listed is not None and not data.listed.all():
        raise ValueError(
            "FinRL's arithmetic (env=finrl, env.finrl_compat=true) trades every stock on every "
            "day, and here some are listed late or delisted: set data.universe=common_period or "
            "common_tickers, or choose env=stock_trading or env=portfolio"
        )


def check_risk(data: MarketData, turbulence_threshold: float | None) -> None:
    """Refuse a threshold that is no number, or on data without a risk index."""
    if turbulence_threshold is not None and np.isnan(turbulence_threshold):
        raise ValueError("turbulence_threshold must be a number, or null to ignore the risk index")
    if turbulence_threshold is not None and data.risk is None:
        raise ValueError(
            "turbulence_threshold needs a risk index, and this data has none: set "
            "env.turbulence_threshold=null, or where the source has a risk index set data.risk to "
            "its name"
        )


def per_stock(
    name: str, value: float | Sequence[float] | Mapping[str, float], data: MarketData
) -> FloatArray:
    """Return a setting as (n_stocks,) float64.

    Args:
        name: What messages call it; a name ending in ``cost_pct`` is held below 1.
        value: One number for all stocks, one per stock in ticker order, or numbers by ticker.
            Tickers left out count as 0 for shares; a cost or rate must name every ticker. A key
            that YAML has read as a number or a truth value is the ticker that it was read from,
            see :func:`~finai_rl.config.tickers.ticker_keys.by_ticker`.
        data: The market.

    Raises:
        ValueError: If a ticker is unknown or left out, or a number is out of range.
    """
    is_cost = name.endswith("cost_pct")
    names_all = is_cost or name.endswith("rate")
    if isinstance(value, Mapping):
        value = _in_order(name, value, data.tickers, names_all=names_all)
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


def _in_order(
    name: str, values: Mapping[Any, float], tickers: Sequence[str], *, names_all: bool
) -> list[float]:
    file = TickerFile.of(name, values)
    try:
        values = by_ticker(values, tickers)
    except ValueError as error:
        raise ValueError(f"{name} by ticker: {error}") from None
    if unknown := [ticker for ticker in values if ticker not in set(tickers)]:
        where = f" of {file.path}" if file else ""
        told = unknown_names(unknown, tickers, file.lines if file else None)
        raise ValueError(f"{name} by ticker{where}: the data has no {told}")
    left_out = [ticker for ticker in tickers if ticker not in values]
    if names_all and left_out:
        where = f" of {file.path}" if file else ""
        raise ValueError(
            f"{name} by ticker{where}: there is none for {listed(left_out)}; it must name each of "
            f"the data's {len(tickers)} tickers"
        )
    return [values.get(ticker, 0.0) for ticker in tickers]


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
    """Select the (n_days, n_features, n_stocks) features that FinRL's state holds, sentiment last.

    Args:
        data: The market.
        indicators: Names of features; None for all.
        sentiment: As for :func:`chosen_sentiment`.

    Raises:
        ValueError: If a feature or the sentiment is not there.
    """
    names = data.feature_names if indicators is None else indicators
    mood, _ = chosen_sentiment(data, sentiment)
    return np.concatenate([chosen_indicators(data, names), mood], axis=1)


def chosen_indicators(data: MarketData, names: Sequence[str]) -> FloatArray:
    """Return (n_days, len(names), n_stocks) features.

    Raises:
        ValueError: If one is not there, or named twice.
    """
    if twice := sorted({name for name in names if list(names).count(name) > 1}):
        raise ValueError(f"indicators: {twice} named twice; each once")
    missing = [name for name in names if name not in data.feature_names]
    if missing:
        raise ValueError(
            f"indicators: {missing} not in this data; it has {list(data.feature_names)}"
        )
    return data.features[:, [data.feature_names.index(name) for name in names]]


def chosen_sentiment(data: MarketData, sentiment: bool | str) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the (n_days, n_sentiment, n_stocks) sentiment that a state holds, and its names.

    Args:
        data: The market.
        sentiment: Whether sentiment is part of it; ``"shuffled"`` for a placebo, in which the
            days of this data have exchanged their sentiment at random.

    Raises:
        ValueError: If there is no sentiment.
    """
    if sentiment not in (True, False, SHUFFLED):
        raise ValueError(f"sentiment must be true, false or {SHUFFLED}, got {sentiment!r}")
    if not sentiment:
        return np.zeros((data.n_days, 0, data.n_stocks)), ()
    if data.sentiment is None:
        raise ValueError(
            f"sentiment={str(sentiment).lower()}, but this data has no sentiment column; its "
            f"columns are {list(data.feature_names)}: name one in data.sentiment.columns, or "
            "choose other data"
        )
    shown = data.sentiment
    if sentiment == SHUFFLED:
        shown = shown[np.random.default_rng(0).permutation(data.n_days)]
    return shown, data.sentiment_names


def finrl_observation_names(
    data: MarketData, indicators: Sequence[str] | None, sentiment: bool | str
) -> tuple[str, ...]:
    """Name what a state in FinRL's layout holds after its first column, which is cash.

    Args:
        data: The market.
        indicators: As for `state_features`.
        sentiment: As for `state_features`.

    Returns:
        One name for each block of n_stocks columns, in their order.
    """
    features = data.feature_names if indicators is None else indicators
    shown = data.sentiment_names if sentiment else ()
    return ("close", "holdings", *features, *shown)


def finrl_blocked(features: FloatArray) -> BoolArray | None:
    """Mark the (n_days, n_stocks) where FinRL takes a first feature of 1.0 for "do not trade".

    Returns:
        None where there is no such value.
    """
    if features.shape[1] == 0:
        raise ValueError("finrl_compat needs at least one indicator: FinRL fails without")
    blocked: BoolArray = features[:, 0, :] == 1.0
    return blocked if blocked.any() else None

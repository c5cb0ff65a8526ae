"""What of a market an observation shows: FinRL's state, or one that is free of scale."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from finai_rl.data.market import LOOK_BACK, MarketData
from finai_rl.envs.kernels.observing import RELATIVE, SHARES, WEIGHTS
from finai_rl.envs.settings import (
    chosen_indicators,
    chosen_sentiment,
    finrl_observation_names,
)
from finai_rl.type_aliases import BoolArray, FloatArray

FINRL, RELATIVE_STATE, RANKS = "finrl", "relative", "ranks"
OBSERVATIONS = (FINRL, RELATIVE_STATE, RANKS)
"""The choices of ``env.observation``."""

HORIZONS = (1, 5, 21, 63)
"""A day, a week, a month and a quarter, in trading days."""

_DECAY = 0.94
ACCOUNT_BLOCKS = ("weight", "drift", "exit_cost")
"""What a relative observation shows of the account."""


@dataclass(frozen=True, eq=False)
class Observed:
    """Observations of a market, with gaps for what belongs to an account.

    The first column is the account's cash; what follows are blocks of one column per stock.

    Attributes:
        layout: ``SHARES``, ``WEIGHTS`` or ``RELATIVE`` of the kernels: how the gaps are filled.
        blocks: Names of the blocks, in order.
        rows: (n_days, 1 + n_blocks * n_stocks) float32.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=30, n_stocks=2)
        >>> observed = observed_market(market, "relative", None, False, (1, 5), weights=True)
        >>> observed.blocks[:6]
        ('weight', 'drift', 'exit_cost', 'return_1', 'return_5', 'close_to_sma_5')
    """

    layout: int
    blocks: tuple[str, ...]
    rows: NDArray[np.float32]


def observed_market(
    data: MarketData,
    observation: str,
    indicators: Sequence[str] | None,
    sentiment: bool | str,
    horizons: Sequence[int],
    *,
    weights: bool,
) -> Observed:
    r"""Return what of a market an observation shows.

    ``finrl``: closes, then features and sentiment as the data has them.

    ``relative``: nothing that depends on the unit of a price, so that it stays in the range that it
    was learned in. With :math:`r_t` the log return of a stock and :math:`\sigma_t` the root of the
    exponentially weighted mean of its squares (decay 0.94, RiskMetrics 1996):

    * ``return_h``: :math:`\log(p_t / p_{t-h}) / (\sigma_t \sqrt h)`, returns in units of what is
      usual (Lim, Zohren and Roberts, 2019);
    * ``close_to_sma_h``, for horizons above 1: :math:`\log(p_t / SMA_h(t)) / (\sigma_t \sqrt h)`;
    * ``volatility``: :math:`100 \sigma_t`, percent a period;
    * features by :func:`scale_free`, sentiment as it is.

    Fewer days than a horizon asks for are looked back on where there are no more. ``ranks``: each
    of these but sentiment as its rank among the stocks of the day, from -1 to 1.

    Args:
        data: The market; its ``past`` is what the first days look back on.
        observation: One of ``OBSERVATIONS``.
        indicators: Names of features; None for all.
        sentiment: Whether sentiment is part of it, or ``shuffled``.
        horizons: In days, for returns and averages.
        weights: Whether FinRL's state shows holdings as fractions of the account value.

    Raises:
        ValueError: If there is no such observation, a horizon is below 1 or named twice, or a
            feature or the sentiment is not there.
    """
    if observation not in OBSERVATIONS:
        raise ValueError(f"observation must be one of {', '.join(OBSERVATIONS)}, got {observation}")
    names = list(data.feature_names if indicators is None else indicators)
    mood, mood_names = chosen_sentiment(data, sentiment)
    if observation == FINRL:
        features = _neutral(chosen_indicators(data, names), data)
        filled = np.stack([_neutral(data.close, data), np.zeros_like(data.close)], axis=1)
        blocks = finrl_observation_names(data, indicators, sentiment)
        rows = _rows([filled, features, mood])
        return Observed(WEIGHTS if weights else SHARES, blocks, rows)
    market = relative_columns(data, names, horizons)
    if observation == RANKS:
        market = {name: _ranks(values, data.listed) for name, values in market.items()}
    shown = np.stack(list(market.values()), axis=1)
    gaps = np.zeros((data.n_days, len(ACCOUNT_BLOCKS), data.n_stocks))
    blocks = (*ACCOUNT_BLOCKS, *market, *mood_names)
    return Observed(RELATIVE, blocks, _rows([gaps, shown, mood]))


def relative_columns(
    data: MarketData, indicators: Sequence[str], horizons: Sequence[int]
) -> dict[str, FloatArray]:
    """Return the blocks of the market in a relative observation, see :func:`observed_market`.

    Returns:
        (n_days, n_stocks) by name; a day's values use that day and days before it only.
    """
    _check_horizons(horizons)
    whole = data.with_past()
    close, since = whole.close, np.zeros(whole.n_stocks, dtype=np.intp)
    if whole.listed is not None:
        # What is not there is no price; of what is delisted nothing is shown.
        close, since = np.where(whole.listed, close, np.nan), whole.listed.argmax(axis=0)
    price = np.log(close)
    steps = pd.DataFrame(np.diff(price, axis=0, prepend=price[:1]) ** 2)
    variance = steps.iloc[1:].ewm(alpha=1 - _DECAY).mean().to_numpy()
    volatility = np.sqrt(np.vstack([np.zeros((1, whole.n_stocks)), variance]))
    # A stock's first day has no return, and no volatility.
    volatility = np.nan_to_num(volatility)
    columns = {}
    for horizon in horizons:
        before = np.maximum(np.arange(whole.n_days)[:, np.newaxis] - horizon, since)
        moved = price - np.take_along_axis(price, before, axis=0)
        columns[f"return_{horizon}"] = _over(moved, volatility * horizon**0.5)
    for horizon in horizons:
        if horizon > 1:
            average = pd.DataFrame(close).rolling(horizon, min_periods=1).mean().to_numpy()
            gap = price - np.log(average)
            columns[f"close_to_sma_{horizon}"] = _over(gap, volatility * horizon**0.5)
    columns["volatility"] = 100.0 * volatility
    features = chosen_indicators(whole, indicators)
    for row, name in enumerate(indicators):
        values = features[:, row]
        if whole.listed is not None:
            values = np.where(whole.listed, values, np.nan)
        columns[name] = scale_free(name, values, close)
    return {name: _neutral(values, whole)[-data.n_days :] for name, values in columns.items()}


def _neutral(values: FloatArray, data: MarketData) -> FloatArray:
    """Return values (n_days, ..., n_stocks) with 0 for stocks that are not listed on a day."""
    if data.listed is None:
        return values
    days = (slice(None), *(np.newaxis,) * (values.ndim - 2))
    return np.where(data.listed[days], values, 0.0)


def _to_price(values: FloatArray, close: FloatArray) -> FloatArray:
    return values / close


def _to_band(values: FloatArray, close: FloatArray) -> FloatArray:
    return values / close - 1.0


def _to_average(values: FloatArray, close: FloatArray) -> FloatArray:
    return close / values - 1.0


def _centred(values: FloatArray, close: FloatArray) -> FloatArray:
    return (values - 50.0) / 50.0


def _hundredths(values: FloatArray, close: FloatArray) -> FloatArray:
    return values / 100.0


def _against_own_past(values: FloatArray, close: FloatArray) -> FloatArray:
    table = pd.DataFrame(values)
    window = table.rolling(LOOK_BACK, min_periods=1)
    spread = window.std(ddof=0).to_numpy()
    # What rounding leaves of the spread of a constant is no spread.
    largest = table.abs().rolling(LOOK_BACK, min_periods=1).max().to_numpy()
    rounding = 1e-9 * largest
    return _over(values - window.mean().to_numpy(), np.where(spread > rounding, spread, 0.0))


TRANSFORMS: tuple[tuple[str, Callable[[FloatArray, FloatArray], FloatArray]], ...] = (
    (r"macd[sh]?|atr(_\d+)?", _to_price),
    (r"boll(_ub|_lb)?(_\d+)?", _to_band),
    (r"close_\d+_(sma|ema)", _to_average),
    (r"rsi(_\d+)?", _centred),
    (r"cci(_\d+)?|a?dx[r]?(_\d+)?|[pm]di(_\d+)?|wr(_\d+)?|kdj[kdj](_\d+)?", _hundredths),
)
"""How indicators of stockstats lose their unit, by the pattern of their name."""


def scale_free(name: str, values: FloatArray, close: FloatArray) -> FloatArray:
    """Return a feature without its unit.

    ==================================  ===================================================
    ``macd``, ``atr``                   divided by the close
    ``boll_ub``, ``boll_lb``            divided by the close, less 1
    ``close_30_sma``, ``close_60_sma``  the close divided by it, less 1
    ``rsi_30``                          (x - 50) / 50
    ``cci_30``, ``dx_30``               x / 100
    any other                           z-score against the stock's own past, today included, of
                                        at most ``LOOK_BACK`` days
    ==================================  ===================================================

    Args:
        name: The feature's.
        values: (n_days, n_stocks).
        close: (n_days, n_stocks) prices.
    """
    for pattern, transform in TRANSFORMS:
        if re.fullmatch(pattern, name):
            return transform(values, close)
    return _against_own_past(values, close)


def _over(values: FloatArray, unit: FloatArray) -> FloatArray:
    found: FloatArray = np.divide(values, unit, out=np.zeros_like(values), where=unit > 0)
    return found


def _ranks(values: FloatArray, listed: BoolArray | None = None) -> FloatArray:
    if listed is not None and not listed.all():
        return _ranks_of_listed(values, listed)
    from scipy.stats import rankdata

    n = values.shape[1]
    # Equal values must not be ranked by what rounding left of them.
    ranks = rankdata(np.round(values, 9), axis=1)
    found: FloatArray = 2.0 * (ranks - 1.0) / (n - 1) - 1.0 if n > 1 else np.zeros_like(values)
    return found


def _ranks_of_listed(values: FloatArray, listed: BoolArray) -> FloatArray:
    from scipy.stats import rankdata

    rounded = np.where(listed, np.round(values, 9), np.nan)
    ranks = rankdata(rounded, axis=1, nan_policy="omit")
    others = listed.sum(axis=1, keepdims=True) - 1
    found = 2.0 * (ranks - 1.0) / np.maximum(others, 1) - 1.0
    return np.where(listed & (others > 0), found, 0.0)


def _rows(blocks: Sequence[FloatArray]) -> NDArray[np.float32]:
    n_days = len(blocks[0])
    cash = np.zeros((n_days, 1))
    flat = [block.reshape(n_days, -1) for block in blocks]
    return np.hstack([cash, *flat], dtype=np.float32)


def _check_horizons(horizons: Sequence[int]) -> None:
    if not len(horizons) or any(days < 1 or days != int(days) for days in horizons):
        raise ValueError(f"horizons must be whole numbers of days from 1, got {list(horizons)}")
    if len(set(horizons)) != len(horizons) or max(horizons) > LOOK_BACK:
        raise ValueError(
            f"horizons must differ and be at most {LOOK_BACK} days, got {list(horizons)}"
        )

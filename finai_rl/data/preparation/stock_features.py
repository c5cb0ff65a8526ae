"""Features of one ticker at a time from its own past: stockstats indicators and a user's own."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from stockstats import StockDataFrame, StockStatsError, dft_windows

from finai_rl.data.preparation.raw_prices import COLUMNS
from finai_rl.errors import InputError

Compute = Callable[[pd.DataFrame], Any]
"""From one ticker's open, high, low, close and volume, indexed by date, to columns."""

SMOOTHED = {"dx": 14, "adx": 20, "adxr": 26, "kst": 45}
"""Periods that stockstats averages over by default where its table of windows has none."""


def stock_features(
    rows: pd.DataFrame, indicators: Sequence[str], user: Compute | None
) -> pd.DataFrame:
    """Compute features ticker by ticker, after checking that none of them looks ahead.

    Args:
        rows: A panel sorted by ``date`` and ``tic`` with open, high, low, close, volume, of each
            ticker without a gap between its first date and its last.
        indicators: stockstats names, e.g. ``rsi_30`` or ``close_60_sma``.
        user: A function of one ticker's frame (a copy, indexed by date) that returns a DataFrame,
            or a Series with a name, of as many rows.

    Returns:
        One column per feature, float64, on the index of ``rows``. Values before a window has
        filled are what stockstats or the function makes of them, NaN included.

    Raises:
        InputError: If a feature is unknown, looks ahead, or has the wrong shape.
    """
    there = [name for name in COLUMNS[2:] if name in rows]
    _refuse_absent(rows, there, indicators)
    codes, tickers = pd.factorize(rows["tic"], sort=True)
    longest = int(np.bincount(codes).argmax())
    columns: list[str] | None = None
    values = np.empty((0, 0))
    for number, ticker in enumerate(tickers):
        own = np.flatnonzero(codes == number)
        dates = pd.DatetimeIndex(rows["date"].iloc[own], name="date")
        frame = pd.DataFrame({name: rows[name].to_numpy()[own] for name in there}, index=dates)
        found = _features(frame, indicators, user, thorough=number == longest, ticker=ticker)
        if columns is None:
            columns = list(found.columns)
            values = np.empty((len(rows), len(columns)))
        if list(found.columns) != columns:
            raise InputError(
                f"features: columns {list(found.columns)} for {ticker}, "
                f"but {columns} for {tickers[0]}; return the same for every ticker"
            )
        values[own] = found.to_numpy()
    return pd.DataFrame(values, columns=columns, index=rows.index)


def _refuse_absent(rows: pd.DataFrame, there: Sequence[str], indicators: Sequence[str]) -> None:
    """Refuse indicators that need a price that the panel has not."""
    if not (absent := [name for name in COLUMNS[2:] if name not in there]):
        return
    frame = pd.DataFrame({name: rows[name].iloc[:3].to_numpy() for name in there})
    computed = [name for name in indicators if _can_be_computed(frame, name)]
    if refused := [name for name in indicators if name not in computed]:
        whole = frame.assign(**dict.fromkeys(absent, 1.0))
        if unknown := [name for name in refused if not _can_be_computed(whole, name)]:
            ohlcv_indicators(whole, unknown)
        raise InputError(
            f"indicators: {', '.join(refused)} need some of {', '.join(absent)}, which these "
            f"prices have not; set 'indicators=[{','.join(computed)}]'"
        )


def _can_be_computed(frame: pd.DataFrame, name: str) -> bool:
    try:
        ohlcv_indicators(frame, [name])
    except InputError:
        return False
    return True


def _features(
    frame: pd.DataFrame,
    indicators: Sequence[str],
    user: Compute | None,
    *,
    thorough: bool,
    ticker: str,
) -> pd.DataFrame:
    found = ohlcv_indicators(frame, indicators)
    last = len(frame) - 2
    days = sorted({max(len(frame) // 4, 0), len(frame) // 2, last}) if thorough else []
    if indicators and days:
        _refuse_look_ahead(lambda part: ohlcv_indicators(part, indicators), frame, days, ticker)
    if user is None:
        return found
    # Another day for every ticker: what looks ahead may do so for some data only.
    days = days or [last * (sum(map(ord, ticker)) % 7 + 1) // 8]
    _refuse_look_ahead(lambda part: _user_columns(user, part), frame, days, ticker)
    own = _user_columns(user, frame)
    if twice := sorted(set(own.columns) & {*found.columns, *COLUMNS}):
        raise InputError(f"features: {twice} are columns already; give yours other names")
    return pd.concat([found, own], axis=1)


def ohlcv_indicators(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Compute stockstats indicators of one ticker.

    Args:
        frame: (n_dates,) rows with open, high, low, close, volume.
        names: stockstats names.

    Raises:
        InputError: If stockstats does not know a name, or it needs another column.
    """
    # stockstats greets each retyped frame at INFO
    logging.getLogger("stockstats").setLevel(logging.WARNING)
    stock = StockDataFrame.retype(frame.copy())
    columns = {}
    for name in names:
        try:
            with warnings.catch_warnings(action="ignore"):
                columns[name] = stock[name].to_numpy(dtype=np.float64)
        except (LookupError, ValueError, TypeError, UserWarning, StockStatsError) as error:
            raise InputError(
                f"indicators: stockstats cannot compute {name!r} ({error}); names are such as "
                "macd, rsi_30, close_60_sma, boll_ub, atr_14"
            ) from None
    return pd.DataFrame(columns, index=frame.index)


def _user_columns(user: Compute, frame: pd.DataFrame) -> pd.DataFrame:
    try:
        found = user(frame.copy())
    except InputError:
        raise
    except Exception as error:  # a function of the user may fail in any way
        raise InputError(
            f"features: the function failed: {type(error).__name__}: {error}"
        ) from error
    if isinstance(found, pd.Series) and found.name is not None:
        found = found.to_frame()
    if not isinstance(found, pd.DataFrame) or not found.index.equals(frame.index):
        said = type(found).__name__
        if isinstance(found, pd.DataFrame):
            said += f" of {len(found)} rows, or on another index"
        raise InputError(
            "features: the function must return a DataFrame, or a Series with a name, on the "
            f"index of the {len(frame)} rows it was given; got a {said}"
        )
    try:
        return found.astype(np.float64).rename(columns=str)
    except (TypeError, ValueError) as error:
        raise InputError(f"features: columns must hold numbers: {error}") from None


def _refuse_look_ahead(
    compute: Callable[[pd.DataFrame], pd.DataFrame],
    frame: pd.DataFrame,
    days: Iterable[int],
    ticker: str,
) -> None:
    """Refuse columns whose past is not bit-identical when every later row is another."""
    before = compute(frame)
    rng = np.random.default_rng(0)
    for day in days:
        if not 0 <= day < len(frame) - 1:
            continue
        after = compute(_with_another_future(frame, day, rng))
        leaking = [
            name
            for name in before.columns
            if name not in after
            or not np.array_equal(
                before[name].to_numpy()[: day + 1], after[name].to_numpy()[: day + 1], True
            )
        ]
        if leaking and not before.equals(compute(frame)):
            raise InputError(
                f"features: {leaking} differ each time they are computed: "
                "call its generator with a seed"
            )
        if leaking:
            raise InputError(
                f"{leaking} look ahead: their values up to {frame.index[day]} change when "
                f"prices after it do (seen with {ticker}); leave them out"
            )


def _with_another_future(frame: pd.DataFrame, day: int, rng: np.random.Generator) -> pd.DataFrame:
    later = len(frame) - day - 1
    changed = frame.copy()
    factors = rng.uniform(0.5, 2.0, (later, 1))
    changed.iloc[day + 1 :] = frame.iloc[day + 1 :].to_numpy()[rng.permutation(later)] * factors
    return changed


def warm_up_periods(indicators: Sequence[str]) -> dict[str, int]:
    """Return after how many periods the windows of each indicator have filled.

    The numbers in a name are its windows; without any, stockstats' defaults are. Windows on top
    of one another (``macd``: 12, 26, then 9) add up, so that the count is never too small.
    Exponential averages (``macd``, ``rsi``, ``dx``) go on fading after it.
    """
    return {name: _windows(name) for name in indicators}


def _windows(name: str) -> int:
    if numbers := re.findall(r"\d+", name):
        return sum(map(int, numbers))
    if name in SMOOTHED:
        return SMOOTHED[name]
    stems = (name[:length] for length in range(len(name), 0, -1))
    default = next(filter(None, map(dft_windows, stems)), "1")
    return sum(map(int, default.split(",")))

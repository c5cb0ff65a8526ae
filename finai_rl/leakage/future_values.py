"""Columns that are, value by value, something of a later day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.leakage.finding import Finding, Verdict
from finai_rl.leakage.panel import longest_listed, observed_columns, price_columns, where_listed
from finai_rl.type_aliases import BoolArray, FloatArray

CHECK = "equals a later value"
TOLERANCE = 0.01
"""Largest median error of an equality, as a share of the column's median change per period."""

LEAST_DAYS = 30
SHARE_OF_STOCKS = 0.8
LABELS = (10, 15, 20, 21, 22, 42, 60, 63, 126, 252)
"""Further horizons, in periods, of the forward returns that files have as labels."""


def affine_error(column: FloatArray, other: FloatArray) -> float:
    """Return how far a column is from being a + b times another, stock by stock.

    Args:
        column: (n_days, n_stocks or 1).
        other: The same shape, or broadcast to it. What is not finite in either is left out.

    Returns:
        The error that ``SHARE_OF_STOCKS`` of the stocks with ``LEAST_DAYS`` known days stay below:
        the median absolute residual of least squares over the median absolute change per period.
        Infinite for constants and for columns that hardly ever change.
    """
    known = np.isfinite(column) & np.isfinite(other)
    judged, days = known.sum(axis=0) >= LEAST_DAYS, known.any(axis=1)
    if not judged.any():
        return np.inf
    known = known[days][:, judged]
    column = column[days][:, judged]
    other = np.broadcast_to(other, (len(other), len(judged)))[days][:, judged]
    x, y = _centred(column, known), _centred(other, known)
    xx, yy, xy = (x * x).sum(axis=0), (y * y).sum(axis=0), (x * y).sum(axis=0)
    varies = (xx > 0) & (yy > 0)
    related = varies & (xy * xy >= 0.9 * xx * yy)
    # Most pairs are unrelated: leave the medians to the few that are.
    if related.mean() < SHARE_OF_STOCKS:
        return np.inf
    slope = np.divide(xy, yy, out=np.zeros_like(xy), where=varies)
    residual = _medians(np.abs(x - slope * y), known)
    change = _medians(np.abs(np.diff(column, axis=0)), known[1:] & known[:-1])
    errors = np.divide(residual, change, out=np.full_like(change, np.inf), where=change > 0)
    errors[~related] = np.inf
    return float(np.sort(errors)[int(np.ceil(SHARE_OF_STOCKS * len(errors))) - 1])


def _centred(values: FloatArray, known: BoolArray) -> FloatArray:
    """Return values less their column's mean, 0 where they are not known."""
    kept = values if known.all() else np.where(known, values, 0.0)
    return np.where(known, kept - kept.sum(axis=0) / known.sum(axis=0), 0.0)


def _medians(values: FloatArray, known: BoolArray) -> FloatArray:
    """Return each column's median of what is known, NaN where nothing is."""
    if known.all():
        return np.asarray(np.median(values, axis=0))
    masked: Any = np.ma  # without types
    medians = masked.median(masked.masked_array(values, ~known), axis=0)
    return np.asarray(medians.filled(np.nan))


def _returns(close: FloatArray, shift: int, length: int) -> FloatArray:
    """Return at t the log return over ``length`` periods that ends at t + shift; NaN outside."""
    n_days = len(close)
    ends = np.arange(n_days) + shift
    known = (ends < n_days) & (ends >= 0) & (ends - length >= 0)
    values = np.full_like(close, np.nan)
    values[known] = np.log(close[ends[known]] / close[ends[known] - length])
    return values


def _shifted(values: FloatArray, shift: int) -> FloatArray:
    moved = np.full_like(values, np.nan)
    if shift > 0:
        moved[:-shift] = values[shift:]
    else:
        moved[-shift or 0 :] = values[: shift or None]
    return moved


def _candidates(
    prices: dict[str, FloatArray], shifts: int
) -> Iterator[tuple[str, FloatArray, list[FloatArray]]]:
    """Yield what a later day holds, and what an honest column could hold instead."""
    for name, values in prices.items():
        for scale, level in (("", values), ("log ", np.log(values))):
            honest = [_shifted(level, shift) for shift in range(-1, 1)]
            for shift in range(1, shifts + 1):
                yield f"{scale}{name} of {_when(shift)}", _shifted(level, shift), honest
        if name == "volume":
            continue
        labels = [days for days in LABELS if shifts < days < len(values) - LEAST_DAYS]
        for shift in (*range(1, shifts + 1), *labels):
            for length in {1, shift} if shift <= shifts else {shift}:
                logarithmic = _returns(values, shift, length)
                honest = [_returns(values, 0, length)]
                which = f"{length}-period return of {name} that ends at {_when(shift)}"
                yield f"log {which}", logarithmic, honest
                yield which, np.expm1(logarithmic), [np.expm1(honest[0])]


def _when(shift: int) -> str:
    return f"t+{shift}"


def identity_findings(
    data: MarketData, further: dict[str, FloatArray], proven: Sequence[str], *, shifts: int
) -> Iterator[Finding]:
    """Yield columns that equal something of a later day up to scale, sign and offset.

    Compared with prices, volumes and returns of the next ``shifts`` periods, and with the forward
    returns over each of `LABELS` periods: a leak. Compared with
    the other columns: a leak where the other one is proven, else a warning, as either of the two
    may be shifted.

    Args:
        data: The visible days.
        further: (n_days, n_stocks) prices by name that the panel does not hold, such as highs.
        proven: Columns that are known to be what they are called, on their day.
        shifts: Periods ahead.
    """
    columns = where_listed(data, observed_columns(data))
    prices = {name: values for name, values in further.items() if (values > 0).all()}
    prices = where_listed(data, price_columns(data) | prices)
    best: dict[str, tuple[float, str]] = {}
    for what, later, honest in _candidates(prices, shifts):
        for name, values in columns.items():
            error = _error(values, later)
            if error < min(TOLERANCE, best.get(name, (np.inf, ""))[0]) and all(
                _error(values, known) > 10 * TOLERANCE for known in honest
            ):
                best[name] = error, what
    for name, (error, what) in best.items():
        said = f"at t it is the {what} up to scale and offset (error {error:.1e} of a change)"
        yield Finding(CHECK, name, Verdict.LEAK, f"{said}. {_example(data, columns[name])}")
    rest = {name: values for name, values in columns.items() if name not in best}
    pairs = [*_pairs(rest, proven, shifts)]
    yield from pairs
    if len(rest) > len(pairs):
        said = (
            f"compared with prices, returns and each other up to t+{shifts}, and with forward "
            f"returns over {', '.join(map(str, LABELS))} periods"
        )
        yield Finding(CHECK, f"{len(rest) - len(pairs)} columns", Verdict.PASSED, said)


def _pairs(columns: dict[str, FloatArray], proven: Sequence[str], shifts: int) -> Iterator[Finding]:
    for name, values in columns.items():
        if name in proven:
            continue
        for other, others in columns.items():
            if other == name or others.shape[1] > values.shape[1]:
                continue
            errors = {shift: _error(values, _shifted(others, shift)) for shift in range(shifts + 1)}
            shift = min(errors, key=lambda periods: errors[periods])
            if shift and errors[shift] < TOLERANCE < errors[0] / 10:
                said = f"at t it is {other} of {_when(shift)} up to scale and offset"
                if other in proven:
                    yield Finding(CHECK, name, Verdict.LEAK, said)
                else:
                    said += ": one of them is shifted, check which"
                    yield Finding(CHECK, name, Verdict.WARNING, said)
                break


def _error(values: FloatArray, other: FloatArray) -> float:
    other = other if other.shape[1] >= values.shape[1] else np.broadcast_to(other, values.shape)
    if other.shape[1] > values.shape[1]:
        return np.inf
    return affine_error(values, other)


def _example(data: MarketData, values: FloatArray) -> str:
    stock = longest_listed(data)
    days = np.flatnonzero(data.listed[:, stock]) if data.listed is not None else range(data.n_days)
    day = int(days[len(days) // 2])
    prices = ", ".join(f"{price:g}" for price in data.close[day : day + 3, stock])
    value = values[day, min(stock, values.shape[1] - 1)]
    on = f"{data.tickers[stock]} on {data.day_names[day]}"
    return f"E.g. {on}: {value:g}; closes from then on: {prices}"

"""How much a column knows of returns: information coefficients and how sure they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as student

from finai_rl.data.market import MarketData
from finai_rl.leakage.finding import Finding, Verdict
from finai_rl.leakage.panel import observed_columns, where_listed
from finai_rl.statistics.newey_west import newey_west_lags, newey_west_t
from finai_rl.type_aliases import FloatArray

WINDOW = 20
"""Past periods, today included, against which a value is judged high or low over time."""

LEAST_STOCKS = 5
"""For ranks between stocks."""

LEAST_DAYS = 60
"""For any test."""


@dataclass(frozen=True)
class Association:
    """A rank correlation between a column and the return of one later period.

    Attributes:
        column: The column.
        form: What was made of it, from values up to the same day: ``level``, ``change``,
            ``change of change`` or ``ratio to close``.
        across: ``stocks`` (ranks of a day) or ``time`` (against the stock's own past).
        horizon: 1 for the return from t to t+1, 2 for that from t+1 to t+2, ...
        coefficient: The mean information coefficient.
        same_day: The same with the return from t-1 to t, which may be known.
        t_value: Of the mean, with Newey and West's (1987) standard error.
        p_value: Two-sided, Student's t with the 1.5 n / (lags + 1) degrees of freedom of a
            Bartlett-weighted variance (Priestley, 1981): with as many as days, short noise would
            be found significant too often.

    Example:
        >>> returns = np.random.default_rng(0).normal(0.0, 0.01, (250, 5))
        >>> close = 100.0 * np.exp(returns.cumsum(axis=0))
        >>> later = np.roll(returns, -1, axis=0)  # A column that knows the next return.
        >>> found = max(associations("later", later, close, 1), key=lambda each: each.coefficient)
        >>> found.form, found.across, found.horizon, round(found.coefficient, 2)
        ('level', 'stocks', 1, 1.0)
    """

    column: str
    form: str
    across: str
    horizon: int
    coefficient: float
    same_day: float
    t_value: float
    p_value: float


def associations(
    name: str, values: FloatArray, close: FloatArray, horizons: int
) -> Iterator[Association]:
    r"""Yield every association of a column, in every form, with each of the next returns.

    Between stocks, a day's coefficient is Spearman's. Over time, it is the mean over stocks of
    :math:`z_{t,i}\, u_{t+h,i}`, z the value less its mean over the last ``WINDOW`` periods in
    their standard deviations, u the return's rank within its stock. As z uses the past only, the
    products of an honest column have no serial bias; full-sample ranks of a price level would
    (Stambaugh, 1999).

    Args:
        name: The column's.
        values: (n_days, n_stocks), or (n_days, 1) for what all stocks share.
        close: (n_days, n_stocks) positive prices. NaN in either where a stock is not listed.
        horizons: How many later periods, each on its own.
    """
    returns = np.full_like(close, np.nan)
    returns[1:] = close[1:] / close[:-1] - 1.0
    shared = values.shape[1] == 1 and close.shape[1] > 1
    for form, column in _forms(values, close, shared):
        scores = {"time": (_against_its_past(column), _ranks(returns, axis=0))}
        if not shared and close.shape[1] >= LEAST_STOCKS:
            several = (~np.isnan(column)).sum(axis=1, keepdims=True) >= LEAST_STOCKS
            among = np.where(several, _ranks(column, axis=1), np.nan)
            scores["stocks"] = (among, _ranks(returns, axis=1))
        for across, (score, ranked) in scores.items():
            same_day = _coefficient(score * ranked, score, ranked)[0]
            for horizon in range(1, horizons + 1):
                pair = score[:-horizon], ranked[horizon:]
                coefficient, daily = _coefficient(pair[0] * pair[1], *pair)
                if len(daily) < LEAST_DAYS or not np.ptp(daily):
                    continue
                t_value = newey_west_t(daily, horizon)
                freedom = 1.5 * len(daily) / (newey_west_lags(len(daily), horizon) + 1)
                p_value = float(2 * student.sf(abs(t_value), freedom))
                yield Association(
                    name, form, across, horizon, coefficient, same_day, t_value, p_value
                )


def _forms(values: FloatArray, close: FloatArray, shared: bool) -> Iterator[tuple[str, FloatArray]]:
    change = np.full_like(values, np.nan)
    change[1:] = np.diff(values, axis=0)
    twice = np.full_like(values, np.nan)
    twice[2:] = np.diff(values, n=2, axis=0)
    yield "level", values
    yield "change", change
    yield "change of change", twice
    if not shared and ((values > 0) | np.isnan(values)).all():
        yield "ratio to close", values / close


def _against_its_past(column: FloatArray) -> FloatArray:
    """Return (n_days, n_stocks) scores within 3 deviations; NaN before the window is full."""
    scores = np.full_like(column, np.nan)
    if len(column) < WINDOW:
        return scores
    past = np.lib.stride_tricks.sliding_window_view(column, WINDOW, axis=0)
    mean, deviation = past.mean(axis=-1), past.std(axis=-1)
    varies = deviation > 1e-9 * np.abs(mean)
    centered = column[WINDOW - 1 :] - mean
    scaled = np.divide(centered, deviation, out=np.zeros_like(centered), where=varies)
    unknown = np.isnan(centered)
    scores[WINDOW - 1 :] = np.where(unknown, np.nan, np.clip(scaled, -3.0, 3.0))
    return scores


def _ranks(values: FloatArray, axis: int) -> FloatArray:
    """Return ranks with mean 0 and mean square 1 along an axis, 0 where all are equal."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=axis, keepdims=True), 1)
    ranks = np.where(known, rankdata(values, axis=axis, nan_policy="omit"), 0.0)
    centered = np.where(known, ranks - ranks.sum(axis=axis, keepdims=True) / count, 0.0)
    deviation = np.sqrt((centered**2).sum(axis=axis, keepdims=True) / count)
    ranked: FloatArray = np.divide(
        centered, deviation, out=np.zeros_like(centered), where=deviation > 0
    )
    return np.where(known, ranked, np.nan)


def _coefficient(
    products: FloatArray, score: FloatArray, ranked: FloatArray
) -> tuple[float, FloatArray]:
    cells = ~np.isnan(products)
    # A day on which no stock's score differs has no opinion, and must not dilute the rest.
    days = (cells & (np.nan_to_num(score) != 0)).any(axis=1)
    if not days.any():
        return 0.0, np.zeros(0)
    cells, both = cells[days], products[days]
    left, right = (np.broadcast_to(part, products.shape)[days][cells] for part in (score, ranked))
    scale = np.sqrt(np.mean(left**2) * np.mean(right**2))
    sums = np.where(cells, both, 0.0).sum(axis=1)
    daily = sums / cells.sum(axis=1) / scale if scale > 0 else np.zeros(len(cells))
    return float(daily.mean()), daily


def holm(p_values: FloatArray) -> FloatArray:
    """Return p-values that hold for all tests together (Holm, 1979), in the order given."""
    order = np.argsort(p_values)
    count = len(p_values)
    stepped = np.maximum.accumulate(p_values[order] * (count - np.arange(count)))
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


CHECK = "knows later returns"


EXAMPLES = 3


def foresight_findings(
    data: MarketData, *, threshold: float, significance: float, horizons: int
) -> Iterator[Finding]:
    """Yield the columns whose information coefficient nothing honest has.

    A column is named where the coefficient is at least ``threshold`` and significant after Holm's
    correction for every column, form and horizon. Where the prices are themselves generated
    (``data.source.simulated``), a signal as strong as that may be planted without leaking: a
    warning.

    Args:
        data: The visible days.
        threshold: Least absolute coefficient.
        significance: Level of all tests together.
        horizons: Later periods, each on its own.
    """
    columns = where_listed(data, observed_columns(data))
    close = where_listed(data, {"close": data.close})["close"]
    found = [
        association
        for name, values in columns.items()
        for association in associations(name, values, close, horizons)
    ]
    if not found:
        said = f"not tested: fewer than {LEAST_DAYS} days, or no column that varies"
        yield Finding(CHECK, f"{len(columns)} columns", Verdict.WARNING, said)
        return
    adjusted = holm(np.array([association.p_value for association in found]))
    named: dict[str, Association] = {}
    for association, p_value in zip(found, adjusted, strict=True):
        strong = abs(association.coefficient) >= threshold and p_value < significance
        before = named.get(association.column)
        if strong and (not before or abs(association.coefficient) > abs(before.coefficient)):
            named[association.column] = association
    for name, association in named.items():
        yield _finding(data, columns[name], association, threshold)
    rest = [association for association in found if association.column not in named]
    if rest:
        strongest = max(rest, key=lambda association: abs(association.t_value))
        count = len(columns) - len(named)
        said = f"{len(found)} tests; the surest is {_described(strongest)}"
        yield Finding(CHECK, f"{count} column{'s' if count > 1 else ''}", Verdict.PASSED, said)


def _described(association: Association) -> str:
    period = "next period" if association.horizon == 1 else f"period t+{association.horizon}"
    return (
        f"{association.column} ({association.form}, across {association.across}): rank "
        f"correlation {association.coefficient:+.3f} with the return of the {period} "
        f"(t = {association.t_value:.1f}), {association.same_day:+.3f} with the same day's"
    )


def _finding(
    data: MarketData, values: FloatArray, association: Association, threshold: float
) -> Finding:
    generated = "close" in data.source.simulated
    said = f"{_described(association)}; at least {threshold:g} is not honest on real prices"
    if generated:
        said += "; these are generated, where it may be planted: suspicious, but no proof"
    else:
        said += f". {_examples(data, values, association.horizon)}"
    verdict = Verdict.WARNING if generated else Verdict.LEAK
    return Finding(CHECK, association.column, verdict, said)


def _examples(data: MarketData, values: FloatArray, horizon: int) -> str:
    close = where_listed(data, {"close": data.close})["close"]
    later = np.nan_to_num((close[1:] / close[:-1] - 1.0)[horizon - 1 :])
    largest = np.argsort(-np.abs(later).max(axis=1), kind="stable")[:EXAMPLES]
    rows = []
    for day in sorted(map(int, largest)):
        stock = int(np.argmax(np.abs(later[day])))
        value = values[day, min(stock, values.shape[1] - 1)]
        rows.append(
            f"{data.day_names[day]} {data.tickers[stock]} {value:g} before {later[day, stock]:+.1%}"
        )
    return "E.g. " + ", ".join(rows)

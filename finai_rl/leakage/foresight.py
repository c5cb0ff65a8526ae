"""Columns that know more of the next returns than anything honest can."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.leakage.finding import Finding, Verdict
from finai_rl.leakage.information import LEAST_DAYS, Association, associations, holm
from finai_rl.leakage.panel import observed_columns
from finai_rl.type_aliases import FloatArray

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
    columns = observed_columns(data)
    found = [
        association
        for name, values in columns.items()
        for association in associations(name, values, data.close, horizons)
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
    returns = data.close[1:] / data.close[:-1] - 1.0
    later = returns[horizon - 1 :]
    largest = np.argsort(-np.abs(later).max(axis=1), kind="stable")[:EXAMPLES]
    rows = []
    for day in sorted(map(int, largest)):
        stock = int(np.argmax(np.abs(later[day])))
        value = values[day, min(stock, values.shape[1] - 1)]
        rows.append(
            f"{data.day_names[day]} {data.tickers[stock]} {value:g} before {later[day, stock]:+.1%}"
        )
    return "E.g. " + ", ".join(rows)

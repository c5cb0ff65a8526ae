"""Cells that cannot be a price: refused, or counted and taken for missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from finai_rl.data.tables.places import examples
from finai_rl.data.tables.repairs import Change
from finai_rl.data.tables.validation import numbers
from finai_rl.errors import InputError

RULES = ("error", "missing")


def check_rule(rule: str, key: str) -> None:
    """Refuse a rule that is not known.

    Raises:
        InputError: If it is none of :data:`RULES`.
    """
    if rule not in RULES:
        raise InputError(f"{key}.on_bad must be {' or '.join(RULES)}, got {rule!r}")


def without_bad(
    rows: pd.DataFrame,
    numeric: Sequence[str],
    positive: Sequence[str],
    *,
    key: str,
    ranged: tuple[str, str] | None = None,
    tolerance: float = 0.0,
) -> tuple[pd.DataFrame, list[Change]]:
    """Make cells that cannot be what their column holds missing, and count them by kind.

    Args:
        rows: Columns as they stand in the file.
        numeric: Columns of finite numbers, where an empty cell is missing already.
        positive: Those of them that are greater than zero.
        key: Where ``on_bad`` stands in the config.
        ranged: The columns of the high and the low. Of a row whose high is below its low, both
            become missing, as which of them is wrong cannot be told.
        tolerance: The share of a low by which a high may lie below it, as rounding.

    Returns:
        The rows with float64 in these columns, and one change for each kind and column.

    Example:
        >>> rows = pd.DataFrame({"close": ["185.6", "0.0", "n/a"]})
        >>> rows, changes = without_bad(rows, ["close"], ["close"], key="raw")
        >>> rows["close"].tolist(), [change.what for change in changes]
        ([185.6, nan, nan], ['1 cell of close', '1 cell of close'])
    """
    changes: list[Change] = []
    changed: dict[str, pd.Series] = {}
    for name in numeric:
        column, values = rows[name], numbers(rows[name])
        infinite = values.isin([np.inf, -np.inf])
        kinds = {
            "no number": values.isna() & column.notna(),
            "infinite": infinite,
            "zero": (values == 0) & (name in positive),
            "negative": (values < 0) & ~infinite & (name in positive or name == "volume"),
        }
        for kind, bad in kinds.items():
            if bad.any():
                changes.append(_change(f"of {name}", f"{kind}", bad, column, key))
                values = values.mask(bad)
        changed[name] = values
    if ranged and set(ranged) <= {*rows.columns}:
        high, low = (changed.get(name, numbers(rows[name])) for name in ranged)
        bad = high < low * (1 - tolerance)
        if bad.any():
            changes.append(
                _change(f"of {ranged[0]} and {ranged[1]}", "high below low", bad, low, key)
            )
            changed |= {name: changed[name].mask(bad) for name in ranged if name in changed}
    return rows.assign(**changed), changes


def _change(of: str, kind: str, bad: pd.Series, column: pd.Series, key: str) -> Change:
    n = int(bad.sum())
    why = f"{kind}, which cannot be a price ({key}.on_bad=missing): {examples(bad, column)}"
    return Change("emptied", f"{n} cell{'' if n == 1 else 's'} {of}", n, why)

"""Where rows stand in their file, counted and shown."""

from __future__ import annotations

import numpy as np
import pandas as pd

EXAMPLES = 5


def count(mask: pd.Series) -> str:
    """Return how many rows a mask marks, as text."""
    n = int(mask.sum())
    return f"{n} row{'' if n == 1 else 's'}"


def examples(mask: pd.Series, values: pd.Series) -> str:
    """Show the first marked rows by where they stand in the file.

    An index of the name ``line`` or ``row`` says where; without one, it is the line of a CSV
    whose header is line 1.
    """
    marked = np.flatnonzero(mask.to_numpy())
    shown = [f"{place(values, row)} ({_shown(values.iloc[row])})" for row in marked[:EXAMPLES]]
    return ", ".join(shown) + (", ..." if len(marked) > EXAMPLES else "")


def place(rows: pd.Series | pd.DataFrame, position: int) -> str:
    """Return where in its file a row stands, e.g. ``line 7``."""
    if rows.index.name in ("line", "row"):
        return f"{rows.index.name} {rows.index[position]}"
    return f"line {position + 2}"


def _shown(value: object) -> str:
    return "empty" if pd.isna(value) else str(value)[:60]  # type: ignore[call-overload]

"""The warm-up of a panel whose tickers are listed at different times: each has its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from finai_rl.data.tables.places import EXAMPLES
from finai_rl.data.tables.repairs import Change, day_name
from finai_rl.errors import DataError

OF_ALL = "turbulence"
"""The window that all tickers fill together."""


def warmed_up_each(
    rows: pd.DataFrame, values: pd.DataFrame, where: str, windows: Mapping[str, int]
) -> tuple[pd.DataFrame, list[Change]]:
    """Drop each ticker's first rows until its windows have filled: it is listed from then on.

    Args:
        rows: Sorted by ``date`` and ``tic``, of each ticker without a gap.
        values: Its features, on the same index.
        where: The file, for messages.
        windows: Rows that each feature needs before it counts; ``turbulence`` in dates of all.

    Raises:
        DataError: If fewer than two dates are left, or a value is missing after its window.
    """
    own = max((n for name, n in windows.items() if name != OF_ALL), default=0)
    age = rows.groupby("tic").cumcount()
    finite = pd.Series(np.isfinite(values.to_numpy()).all(axis=1), index=rows.index)
    known = finite.groupby(rows["tic"]).cummax() & (age >= own)
    dates = np.sort(rows["date"].unique())
    start = min(windows.get(OF_ALL, 0), len(dates) - 1)
    kept = known & (rows["date"] >= dates[start])
    if rows.loc[kept, "date"].nunique() < 2:
        said = f"{len(dates)} dates, and each ticker's first {own} go to fill windows"
        raise DataError(where, [f"{said}: fewer than 2 are left; give more dates"])
    broken = kept & ~finite
    if broken.any():
        shown = [
            f"{row.tic} on {day_name(row.date)}"
            for row in rows.loc[broken].head(EXAMPLES).itertuples()
        ]
        told = f"{int(broken.sum())} rows lack a feature after its window: {', '.join(shown)}"
        raise DataError(where, [f"{told}; leave it out of indicators, or look at the prices there"])
    n = int((~kept).sum())
    gone = sorted(set(rows["tic"]) - set(rows.loc[kept, "tic"]))
    why = f"each ticker is listed from the date on which its windows have filled ({own} rows"
    why += f", {start} dates for {OF_ALL})" if start else ")"
    why += f"; no row is left of {', '.join(gone[:EXAMPLES])}" if gone else ""
    change = Change("dropped", f"the first rows of each ticker, {n} in all", n, why)
    return rows[kept].reset_index(drop=True), [change] if n else []

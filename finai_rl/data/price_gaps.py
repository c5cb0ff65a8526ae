"""Raw prices that are missing on some dates: refused, left out, or carried forward."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from finai_rl.data.changes import Change
from finai_rl.data.validation import EXAMPLES, count
from finai_rl.errors import DataError


def complete(
    rows: pd.DataFrame, where: str, on_missing: str, key: str
) -> tuple[pd.DataFrame, list[Change]]:
    """Give every ticker a row on every date, or refuse.

    Args:
        rows: date, tic, open, high, low, close, volume, each date and ticker once; NaN is missing.
        where: The file, for messages.
        on_missing: ``"error"``, ``"drop_ticker"`` or ``"forward_fill"``.
        key: Where that setting stands in the config, for messages.

    Returns:
        The panel sorted by date and ticker, and what was done to it.

    Raises:
        DataError: If something is missing and may not, or cannot, be dropped or filled.
    """
    grid = pd.MultiIndex.from_product(
        [np.sort(rows["date"].unique()), sorted(rows["tic"].unique())], names=["date", "tic"]
    )
    panel = rows.set_index(["date", "tic"]).reindex(grid)
    missing = panel.isna().any(axis=1)
    if not missing.any():
        return panel.reset_index(), []
    if on_missing == "drop_ticker":
        return _without_gappy(panel, missing, where)
    if on_missing == "forward_fill":
        return _carried(panel, missing, where, key)
    listed = "; ".join(_gaps(missing))
    raise DataError(
        where,
        [
            f"every ticker needs every price on every date, but {int(missing.sum())} are missing: "
            f"{listed}. Set {key}.on_missing=drop_ticker to leave such tickers out, or "
            "forward_fill to carry a ticker's own last price forward"
        ],
    )


def _gaps(missing: pd.Series) -> Iterator[str]:
    by_ticker = missing.groupby("tic").sum()
    worst = by_ticker[by_ticker > 0].sort_values(ascending=False, kind="stable")
    for ticker, number in worst.iloc[:EXAMPLES].items():
        first = missing.index[missing.to_numpy() & (missing.index.get_level_values(1) == ticker)]
        yield f"{ticker!r} lacks {number} (first {day_name(first[0][0])})"
    if len(worst) > EXAMPLES:
        yield f"... ({len(worst)} tickers)"


def day_name(date: pd.Timestamp) -> str:
    """Return a date as ISO text; the time of day is shown only where there is one."""
    return str(date.date()) if date == date.normalize() else str(date)


def _without_gappy(
    panel: pd.DataFrame, missing: pd.Series, where: str
) -> tuple[pd.DataFrame, list[Change]]:
    gappy = sorted(missing.index.get_level_values("tic")[missing].unique())
    kept = panel[~panel.index.get_level_values("tic").isin(gappy)].reset_index()
    if kept.empty:
        listed = "; ".join(_gaps(missing))
        raise DataError(where, [f"no ticker has every price on every date: {listed}"])
    why = (
        f"a price is missing on some date: {', '.join(gappy)}. Those left are survivors: results "
        "on them are better than a trader of the time could have had"
    )
    return kept, [Change("dropped", f"{len(gappy)} ticker(s)", len(gappy), why)]


def _carried(
    panel: pd.DataFrame, missing: pd.Series, where: str, key: str
) -> tuple[pd.DataFrame, list[Change]]:
    by_ticker = panel.groupby("tic")
    previous = by_ticker["close"].ffill().groupby("tic").shift()
    filled = panel.assign(
        open=panel["open"].fillna(previous), close=panel["close"].fillna(previous)
    )
    filled["high"] = panel["high"].fillna(filled[["open", "close"]].max(axis=1))
    filled["low"] = panel["low"].fillna(filled[["open", "close"]].min(axis=1))
    filled["volume"] = panel["volume"].fillna(0.0)
    if (late := filled[["open", "close"]].isna().any(axis=1)).any():
        listed = "; ".join(_gaps(late))
        raise DataError(
            where,
            [
                "prices can be carried forward only, and there is no earlier one for "
                f"{int(late.sum())} rows: {listed}. Start the file later, or set "
                f"{key}.on_missing=drop_ticker"
            ],
        )
    gap = panel["close"].isna()
    runs = gap.groupby([gap.index.get_level_values("tic"), (~gap).groupby("tic").cumsum()]).sum()
    why = (
        "a missing close or open took the ticker's own last close, a missing high or low the "
        "larger or smaller of open and close, a missing volume 0; the longest run without a close "
        f"is {int(runs.max())} dates: {'; '.join(_gaps(missing))}"
    )
    return filled.reset_index(), [Change("filled", count(missing), int(missing.sum()), why)]

"""A rule or a date that a message recommends is one that is accepted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.preparation.raw_prices import PRICES, load_raw_prices
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.errors import InputError
from tests.data.raw_panels import raw_panel

Load = Callable[[Path, str], object]
REMEDY = re.compile(r"\.on_missing=(\w+)(?: on a file that starts on ([\d-]+))?")


def gone(*where: tuple[int, int]) -> pd.DataFrame:
    """Take rows of 12 dates and 3 tickers away, by date and ticker."""
    return raw_panel(12).drop(index=[3 * date + ticker for date, ticker in where])


def empty(column: str, *where: tuple[int, int]) -> pd.DataFrame:
    rows = raw_panel(12).astype({column: float})
    rows.loc[[3 * date + ticker for date, ticker in where], column] = np.nan
    return rows


GAPS = {
    "one ticker within": (gone((4, 1), (5, 1)), {"drop_ticker", "forward_fill"}),
    "one ticker at the end": (gone((11, 2)), {"drop_ticker", "forward_fill"}),
    "a ticker that starts late": (gone((0, 1), (1, 1)), {"drop_ticker", "2018-01-03"}),
    "late, and another with a gap there": (
        gone((0, 1), (1, 1), (2, 0), (5, 0)),
        {"drop_ticker", "2018-01-04"},
    ),
    "every ticker within": (gone((3, 0), (4, 1), (5, 2)), {"forward_fill"}),
    "every ticker, one late": (gone((0, 0), (4, 1), (5, 2)), {"2018-01-02"}),
    "no date with all": (gone(*((date, date % 3) for date in range(12))), set()),
    "an empty price at the start": (empty("close", (0, 1)), {"drop_ticker", "2018-01-02"}),
    "an empty volume at the start": (empty("volume", (0, 1)), {"drop_ticker", "forward_fill"}),
}


def raw(file: Path, rule: str) -> object:
    return load_raw_prices(str(file), adjust="never", on_missing=rule)


def processed(file: Path, rule: str) -> object:
    return load_processed_csv(str(file), on_missing=rule, open="open", volume="volume")


@pytest.mark.parametrize("load", [raw, processed])
@pytest.mark.parametrize("name", GAPS)
@pytest.mark.parametrize("rule", ["error", "drop_ticker", "forward_fill"])
def test_what_a_refusal_recommends_is_accepted(
    rule: str, name: str, load: Load, tmp_path: Path
) -> None:
    rows, helps = GAPS[name]
    rows.to_csv(file := tmp_path / "prices.csv", index=False)
    by_cells = "empty" in name and load is processed and rule == "error"
    try:
        load(file, rule)
    except InputError as refusal:
        told = str(refusal)
    else:
        assert rule in helps
        return
    found = [] if by_cells else REMEDY.findall(told.partition("What helps: ")[2])
    assert by_cells or {start or helped for helped, start in found} == helps - {rule}
    for helped, start in found:
        rows[rows["date"] >= start].to_csv(file, index=False)
        load(file, helped)
    assert found or by_cells or "a file with fewer gaps" in told


def test_prices_that_are_all_there_need_no_rule(tmp_path: Path) -> None:
    raw_panel(12)[["date", "tic", *PRICES, "volume"]].to_csv(tmp_path / "p.csv", index=False)
    raw(tmp_path / "p.csv", "error")

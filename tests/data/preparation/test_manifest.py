"""A prepared file, read again by the source that trains on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.data import load_processed_csv
from finai_rl.data.preparation.manifest import write_panel
from finai_rl.data.preparation.raw_prices import PRICES
from finai_rl.errors import DataError
from tests.data.raw_panels import prepared, raw_panel

EVERY: dict[str, Any] = {"indicators": ["high", "low"], "open": "open", "volume": "volume"}


def with_gaps() -> pd.DataFrame:
    """Take from a raw panel two rows in a row, every cell of a third, some cells, and an end.

    All but T0 have some of these.
    """
    raw = raw_panel(20).astype({"volume": float})
    raw.loc[22, [*PRICES, "volume"]] = np.nan  # T1 on the eighth date
    raw.loc[32, "open"] = np.nan
    raw.loc[31, "high"] = np.nan
    raw.loc[35, ["low", "volume"]] = np.nan
    raw.loc[40, "close"] = np.nan  # its last close lies outside of that row's high and low
    return raw.drop(index=[10, 13, 59])


@pytest.mark.parametrize("name", ["panel.csv", "panel.parquet"])
def test_a_gap_is_filled_as_the_source_fills_it(name: str, tmp_path: Path) -> None:
    raw = with_gaps()
    panel = prepared(raw, tmp_path, on_missing="forward_fill", indicators=[])
    manifest = write_panel(panel, tmp_path / name, inputs={}, settings={})
    ours = load_processed_csv(str(tmp_path / name), **EVERY)
    theirs = load_processed_csv(str(tmp_path / "raw.csv"), on_missing="forward_fill", **EVERY)
    assert ours.tickers == theirs.tickers
    assert ours.day_names == theirs.day_names
    for array in ("close", "open", "features", "volume"):
        np.testing.assert_array_equal(getattr(ours, array), getattr(theirs, array))
    assert theirs.source.repaired == {"filled_rows": 4, "filled_cells": 5}
    (change,) = manifest["changes"]
    assert change["what"] == "4 of 60 rows and 5 cells"
    (said,) = [text for text in theirs.source.caveats if "on_missing" in text]
    assert said == f"filled {change['what']}: {change['why']}.".replace("raw.on", "data.on")


def test_the_same_tickers_are_dropped(tmp_path: Path) -> None:
    raw = with_gaps()
    panel = prepared(raw, tmp_path, on_missing="drop_ticker", indicators=[])
    write_panel(panel, tmp_path / "panel.csv", inputs={}, settings={})
    with pytest.raises(DataError, match="would leave no ticker"):
        prepared(raw.drop(index=0), tmp_path, on_missing="drop_ticker", indicators=[])
    ours = load_processed_csv(str(tmp_path / "panel.csv"), **EVERY)
    assert ours.tickers == ("T0",)

"""A prepared file, read again by the source that trains on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.data import load_processed_csv
from finai_rl.data.preparation import manifest as manifests
from finai_rl.data.preparation.manifest import hashes_of, write_panel
from finai_rl.data.preparation.raw_prices import PRICES
from finai_rl.data.tables.dates import parse_dates
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
    assert ours.source.stale == theirs.source.stale == {"T2": 1}
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


def test_an_input_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "raw.csv"
    raw_panel(20).to_csv(file, index=False)
    read = hashes_of({"raw": str(file)})
    panel = prepared(raw_panel(20), tmp_path, indicators=[])
    raw_panel(30).to_csv(file, index=False)
    named: dict[str, Any] = {"inputs": {"raw": str(file)}, "settings": {}, "read": read}
    with pytest.raises(DataError, match="has changed while it was read"):
        write_panel(panel, tmp_path / "panel.csv", **named)
    assert not (tmp_path / "panel.csv").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_nothing_is_left_of_a_panel_that_is_broken_off(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = prepared(raw_panel(20), tmp_path, indicators=[])
    there = {file.name for file in tmp_path.iterdir()}

    def broken_off(*_: object) -> str:
        raise error

    monkeypatch.setattr(manifests, "content_hash", broken_off)
    with pytest.raises((error, DataError)):
        write_panel(panel, tmp_path / "panel.csv", inputs={}, settings={})
    assert {file.name for file in tmp_path.iterdir()} == there


@pytest.mark.parametrize(
    ("step", "second"),
    [("1D", "2020-01-02"), ("1s", "2020-01-01 00:00:01"), ("1500ms", "2020-01-01 00:00:01.500000")],
)
def test_times_are_written_whole(step: str, second: str) -> None:
    dates = pd.Series(pd.date_range("2020-01-01", periods=3, freq=step))
    assert manifests._date_texts(dates)[1] == second
    read, problems = parse_dates(manifests._date_texts(dates).astype(str))
    assert not problems
    assert read.tolist() == dates.tolist()

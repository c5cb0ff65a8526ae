"""What looks like a split is found with its line and factor, and nothing is changed untold."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from finai_rl.data import load_processed_csv
from finai_rl.data.listings.splits import SPLITS, find_jumps
from finai_rl.data.preparation.raw_prices import PRICES, RawPrices, load_raw_prices
from finai_rl.errors import DataError, InputError
from tests.data.raw_panels import raw_panel

DAY = "2018-03-05"
LINE = 45 * 3 + 2 + 1


def split(rows: pd.DataFrame, factor: float, volume: float | None = None) -> pd.DataFrame:
    """Put T1's prices before DAY on the scale of before a split of ``factor`` new shares for 1."""
    before = (rows["tic"] == "T1") & (rows["date"] < DAY)
    rows = rows.astype(dict.fromkeys((*PRICES, "volume"), float))
    rows.loc[before, list(PRICES)] *= factor
    rows.loc[before, "volume"] /= factor if volume is None else volume
    return rows


def load(rows: pd.DataFrame, folder: Path, splits: list[str] | None = None) -> RawPrices:
    rows.to_csv(folder / "raw.csv", index=False)
    how = {"adjust": "auto", "on_missing": "error", "splits": splits}
    return load_raw_prices(str(folder / "raw.csv"), **how)


@pytest.mark.parametrize(
    ("factor", "written"),
    [(2, "2"), (3, "3"), (4, "4"), (1.5, "3/2"), (20, "20"), (0.1, "1/10"), (1 / 3, "1/3")],
)
def test_a_split_is_told_with_line_and_factor(factor: float, written: str, tmp_path: Path) -> None:
    (told,) = [c for c in load(split(raw_panel(), factor), tmp_path).changes if c.what == SPLITS]
    assert f"T1 on {DAY} (line {LINE})" in told.why
    assert "looks like" in told.why
    (setting,) = shlex.split(told.why[told.why.index("set '") + 4 : told.why.index(", or give")])
    parsed = OverridesParser.create().parse_override(setting)
    assert (parsed.key_or_group, parsed.value()) == ("raw.splits", [f"T1 {DAY} {written}"])


def test_a_split_that_is_told_is_adjusted_for(tmp_path: Path) -> None:
    whole = load(raw_panel(), tmp_path)
    mended = load(split(raw_panel(), 4), tmp_path, [f"T1 {DAY} 4"])
    pd.testing.assert_frame_equal(mended.rows, whole.rows)
    assert [(change.step, change.what) for change in mended.changes] == [
        ("adjusted", "45 rows of T1")
    ]


@pytest.mark.parametrize(("factor", "written"), [(4, "4"), (3, "3"), (0.1, "1/10")])
def test_volume_that_is_not_adjusted_as_the_adjusted_close_is_is_told(
    factor: float, written: str, tmp_path: Path
) -> None:
    whole = raw_panel()
    # Two files of closes as they were, and their adjusted closes: volume as it was, or adjusted.
    raw, adjusted = split(whole, factor), split(whole, factor, volume=1)
    found = load(raw.assign(adj_close=whole["close"]), tmp_path)
    (told,) = [change.why for change in found.changes if change.what == "volume"]
    assert f"T1 on {DAY}, a split of {written}, volume x" in told
    pd.testing.assert_series_equal(found.rows["volume"], raw["volume"], check_dtype=False)
    np.testing.assert_allclose(found.rows["close"], whole["close"])
    changes = load(adjusted.assign(adj_close=whole["close"]), tmp_path).changes
    assert [change.step for change in changes] == ["adjusted"]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (raw_panel(), "no jump"),
        (split(raw_panel(), 2.45), "between two factors"),
        (split(raw_panel(), 10, volume=0.2), "volume goes the same way"),
    ],
)
def test_what_does_not_look_like_one_is_not_told(
    rows: pd.DataFrame, why: str, tmp_path: Path
) -> None:
    assert load(rows, tmp_path).changes == (), why


def test_a_wrong_tick_that_comes_back_is_no_split() -> None:
    rows = raw_panel()
    rows.loc[45 * 3 + 1, list(PRICES)] /= 2.0
    assert find_jumps(rows) == []


def test_a_fall_within_the_day_is_no_split() -> None:
    rows = split(raw_panel(), 2)
    crash = (rows["tic"] == "T1") & (rows["date"] == DAY)
    rows.loc[crash, ["open", "high"]] *= 2.0
    assert find_jumps(rows) == []
    rows = rows.drop(columns=["open", "volume"])
    assert [str(jump).endswith("no volume to compare") for jump in find_jumps(rows)] == [True]


@pytest.mark.parametrize(
    ("told", "error", "said"),
    [
        ("T1 2018-03-06 4", DataError, "the close moves by a factor of"),
        ("T1 2018-03-05 2", DataError, "the close moves by a factor of 0.2.*not 1/2"),
        ("T7 2018-03-05 4", DataError, "there is no row of this ticker and date"),
        ("T1 2018-01-01 4", DataError, "nothing lies before it"),
        ("T1 2018-03-05", InputError, "cannot be read; write TICKER DATE FACTOR"),
        ("T1 2018-03-05 -4", InputError, "cannot be read"),
    ],
)
def test_a_split_that_is_not_there_is_refused(
    told: str, error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        load(split(raw_panel(), 4), tmp_path, [told])


def test_a_split_may_be_told_with_the_offset_of_the_file(tmp_path: Path) -> None:
    hours = pd.date_range("2020-08-28 09:30", periods=20, freq="h", tz="America/New_York")
    rows = raw_panel(20, 1).assign(date=hours.map(str))
    for name in ("open", "high", "low", "close"):
        rows[name] = np.where(np.arange(20) < 10, 400.0, 100.0)
    found = load(rows, tmp_path, [f"T0 {hours[10]} 4"])
    assert set(found.rows["close"]) == {100.0}


def test_a_processed_file_says_it_and_names_the_way(tmp_path: Path) -> None:
    rows = split(raw_panel(), 2)
    rows["f"] = np.random.default_rng(0).normal(size=len(rows))
    rows.to_csv(tmp_path / "processed.csv", index=False)
    caveats = load_processed_csv(str(tmp_path / "processed.csv"), sentiment=None).source.caveats
    (told,) = [caveat for caveat in caveats if "looks like a split" in caveat]
    assert f"T1 on {DAY} (line {LINE})" in told
    assert f"with 'raw.splits=[T1 {DAY} 2]'" in told

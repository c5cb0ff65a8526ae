"""Tickers that come late or go early: cut, counted, and never in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from finai_rl.data import load_processed_csv
from finai_rl.data.preparation.raw_prices import load_raw_prices
from finai_rl.errors import DataError, InputError
from tests.data.raw_panels import raw_panel

Load = Callable[..., tuple[pd.DataFrame, list[str]]]
N_DATES = 30


def raw(file: Path, **settings: Any) -> tuple[pd.DataFrame, list[str]]:
    found = load_raw_prices(str(file), **{"adjust": "never", "on_missing": "error", **settings})
    return found.rows[["date", "tic", "close"]], [str(change) for change in found.changes]


def processed(file: Path, **settings: Any) -> tuple[pd.DataFrame, list[str]]:
    data = load_processed_csv(str(file), **settings)
    rows = pd.DataFrame(data.close, index=data.dates, columns=list(data.tickers))
    rows = rows.stack().rename_axis(["date", "tic"]).rename("close").reset_index()
    return rows, list(data.source.caveats)


def listed(**spans: tuple[int, int]) -> pd.DataFrame:
    """Take the rows of tickers away that are not from the first to the last of their dates."""
    rows = raw_panel(N_DATES)
    for ticker, (first, last) in spans.items():
        day = rows.index // 3
        rows = rows[(rows["tic"] != ticker) | ((day >= first) & (day <= last))]
    return rows


@pytest.mark.parametrize("load", [raw, processed])
@pytest.mark.parametrize(
    ("universe", "tickers", "span", "said"),
    [
        ("common_period", {"T0", "T1", "T2"}, (5, 20), "dropped 28 of 76 rows on 14 dates"),
        ("common_tickers", {"T0"}, (0, 29), "dropped 2 of 3 tickers"),
    ],
)
def test_what_is_cut_is_counted(
    universe: str, tickers: set[str], span: tuple[int, int], said: str, load: Load, tmp_path: Path
) -> None:
    rows = listed(T1=(5, 29), T2=(0, 20))
    rows.to_csv(file := tmp_path / "prices.csv", index=False)
    found, told = load(file, universe=universe)
    days = raw_panel(N_DATES)["date"].unique()[span[0] : span[1] + 1]
    kept = rows[rows["tic"].isin(tickers) & rows["date"].isin(days)]
    assert found["close"].tolist() == kept["close"].tolist()
    (sentence,) = [one for one in told if f".universe={universe}" in one]
    assert said in sentence
    assert "'T2' 2018-01-01 to 2018-01-29" in sentence
    assert ("survivors" in sentence) == (universe == "common_tickers")


@pytest.mark.parametrize("load", [raw, processed])
def test_a_gap_within_is_for_another_rule(load: Load, tmp_path: Path) -> None:
    rows = listed(T1=(5, 29))
    rows = rows[(rows["tic"] != "T0") | (rows.index // 3 != 10)]
    rows.to_csv(file := tmp_path / "prices.csv", index=False)
    with pytest.raises(DataError, match=r"'T0' lacks 1 row .*on_missing=forward_fill"):
        load(file, universe="common_period")
    found, _ = load(file, universe="common_period", on_missing="forward_fill")
    assert len(found) == 25 * 3


@pytest.mark.parametrize("load", [raw, processed])
def test_a_universe_of_nothing_is_refused_with_the_other(load: Load, tmp_path: Path) -> None:
    listed(T1=(5, 10), T2=(20, 29)).to_csv(file := tmp_path / "prices.csv", index=False)
    with pytest.raises(DataError, match=r"no two dates.*'T2' starts.*universe=common_tickers"):
        load(file, universe="common_period")
    listed(T0=(0, 20), T1=(5, 20), T2=(2, 29)).to_csv(file, index=False)
    with pytest.raises(DataError, match=r"no ticker.*What helps: \w+\.universe=common_period"):
        load(file, universe="common_tickers")
    with pytest.raises(InputError, match="must be all or common_period"):
        load(file, universe="everything")


@pytest.mark.parametrize("load", [raw, processed])
def test_the_refusal_of_a_late_ticker_names_the_universe_that_helps(
    load: Load, tmp_path: Path
) -> None:
    listed(T1=(5, 29)).to_csv(file := tmp_path / "prices.csv", index=False)
    with pytest.raises(DataError, match=r"universe=common_period starts there by itself"):
        load(file)
    found, _ = load(file, universe="common_period", on_missing="forward_fill")
    assert len(found) == 25 * 3


def test_gaps_of_a_ticker_that_came_late_may_be_filled(tmp_path: Path) -> None:
    file, rows = tmp_path / "x.csv", listed(T1=(8, 29))
    day = rows.groupby("date").ngroup()
    rows[(rows["tic"] != "T1") | ~day.isin([12, 13])].to_csv(file, index=False)
    with pytest.raises(DataError, match=r"2 rows lack some.*on_missing=forward_fill, which") as met:
        raw(file, universe="mask")
    assert "would have to be filled from later ones" not in str(met.value)
    assert len(raw(file, universe="mask", on_missing="forward_fill")[0]) == 82

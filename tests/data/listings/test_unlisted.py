"""A panel with listings: what is there on a day is of that day and the past, and of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.data import load_processed_csv
from finai_rl.data.indicators import turbulence, turbulence_of_listed
from finai_rl.data.market import MarketData
from finai_rl.data.preparation.panel import Prepared, prepare_panel
from finai_rl.data.preparation.raw_prices import load_raw_prices
from finai_rl.errors import DataError
from tests.data.raw_panels import raw_panel

N_DATES = 120


def listed(**spans: tuple[int, int]) -> pd.DataFrame:
    rows = raw_panel(N_DATES)
    day = rows.index // 3
    for ticker, (first, last) in spans.items():
        rows = rows[(rows["tic"] != ticker) | ((day >= first) & (day <= last))]
        day = rows.index // 3
    return rows


def prepared(rows: pd.DataFrame, folder: Path, **settings: Any) -> Prepared:
    rows.to_csv(folder / "raw.csv", index=False)
    how = {"adjust": "auto", "on_missing": "error", "universe": "mask"}
    prices = load_raw_prices(str(folder / "raw.csv"), **how)
    chosen = {"indicators": ["close_5_sma", "rsi_5"], "turbulence": 20, **settings}
    return prepare_panel(prices, **chosen)


def loaded(rows: pd.DataFrame, folder: Path, **settings: Any) -> MarketData:
    rows.to_csv(file := folder / "processed.csv", index=False)
    chosen = {"universe": "mask", "open": "open", "volume": "volume", **settings}
    return load_processed_csv(str(file), **chosen)


def test_a_ticker_has_the_features_of_its_own_rows_from_its_own_warm_up_on(tmp_path: Path) -> None:
    rows = listed(T1=(30, 119), T2=(0, 80))
    found = prepared(rows, tmp_path).rows
    alone = prepared(rows[rows["tic"] == "T1"], tmp_path, turbulence=None).rows
    own = found[found["tic"] == "T1"].reset_index(drop=True)
    assert own["date"].iloc[0] == pd.bdate_range("2018-01-01", periods=N_DATES)[35]
    for name in ("close", "close_5_sma", "rsi_5"):
        np.testing.assert_array_equal(own[name], alone[name].iloc[-len(own) :])


def test_what_prepare_writes_is_loaded_with_its_listings(tmp_path: Path) -> None:
    rows = prepared(listed(T1=(30, 119), T2=(0, 80)), tmp_path).rows
    data = loaded(rows, tmp_path, risk="turbulence")
    assert data.listed is not None
    wide = rows.pivot(index="date", columns="tic", values="close").to_numpy()
    np.testing.assert_array_equal(data.listed, np.isfinite(wide))
    np.testing.assert_array_equal(data.close[data.listed], wide[data.listed])
    np.testing.assert_array_equal(data.close[-1, 2], wide[np.isfinite(wide[:, 2]), 2][-1])
    assert (data.close[0, 1], data.features[0, 0, 1]) == (1.0, 0.0)
    assert any("'T1'" in caveat and "universe=mask" in caveat for caveat in data.source.caveats)
    assert not any("Returns of" in caveat for caveat in data.source.caveats)
    assert data.slice_days(5, 20).listed is not None


def test_the_past_does_not_change_when_a_future_listing_does(tmp_path: Path) -> None:
    day = 70
    panels = []
    for spans in ({"T1": (30, 119)}, {"T1": (30, 75), "T0": (0, 90)}, {"T1": (30, 71)}):
        rows = prepared(listed(**spans), tmp_path).rows
        panels.append(loaded(rows, tmp_path, risk="turbulence"))
    last = pd.bdate_range("2018-01-01", periods=N_DATES)[day].to_datetime64()
    first, *others = [panel.slice_days(0, int((panel.dates <= last).sum())) for panel in panels]
    for other in others:
        for name in ("dates", "close", "open", "volume", "features", "risk", "listed"):
            np.testing.assert_array_equal(getattr(first, name), getattr(other, name), name)


def test_a_ticker_that_comes_later_leaves_nothing_before(tmp_path: Path) -> None:
    with_it = loaded(listed(T1=(60, 119)), tmp_path)
    cut = loaded(listed(T1=(60, 119))[lambda rows: rows["tic"] != "T1"], tmp_path)
    kept = [0, 2]
    np.testing.assert_array_equal(with_it.close[:, kept], cut.close)
    assert (with_it.close[:60, 1] == 1.0).all()


def test_a_gap_within_a_listing_is_still_refused(tmp_path: Path) -> None:
    rows = listed(T1=(30, 119))
    rows = rows[(rows["tic"] != "T1") | (rows.index // 3 != 50)]
    with pytest.raises(DataError, match=r"'T1' lacks 1 row"):
        loaded(rows, tmp_path)
    data = loaded(rows, tmp_path, on_missing="forward_fill")
    assert data.listed is not None
    assert (int(data.listed[:, 1].sum()), data.source.repaired["filled_rows"]) == (90, 1)


def test_a_whole_panel_has_no_mask(tmp_path: Path) -> None:
    assert loaded(raw_panel(N_DATES), tmp_path).listed is None


def test_turbulence_is_of_the_stocks_that_have_a_whole_window() -> None:
    rng = np.random.default_rng(0)
    close = 50 * np.exp(rng.normal(0, 0.01, (80, 4)).cumsum(axis=0))
    np.testing.assert_array_equal(turbulence_of_listed(close, 20), turbulence(close, 20))
    gone = close.copy()
    gone[:30, 1] = np.nan
    gone[60:, 2] = np.nan
    found = turbulence_of_listed(gone, 20)
    three, all_four = turbulence(close[:, [0, 2, 3]], 20), turbulence(close, 20)
    np.testing.assert_allclose(found[21:51], three[21:51])
    np.testing.assert_allclose(found[51:60], all_four[51:60])
    np.testing.assert_allclose(found[60:], turbulence(close[:, [0, 1, 3]], 20)[60:])

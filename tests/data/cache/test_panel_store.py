"""Panels on disk: bit by bit what was saved."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from finai_rl.data.cache.panel_store import open_panel, save_panel
from finai_rl.data.market import DataSource, MarketData
from tests.markets import generated_market


def assert_same(first: MarketData, second: MarketData) -> None:
    """Hold two panels against each other bit by bit."""
    for field in fields(first):
        one, two = getattr(first, field.name), getattr(second, field.name)
        if isinstance(one, np.ndarray):
            assert (one.dtype, one.shape, one.tobytes()) == (two.dtype, two.shape, two.tobytes())
        elif isinstance(one, MarketData):
            assert_same(one, two)
        else:
            assert one == two, field.name


def bare_market() -> MarketData:
    data = generated_market(n_stocks=1)
    return MarketData(
        dates=np.datetime64("2020-01-01T09:30", "s") + np.arange(60) * np.timedelta64(3600, "s"),
        tickers=("NA",),
        close=data.close,
        features=np.empty((60, 0, 1)),
        feature_names=(),
        source=DataSource("größe", "0" * 64, "a folder/ä.csv", ("one", "two"), ("sentiment",)),
    )


@pytest.mark.parametrize("panel", [generated_market(), bare_market()], ids=["full", "bare"])
def test_what_is_opened_is_what_was_saved(panel: MarketData, tmp_path: Path) -> None:
    save_panel(tmp_path / "deep" / "panel", panel)
    opened = open_panel(tmp_path / "deep" / "panel")
    assert_same(opened, panel)
    assert opened.day_names == panel.day_names
    assert_same(opened.slice_days(3, 9).copy(), panel.slice_days(3, 9))


def test_arrays_are_plain_and_mapped_and_writing_stays_in_the_process(tmp_path: Path) -> None:
    panel = generated_market()
    save_panel(tmp_path / "panel", panel)
    before = {file: file.read_bytes() for file in (tmp_path / "panel").iterdir()}
    opened = open_panel(tmp_path / "panel")
    for name in ("close", "features", "sentiment", "risk", "benchmark", "open", "volume"):
        array = getattr(opened, name)
        assert type(array) is np.ndarray
        assert isinstance(array.base, np.memmap)
        assert array.flags.c_contiguous
        array[:] = -1.0
    assert {file: file.read_bytes() for file in (tmp_path / "panel").iterdir()} == before
    assert_same(open_panel(tmp_path / "panel"), panel)


def test_a_view_is_saved_as_the_days_it_shows(tmp_path: Path) -> None:
    part = generated_market().slice_days(10, 20)
    save_panel(tmp_path / "panel", part)
    assert_same(open_panel(tmp_path / "panel"), part)
    assert (tmp_path / "panel" / "close.npy").stat().st_size < 10 * 4 * 8 + 200


def test_a_source_that_json_would_change_is_not_saved(tmp_path: Path) -> None:
    source = DataSource("market", "0" * 64, caveats=(("a", "b"),))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        save_panel(tmp_path / "panel", replace(generated_market(), source=source))
    assert not (tmp_path / "panel").exists()


def test_a_panel_knows_its_attributes_and_shapes() -> None:
    data = generated_market()
    values = {field.name: getattr(data, field.name) for field in fields(data)}
    assert_same(MarketData.checked_before(**values), data)
    with pytest.raises(TypeError, match="a panel has no closes"):
        MarketData.checked_before(**values, closes=1)
    with pytest.raises(ValueError, match=r"close has shape"):
        MarketData.checked_before(**values | {"close": data.close[:-1]})

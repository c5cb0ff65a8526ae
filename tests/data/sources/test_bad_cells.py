"""Cells that cannot be a price: what `prepare` writes of them, `processed_csv` reads."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.data.preparation.manifest import write_panel
from finai_rl.data.preparation.panel import prepare_panel
from finai_rl.data.preparation.raw_prices import load_raw_prices
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.errors import DataError, InputError
from tests.data.raw_panels import raw_panel

BAD = {"zero": 0, "negative": -1.5, "no number": "n/a?", "infinite": "inf"}
PRICES = ("open", "high", "low", "close")
CELL = st.tuples(
    st.integers(0, 59),
    st.sampled_from(["open", "high", "low", "close", "volume"]),
    st.sampled_from([*BAD.values(), "", 0.001, 1e9]),
)


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_a_price_is_counted(kind: str, tmp_path: Path) -> None:
    rows = raw_panel(20).astype({"close": object})
    rows.loc[[4, 10], "close"] = BAD[kind]
    file = tmp_path / "prices.csv"
    rows.to_csv(file, index=False)
    with pytest.raises(DataError, match=r"column close: 2 rows .*line 6.*data.on_bad=missing"):
        load_processed_csv(str(file))
    with pytest.raises(DataError, match=r"2 rows .*empty.*data.on_missing=forward_fill"):
        load_processed_csv(str(file), on_bad="missing")
    data = load_processed_csv(str(file), on_bad="missing", on_missing="forward_fill")
    assert data.close[1, 1] == data.close[0, 1]
    assert data.source is not None
    assert data.source.repaired == {"bad_cells": 2, "filled_rows": 2, "filled_cells": 0}
    assert any(
        f"emptied 2 cells of close: {kind}, which cannot be a price (data.on_bad=missing): line 6"
        in caveat
        for caveat in data.source.caveats
    )


def test_a_rule_that_is_none() -> None:
    with pytest.raises(InputError, match=r"data\.on_bad must be error or missing, got 'x'"):
        load_processed_csv("a.csv", on_bad="x")


@settings(max_examples=40, deadline=None)
@given(
    cells=st.lists(CELL, max_size=6),
    gaps=st.sets(st.integers(3, 59), max_size=4),
    on_bad=st.sampled_from(["error", "missing", "missing", "missing"]),
    on_missing=st.sampled_from(["error", "drop_ticker", "forward_fill", "forward_fill"]),
    adjust=st.sampled_from(["auto", "never"]),
    kept=st.sampled_from([(*PRICES, "volume"), ("close",), ("close", "low")]),
    warm_up=st.sampled_from(["drop", "keep"]),
)  # fmt: skip
def test_what_prepare_writes_is_read(
    cells: list[tuple[int, str, Any]],
    gaps: set[int],
    on_bad: str,
    on_missing: str,
    adjust: str,
    kept: tuple[str, ...],
    warm_up: str,
) -> None:
    rows = raw_panel(20).astype(dict.fromkeys(("open", "high", "low", "close", "volume"), object))
    for row, column, value in cells:
        rows.loc[row, column] = value
    rows = rows.drop(index=sorted(gaps))[["date", "tic", *kept]]
    with tempfile.TemporaryDirectory() as folder:
        file, output = Path(folder) / "raw.csv", Path(folder) / "panel.csv"
        rows.to_csv(file, index=False)
        said, panel = "", None
        try:
            prices = load_raw_prices(str(file), adjust=adjust, on_missing=on_missing, on_bad=on_bad)
            panel = prepare_panel(
                prices, indicators=["close_3_sma"], turbulence=None, warm_up=warm_up
            )
        except InputError as refusal:
            said = str(refusal)
        if panel is None:
            assert cells or gaps
            assert "raw." in said or "file" in said
            return
        write_panel(panel, output, inputs={"raw": str(file)}, settings={})
        data = load_processed_csv(str(output))
        assert (data.n_days, data.n_stocks) == (
            panel.rows["date"].nunique(), panel.rows["tic"].nunique()
        )  # fmt: skip
        assert np.array_equal(data.close.ravel(), panel.rows["close"].to_numpy())
        assert data.feature_names == ("close_3_sma",)

"""Price files in the layouts that people have: what has to be typed, and what comes of it."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import hydra
import pytest

from finai_rl.config import schemas
from finai_rl.config.build import plain
from finai_rl.config.hydra_versions import VERSION_BASE
from finai_rl.data.preparation.raw_prices import RawPrices, load_raw_prices
from finai_rl.data.tables.layout import Layout
from finai_rl.errors import InputError
from tests.data.preparation.layouts import LAYOUTS, Written, expected, panel

PAGE = Path(__file__).parents[3] / "docs" / "layouts.md"
ABOVE = """# Layouts of price files

What `python -m finai_rl.prepare raw.path=...` reads, what has to be typed beside the path, and
what comes of it. `tests/data/preparation/test_layouts.py` makes every one of these files, reads it,
and holds this table to it. What is done to a file is in the log, in the manifest and in the caveats
of every result. Indicators that need more than a file has are refused by name: a file of closes
alone needs `indicators` of closes, too, which the message lists.

| layout | what it is | typed beside `raw.path` | what comes of it |
|---|---|---|---|
"""


def load(layout: Written, folder: Path) -> RawPrices:
    layout.write(panel(layout.bars), folder)
    told: dict[str, Any] = {"adjust": "auto", "on_missing": "error", **layout.typed}
    how = {name: told.pop(name) for name in ("adjust", "on_missing", "on_bad") if name in told}
    return load_raw_prices(str(folder / layout.path), **how, layout=Layout(**told))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read_whole(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    rows, wanted = load(layout, tmp_path).rows, expected(layout)
    assert list(rows.columns) == list(wanted.columns)
    assert rows["date"].tolist() == wanted["date"].tolist()
    assert rows["tic"].tolist() == wanted["tic"].tolist()
    assert tuple(rows["tic"].unique()) == layout.tickers
    other = (rows[wanted.columns[2:]] - wanted[wanted.columns[2:]]).abs() > 1e-9
    assert int(other.to_numpy().sum()) == 0 if not layout.repaired else other.any(axis=1).sum() < 6


def words(layout: Written) -> str:
    typed = [Layout().setting(name, value) for name, value in layout.typed.items()]
    return " ".join(f"`{word}`" for word in typed) or "nothing"


def outcome(layout: Written, prices: RawPrices) -> str:
    rows = prices.rows
    done = [f"{change.step} {change.what}" for change in prices.changes if change.what != "layout"]
    dates, tickers = rows["date"].nunique(), rows["tic"].nunique()
    read = f"{dates} dates of {tickers} ticker{'' if tickers == 1 else 's'}"
    return "; ".join([read, *done])


def page() -> str:
    lines = []
    for name, layout in LAYOUTS.items():
        with tempfile.TemporaryDirectory() as folder:
            came = outcome(layout, load(layout, Path(folder)))
        lines.append(f"| {name} | {layout.what} | {words(layout)} | {came} |\n")
    return ABOVE + "".join(line.replace("<", "&lt;") for line in lines)


def test_the_page_of_layouts_says_what_is_read() -> None:
    # `python -m tests.data.preparation.test_layouts` writes it.
    assert len(LAYOUTS) >= 25
    assert PAGE.read_text() == page()


def test_what_is_typed_reaches_the_reader_as_it_stands(composed: Any) -> None:
    for layout in LAYOUTS.values():
        typed = [
            re.sub(r"^'(.*)'$", r"\1", Layout().setting(*each)) for each in layout.typed.items()
        ]
        raw = composed(["raw.path=a.csv", *typed])
        assert {name: raw[name] for name in layout.typed} == layout.typed


@pytest.fixture
def composed() -> Any:
    conf = Path(schemas.__file__).parents[2] / "conf"
    with hydra.initialize_config_dir(str(conf), **VERSION_BASE):
        yield lambda typed: plain(hydra.compose("prepare", typed))["raw"]


@pytest.mark.parametrize(
    "name", [name for name, layout in LAYOUTS.items() if layout.typed and not layout.repaired]
)
def test_a_refusal_ends_in_what_has_to_be_typed(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    wanted = dict(layout.typed)
    if name in ("offsets", "half-hour crypto"):  # read otherwise: in UTC, by the file's name
        assert len(load(replace(layout, typed={}), tmp_path).rows)
        return
    told: dict[str, Any] = {}
    layout.write(panel(layout.bars), tmp_path)
    while told != wanted:
        with pytest.raises(InputError) as refusal:
            load_raw_prices(str(tmp_path / layout.path), adjust="auto", on_missing="error",
                            layout=Layout(**told))  # fmt: skip
        settings = re.findall(r"raw\.(\w+)=", str(refusal.value))
        assert settings
        assert settings[0] in wanted.keys() - told.keys(), refusal.value
        told[settings[0]] = wanted[settings[0]]


if __name__ == "__main__":
    PAGE.write_text(page())

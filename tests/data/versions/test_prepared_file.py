"""What ``prepare`` wrote beside a file is known to whoever trains on it, if it is of that file."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from finai_rl.data import load_processed_csv
from finai_rl.data.cache.split_cache import SplitCache
from finai_rl.data.preparation.manifest import write_panel
from finai_rl.data.split import Split, split_by_fraction
from finai_rl.data.versions.prepared_file import manifest_path
from tests.data.checkouts import Checkout
from tests.data.raw_panels import prepared, raw_panel


def prepared_file(folder: Path, name: str = "panel.csv", gap: int = 10) -> Path:
    """Prepare a panel in which T1 lacks a row."""
    panel = prepared(
        raw_panel(40).drop(index=[3 * gap + 1]),
        folder,
        on_missing="forward_fill",
        indicators=["rsi_5"],
    )
    inputs = {"raw": str(folder / "raw.csv")}
    write_panel(panel, folder / name, inputs=inputs, settings={})
    return folder / name


def rewrite(file: Path, **changes: Any) -> None:
    """Change fields of a manifest; None takes one away."""
    place = manifest_path(file)
    manifest = json.loads(place.read_text()) | changes
    place.write_text(json.dumps({name: value for name, value in manifest.items() if value}))


def test_what_was_filled_in_preparing_is_a_caveat_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = prepared_file(tmp_path)
    data = load_processed_csv(str(file))
    said = f"Prepared from {tmp_path / 'raw.csv'}: filled 1 of 120 rows and 0 cells: raw.on_missing"
    assert data.source.caveats[0].startswith(said)
    assert data.source.caveats[0].endswith(".")
    warned = [text for _, level, text in caplog.record_tuples if level == logging.WARNING]
    assert any(said in text for text in warned)


def test_a_parquet_file_has_one_too(tmp_path: Path) -> None:
    data = load_processed_csv(str(prepared_file(tmp_path, "panel.parquet")))
    assert "filled 1 of 120 rows" in data.source.caveats[0]


def test_a_manifest_of_other_bytes_says_that_and_nothing_else(tmp_path: Path) -> None:
    file = prepared_file(tmp_path)
    file.write_text(file.read_text() + "\n")
    (said, *others) = load_processed_csv(str(file)).source.caveats
    assert said.startswith("panel.csv.manifest.json is of a file with sha256 ")
    assert "how this file was prepared is not known" in said
    assert not any("filled" in text for text in (said, *others))


@pytest.mark.parametrize("content", ["{", "[1]", '{"caveats": "many"}', '{"output": [], "a": 1}'])
def test_a_manifest_that_is_none_is_told(content: str, tmp_path: Path) -> None:
    file = prepared_file(tmp_path)
    manifest_path(file).write_text(content)
    assert "is not known" in load_processed_csv(str(file)).source.caveats[0]


def test_an_older_manifest_without_caveats_says_nothing(tmp_path: Path) -> None:
    file = prepared_file(tmp_path)
    rewrite(file, caveats=None)
    told = load_processed_csv(str(file)).source.caveats
    manifest_path(file).unlink()
    assert told == load_processed_csv(str(file)).source.caveats
    assert not any("panel.csv.manifest" in text or "Prepared" in text for text in told)


def test_a_list_of_many_tickers_is_cut_and_the_manifest_named(tmp_path: Path) -> None:
    file = prepared_file(tmp_path)
    rewrite(file, caveats=["dropped " + "'A ticker' lacks 2 rows; " * 400], inputs=None)
    said = load_processed_csv(str(file)).source.caveats[0]
    assert said.startswith("Prepared: dropped 'A ticker' lacks")
    assert said.endswith("(the rest is in panel.csv.manifest.json).")
    assert len(said) < 600


def test_a_split_is_kept_under_the_manifest_as_well(tmp_path: Path) -> None:
    file, cache = prepared_file(tmp_path), SplitCache(tmp_path / "cache")
    data = {"_target_": "finai_rl.data.load_processed_csv", "path": str(file)}
    settings = {"data": data, "split": {"_target_": "finai_rl.data.split.split_by_fraction"}}
    loads = []

    def load() -> Split:
        loads.append(1)
        return split_by_fraction(load_processed_csv(str(file)))

    def told() -> str:
        return " ".join(cache.get(settings, load).train.source.caveats)

    assert "filled 1 of 120 rows" in told()
    assert "filled 1 of 120 rows" in told()
    assert len(loads) == 1
    rewrite(file, caveats=["filled 77 rows"])
    assert "filled 77 rows" in told()
    manifest_path(file).unlink()
    assert "filled" not in told()
    assert len(loads) == 3


def test_a_file_of_a_revision_has_the_manifest_of_that_revision(tmp_path: Path) -> None:
    checkout = Checkout.made(tmp_path)
    file = prepared_file(checkout.root)
    checkout.commit("v1")
    prepared_file(checkout.root, gap=20)
    rewrite(file, caveats=["filled otherwise"])
    told = load_processed_csv(str(file), rev="v1", rev_cache=str(checkout.root / "revs"))
    now = load_processed_csv(str(file))
    assert "filled 1 of 120 rows" in told.source.caveats[0]
    assert "filled otherwise" in now.source.caveats[0]
    assert "not known" not in " ".join(told.source.caveats)


def test_a_file_of_a_revision_that_holds_no_manifest(tmp_path: Path) -> None:
    """One beside the working copy counts if it is of the same bytes, else it is not spoken of."""
    checkout = Checkout.made(tmp_path)
    file = prepared_file(checkout.root)
    (checkout.root / ".gitignore").write_text("*.manifest.json\nrevs\n")
    checkout.commit("v1")
    cache = str(checkout.root / "revs")
    same = load_processed_csv(str(file), rev="v1", rev_cache=cache)
    assert "filled 1 of 120 rows" in same.source.caveats[0]
    prepared_file(checkout.root, gap=20)
    other = load_processed_csv(str(file), rev="v1", rev_cache=cache)
    assert "prepared" not in " ".join(other.source.caveats).lower()

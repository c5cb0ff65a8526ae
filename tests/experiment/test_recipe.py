"""Newer raw prices become the columns of the run's file, by its own recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.agents.saved_files import SavedFileError
from finai_rl.data import load_processed_csv
from finai_rl.data.preparation.manifest import write_panel
from finai_rl.errors import ConfigError
from finai_rl.experiment.preparing import input_files, prepared_from
from finai_rl.experiment.recipe import Newer, Recipe
from tests.config.composition import composed
from tests.data.raw_panels import raw_panel

SERIES = {"vix": {"path": "vix.csv", "columns": {"vix": "Last"}}}


def settings(**changes: Any) -> dict[str, Any]:
    cfg: Any = composed("raw.path=old.csv", command="prepare")
    usual = {
        "raw": {**cfg.raw, "splits": []},
        "indicators": ["macd", "rsi_14", "dx_30"],
        "turbulence": 30,
        "market_series": {},
        "features": None,
        "sentiment": None,
        "warm_up": "drop",
    }
    return {**usual, **changes}


def test_days_that_both_have_are_the_same_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    raw = raw_panel(120, 3)
    raw.head(300).to_csv("old.csv", index=False)
    raw.to_csv("new.csv", index=False)
    made = settings()
    write_panel(prepared_from(made), Path("old_panel.csv"), inputs=input_files(made), settings=made)
    old = load_processed_csv("old_panel.csv", risk="turbulence", open="open")
    (tmp_path / "recipe.json").write_text(old.source.recipe)
    recipe = Recipe.load(tmp_path / "recipe.json")
    assert [*recipe.version_notes()] == []
    file = recipe.prepare(Newer("new.csv"), tmp_path)
    new = load_processed_csv(str(file), risk="turbulence", open="open")
    assert new.n_days == old.n_days + 20
    for name in ("close", "features", "risk", "open"):
        np.testing.assert_array_equal(getattr(new, name)[: old.n_days], getattr(old, name))


def test_files_take_the_place_of_those_of_then() -> None:
    scores = {"path": "news.csv", "date_only": "before_close"}
    recipe = Recipe(settings(market_series=SERIES, sentiment=scores))
    found = recipe.of_files(Newer("new.csv", "news2.csv", {"vix": "vix2.csv"}))
    assert found["raw"]["path"] == "new.csv"
    assert found["sentiment"] == {"path": "news2.csv", "date_only": "before_close"}
    assert found["market_series"] == {"vix": {"path": "vix2.csv", "columns": {"vix": "Last"}}}
    assert recipe.settings["raw"]["path"] == "old.csv"


@pytest.mark.parametrize(
    ("newer", "said"),
    [
        (Newer("new.csv"), r"prepare\.scores: must name the newer file of news\.csv"),
        (Newer("new.csv", "n.csv"), r"prepare\.market_series\.vix: must name .* of vix\.csv"),
        (Newer("new.csv", "n.csv", {"gold": "g.csv"}), r"market_series\.gold: .* leave it out"),
    ],
)
def test_a_file_too_few_or_too_many_is_named(newer: Newer, said: str) -> None:
    recipe = Recipe(settings(market_series=SERIES, sentiment={"path": "news.csv"}))
    with pytest.raises(ConfigError, match=said):
        recipe.of_files(newer)
    if newer.scores:
        with pytest.raises(ConfigError, match=r"prepare\.scores: .* leave it out"):
            Recipe(settings()).of_files(newer)


def test_a_recipe_may_not_run_what_is_not_trusted(tmp_path: Path) -> None:
    raw_panel(80, 2).to_csv(tmp_path / "new.csv", index=False)
    recipe = Recipe(settings(features={"_target_": "os.listdir"}))
    with pytest.raises(ConfigError, match=r"recipe\.features\._target_: os\.listdir"):
        recipe.prepare(Newer(str(tmp_path / "new.csv")), tmp_path)


def test_other_versions_are_told_and_a_damaged_file_is_one_message(tmp_path: Path) -> None:
    (note,) = Recipe(settings(), {"pandas": "0.1", "python": "3.1"}).version_notes()
    assert f"pandas 0.1, now {pd.__version__}" in note
    file = tmp_path / "preparation.json"
    for content in ("", "[]", "{}"):
        file.write_text(content)
        with pytest.raises(SavedFileError, match="is damaged"):
            Recipe.load(file)

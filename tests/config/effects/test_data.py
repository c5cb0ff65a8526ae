"""Every setting of every source of data changes the market, or what is said of it."""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finai_rl.errors import ConfigError, InputError
from finai_rl.experiment.market import load_split
from tests.config.effects.data import SCORED, SOURCES, write_files
from tests.config.effects.walk import (
    Settings,
    assert_complete,
    assert_there,
    assert_told,
    differ,
    keys_of,
    options,
    text_of,
    with_settings,
)

CASES = [
    (source, name)
    for source, table in SOURCES.items()
    for name, entry in table.items()
    if not entry.elsewhere
]
BLOCKS = ("close", "features", "sentiment", "risk", "benchmark", "open", "volume")


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a small file, to stand in."""
    found = tmp_path_factory.mktemp("data")
    write_files(found)
    before = Path.cwd()
    os.chdir(found)
    yield found
    os.chdir(before)


def loaded(source: str, changes: Settings) -> dict[str, Any]:
    """Load and split a market: its blocks, what is said of it, and the files that it leaves."""
    shutil.rmtree("outputs", ignore_errors=True)
    plain = {"data.path": "my.csv", "data.cache": False} if source == "processed_csv" else {}
    small = {"data.n_days": 60} if source == "synthetic" else {}
    small |= {"data.tickers": ["AAPL", "XOM"]} if source == "sp500" else {}
    cfg = with_settings({**plain, **small, **changes}, f"data={source}")
    try:
        split = load_split(cfg)
    except ConfigError:
        raise
    except InputError as refusal:
        return {"refused": str(refusal)}
    data = split.train
    return {
        **{name: getattr(data, name) for name in BLOCKS},
        "names": (data.tickers, data.feature_names, data.sentiment_names, data.day_names),
        "named": (data.risk_name, data.benchmark_name),
        "end": (split.validation.day_names, repr(split.test)),
        "said": (data.source.name, data.source.caveats),
        "files": sorted(file.parent.name for file in Path("outputs").rglob("*") if file.is_file()),
    }


@functools.cache
def usual(source: str, beside: str) -> dict[str, Any]:
    return loaded(source, json.loads(beside))


def cases() -> list[Any]:
    """Return the cases, of which those on the sample are slow."""
    return [
        pytest.param(*case, id=".".join(case), marks=[pytest.mark.slow] * (case[0] == "sp500"))
        for case in CASES
    ]


@pytest.mark.parametrize(("source", "name"), cases())
def test_a_setting_changes_the_market_or_is_refused(source: str, name: str) -> None:
    entry = SOURCES[source][name]
    change = {f"data.{name}": entry.value}
    if entry.refused:
        with pytest.raises(InputError, match=entry.refused):  # noqa: PT012 - by check or source
            if "refused" in (done := loaded(source, {**entry.beside, **change})):
                raise InputError(done["refused"])
        return
    before = usual(source, text_of(entry.beside))
    assert differ(before, loaded(source, {**entry.beside, **change}))


@pytest.mark.parametrize(("source", "name"), cases())
def test_a_user_is_told_of_a_setting_that_does_nothing(source: str, name: str) -> None:
    if not SOURCES[source][name].refused:
        assert_told(f"data.{name}", SOURCES[source][name], f"data={source}")


def test_every_source_is_walked_through() -> None:
    assert set(SOURCES) == options("data")
    for table in SOURCES.values():
        for entry in table.values():
            if entry.elsewhere:
                assert_there(entry.elsewhere)


@pytest.mark.parametrize("source", SOURCES)
def test_every_setting_has_an_entry(source: str) -> None:
    file = "tests/config/effects/data.py"
    assert_complete(keys_of("data", f"data={source}"), SOURCES[source], f"conf/data/{source}", file)


@pytest.mark.parametrize("name", SCORED)
def test_scores_act_on_a_prepared_file_as_on_a_loaded_one(name: str) -> None:
    known = keys_of("sentiment", command="prepare")
    assert f"scores.{name}" in known
    assert len(known) == len(SCORED)

"""The digest of a panel stands for what was used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finai_rl.data.market import FileVersion
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.sources.sp500 import load_sp500
from finai_rl.tracking.dataset import dataset_entry, panel_digest
from tests.markets import generated_market, write_processed_csv


@pytest.mark.parametrize("name", ["open", "volume", "sentiment"])
def test_the_digest_covers_what_no_name_tells(name: str) -> None:
    data = generated_market()
    array = getattr(data, name)
    digests = {
        panel_digest(data),
        panel_digest(replace(data, **{name: array + 1.0})),
        panel_digest(replace(data, **{name: None})),
    }
    assert len(digests) == 3
    assert panel_digest(data.slice_days(2, 9)) == panel_digest(data.slice_days(2, 9).copy())


def test_an_open_is_no_volume() -> None:
    data = generated_market()
    swapped = replace(data, open=data.volume, volume=data.open)
    assert panel_digest(swapped) != panel_digest(data)


@pytest.mark.slow
def test_each_setting_of_sentiment_has_a_digest_of_its_own(tmp_path: Path) -> None:
    file = str(write_processed_csv(tmp_path / "features.csv"))
    settings: list[Any] = [None, {}, {"lag": 1}, {"lag": 2}]
    assert len({panel_digest(load_processed_csv(file, sentiment=each)) for each in settings}) == 4
    simulated: list[Any] = [None, {}, {"lag": 1}, {"seed": 1}, {"noise": 0.5}]
    digests = {panel_digest(load_sp500(indicators=[], sentiment=each)) for each in simulated}
    assert len(digests) == 5


def test_opens_and_volumes_are_columns_where_they_are_there() -> None:
    def columns(data: Any) -> list[str]:
        schema = json.loads(dataset_entry(data, "training")["dataset"]["schema"])
        return [column["name"] for column in schema["mlflow_colspec"]]

    data = generated_market(n_features=1)
    rest = ["feature_0", "sentiment", "turbulence", "index"]
    assert columns(data) == ["date", "tic", "close", "open", "volume", *rest]
    assert columns(replace(data, open=None, volume=None)) == ["date", "tic", "close", *rest]


def test_the_version_is_told_of_the_input_and_not_of_the_dataset() -> None:
    data = generated_market()
    version = FileVersion(data.source.sha256, "e" * 32, "f" * 40, None, False, "dvc")
    tracked = replace(data, source=replace(data.source, version=version))
    plain, told = (dataset_entry(each, "training") for each in (data, tracked))
    assert plain["dataset"] == told["dataset"]
    assert plain["tags"] == {"mlflow.data.context": "training"}
    assert told["tags"] == {
        "mlflow.data.context": "training",
        "data.md5": "e" * 32,
        "data.rev": "f" * 40,
        "data.dirty": "false",
    }

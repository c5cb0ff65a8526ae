"""What is kept of the days of a run, for newer data to be held against."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finai_rl.agents.saved_files import SavedFileError
from finai_rl.data.split import split_by_fraction
from finai_rl.experiment.learning.trained_days import (
    DAYS_FILE,
    MOST,
    RECIPE_FILE,
    TrainedDays,
    write_trained_days,
)
from tests.markets import generated_market

MARKET = generated_market(n_days=60, n_stocks=3)


def test_a_file_has_the_days_of_training_and_validation_and_nothing_later(tmp_path: Path) -> None:
    split = split_by_fraction(MARKET, train=0.5, validation=0.2)
    assert write_trained_days(split, tmp_path) == [tmp_path / DAYS_FILE]
    known = TrainedDays.load(tmp_path / DAYS_FILE)
    assert list(known.days) == MARKET.day_names[:42]
    assert known.tickers == MARKET.tickers
    assert {"close", "open", *MARKET.feature_names} <= set(known.columns)
    np.testing.assert_allclose(known.close, MARKET.close[:42], rtol=1e-6)
    before = (tmp_path / DAYS_FILE).read_bytes()
    known.save(tmp_path / DAYS_FILE)
    assert (tmp_path / DAYS_FILE).read_bytes() == before


def test_days_are_by_date_and_the_last_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [MARKET.slice_days(40, 60), MARKET.slice_days(0, 30)]
    known = TrainedDays.of(parts)
    assert list(known.days) == MARKET.day_names[:30] + MARKET.day_names[40:]
    monkeypatch.setattr("finai_rl.experiment.learning.trained_days.MOST", 25)
    short = TrainedDays.of(parts)
    assert list(short.days) == list(known.days)[-25:]
    np.testing.assert_array_equal(short.checksum, known.checksum[-25:])
    assert MOST > 252


def test_when_a_stock_was_listed_last() -> None:
    listed = np.ones(MARKET.close.shape, dtype=np.bool_)
    listed[20:, 1] = listed[:, 2] = False
    known = TrainedDays.of([replace(MARKET, listed=listed)])
    last = [known.last_listed(ticker) for ticker in MARKET.tickers]
    assert last == [MARKET.day_names[59], MARKET.day_names[19], None]


def test_what_stands_where_a_stock_is_not_listed_does_not_count() -> None:
    listed = np.ones(MARKET.close.shape, dtype=np.bool_)
    listed[:9, 0] = False
    close = MARKET.close.copy()
    close[:9, 0] = 1.0
    one, other = (
        TrainedDays.of([replace(MARKET, listed=listed, close=c)]) for c in (close, MARKET.close)
    )
    np.testing.assert_array_equal(one.checksum, other.checksum)


def test_the_recipe_of_a_prepared_file_goes_along(tmp_path: Path) -> None:
    source = replace(MARKET.source, recipe=json.dumps({"settings": {"turbulence": 60}}))
    split = split_by_fraction(MARKET.with_source(source))
    assert tmp_path / RECIPE_FILE in write_trained_days(split, tmp_path)
    assert json.loads((tmp_path / RECIPE_FILE).read_text()) == {"settings": {"turbulence": 60}}


def test_a_damaged_file_is_one_message(tmp_path: Path) -> None:
    file = tmp_path / DAYS_FILE
    TrainedDays.of([MARKET]).save(file)
    whole = file.read_bytes()
    for content in (b"", b"no file of ours", whole[: len(whole) // 2]):
        file.write_bytes(content)
        with pytest.raises(SavedFileError, match="is damaged"):
            TrainedDays.load(file)

"""Which days are newer than those of a run."""

from __future__ import annotations

import pytest

from finai_rl.errors import DataError, InputError
from finai_rl.experiment.deciding.overlap import ADVICE
from finai_rl.experiment.newer_block import LAST_DAY_TAG, last_day_of, told_here
from finai_rl.experiment.recipe import Newer

BLOCKS = {
    "split.train": "2020-01-02 to 2020-03-31; 2020-06-01 to 2020-08-31",
    "split.validation": "2020-04-01 to 2020-05-29",
    "split.test": "2020-09-01 to 2020-12-31 (sealed)",
}


def test_the_last_day_is_that_of_the_data_or_of_all_blocks() -> None:
    assert last_day_of(BLOCKS) == "2020-12-31"
    assert last_day_of({**BLOCKS, LAST_DAY_TAG: "2021-02-26"}) == "2021-02-26"
    untested = {name: span for name, span in BLOCKS.items() if name != "split.test"}
    assert last_day_of(untested) == "2020-08-31"
    with pytest.raises(InputError, match="recorded no days"):
        last_day_of({"seed": "0"})


def test_a_refusal_names_the_users_file_and_no_setting_that_evaluate_has_not() -> None:
    scale = "AAPL: bring it to the scale of training, or set rescaled=true where the price moved so"
    error = DataError("/tmp/gone/prepared.csv", [scale, f"macd is another; {ADVICE}"])
    said = str(told_here(error, Newer("newest.csv")))
    assert said.startswith("newest.csv cannot be used")
    assert "rescaled" not in said
    assert said.endswith("or bring prices to the scale of training")
    assert told_here(error, None).where == "/tmp/gone/prepared.csv"

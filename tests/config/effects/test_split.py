"""Every setting of every split moves a block."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from finai_rl.config.build import build
from finai_rl.data.market import MarketData
from finai_rl.errors import ConfigError
from tests.config.effects.walk import (
    Effect,
    Settings,
    acts,
    assert_complete,
    assert_told,
    differ,
    keys_of,
    named,
    options,
    refused,
    with_settings,
)
from tests.markets import generated_market

TARGET = refused("os.system", "is not in a package that a config may name")
DAYS = {"split.validation_start": "2020-02-15", "split.test_start": "2020-03-15"}
SPLITS: dict[str, dict[str, Effect]] = {
    "fraction": {"_target_": TARGET, "train": acts(0.5), "validation": acts(0.2)},
    "dates": {
        "_target_": TARGET,
        "train_start": acts("2020-01-10", beside=DAYS),
        "validation_start": acts("2020-02-20", beside=DAYS),
        "test_start": acts("2020-03-20", beside=DAYS),
        "test_end": acts("2020-03-25", beside=DAYS),
    },
    "walk_forward": {
        "_target_": TARGET,
        "fold": acts(1),
        "n_folds": acts(3),
        "train": acts(0.4),
        "test": acts(0.2),
        "anchored": acts(True, beside={"split.fold": 1}),
        "purge": acts(2),
    },
    "rolling": {
        "_target_": TARGET,
        "fold": acts(1),
        "n_folds": acts(2),
        "validation_days": acts(12),
        "trade_days": acts(12),
        "test": acts(0.2),
    },
    "cpcv": {
        "_target_": TARGET,
        "fold": acts(1),
        "n_folds": acts(5),
        "n_validation_folds": acts(3),
        "purge": acts(3, beside={"split.embargo": 0}),
        "embargo": acts(2),
        "test": acts(0.2),
    },
}
CASES = [(split, name) for split in SPLITS for name in SPLITS[split]]


@functools.cache
def market() -> MarketData:
    return generated_market(n_days=90, n_stocks=2)


def blocks(split: str, changes: Settings) -> list[Any]:
    short = {"split.n_folds": 3, "split.validation_days": 10, "split.trade_days": 10}
    small = {"cpcv": {"split.embargo": 4}, "rolling": short}.get(split, {})
    cfg = with_settings({**small, **changes}, f"split={split}")
    cut = build(cfg.split, "split", market())
    spans = [block.span for block in (*cut.train_blocks, *cut.validation_blocks)]
    return [*spans, repr(cut.test), repr(cut.trade)]


@pytest.mark.parametrize(("split", "name"), named(*CASES))
def test_a_setting_moves_a_block_or_is_refused(split: str, name: str) -> None:
    entry = SPLITS[split][name]
    change = {f"split.{name}": entry.value}
    if entry.refused:
        with pytest.raises(ConfigError, match=entry.refused):
            blocks(split, change)
        return
    assert differ(blocks(split, entry.beside), blocks(split, {**entry.beside, **change}))
    assert_told(f"split.{name}", entry, f"split={split}")


@pytest.mark.parametrize("split", SPLITS)
def test_every_setting_has_an_entry(split: str) -> None:
    file = "tests/config/effects/test_split.py"
    assert_complete(keys_of("split", f"split={split}"), SPLITS[split], f"conf/split/{split}", file)


def test_every_option_is_walked_through() -> None:
    assert set(SPLITS) == options("split")

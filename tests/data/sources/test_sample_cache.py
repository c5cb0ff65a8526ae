"""Splits of the offline sample, kept for the user."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from finai_rl.data import load_sp500
from finai_rl.data.cache.user_folder import user_cache
from finai_rl.data.market import MarketData
from finai_rl.data.sources import sp500
from finai_rl.data.sources.sample_cache import sample_split
from finai_rl.data.sources.sp500 import NO_NEWS, shipped_prices
from finai_rl.data.split import Split, split_by_fraction
from finai_rl.experiment import market
from tests.config.composition import composed
from tests.data.cache.test_panel_store import assert_same

SETTINGS = {"data": {"tickers": ["AAPL", "JPM"]}, "split": {}}


def made() -> Split:
    return split_by_fraction(load_sp500(tickers=["AAPL", "JPM"]))


def refuse() -> Split:
    raise AssertionError("it is computed again")


def test_a_split_is_found_again_bit_by_bit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    computed = sample_split(SETTINGS, made, tmp_path)
    assert caplog.messages.count(NO_NEWS) == 1
    found = sample_split(SETTINGS, refuse, tmp_path)
    assert caplog.messages.count(NO_NEWS) == 2
    assert_same(found.train, computed.train)
    assert_same(found.validation, computed.validation)
    assert found.test == computed.test


def test_other_settings_and_other_files_are_other_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_split(SETTINGS, made, tmp_path)
    others = [SETTINGS | {"data": {"tickers": ["AAPL"]}}, SETTINGS | {"split": {"train": 0.5}}]
    for settings in others:
        with pytest.raises(AssertionError, match="computed again"):
            sample_split(settings, refuse, tmp_path)
    (tmp_path / "other.csv.gz").touch()
    monkeypatch.setattr(
        "finai_rl.data.sources.sample_cache.shipped_files", lambda: [tmp_path / "other.csv.gz"]
    )
    with pytest.raises(AssertionError, match="computed again"):
        sample_split(SETTINGS, refuse, tmp_path)


def test_a_run_takes_the_sample_from_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cfg = composed("data.tickers=[AAPL,JPM]")
    first = market.load_split(cfg)
    assert (tmp_path / "finai_rl" / "sample").is_dir()
    monkeypatch.setattr(market, "load_market", lambda cfg: refuse())
    assert_same(market.load_split(cfg).train, first.train)
    with pytest.raises(AssertionError, match="computed again"):
        market.load_split(cfg, cached=False)


def cut_by_a_user(data: MarketData, train: float) -> Split:
    """A split of one's own, whose code may change between two runs."""
    return split_by_fraction(data, train=train)


def test_what_a_users_split_makes_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cfg = composed("data.tickers=[AAPL,JPM]")
    cfg.split = {"_target_": f"{__name__}.cut_by_a_user", "train": 0.6}
    first = market.load_split(cfg)
    monkeypatch.setattr(f"{__name__}.cut_by_a_user", lambda data, train: split_by_fraction(data))
    assert market.load_split(cfg).train.n_days > first.train.n_days


def test_the_sample_is_what_skfolio_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    read = shipped_prices()
    monkeypatch.setattr(sp500, "shipped_files", list)
    for mine, theirs in zip(read, shipped_prices(), strict=True):
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)
        assert np.array_equal(mine.index, theirs.index)


def test_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache() == tmp_path / ".cache" / "finai_rl"

import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from finai_rl.evaluation.result_cache import backtest_cache
from tests.evaluation.accounts import traded

KEY = {"name": "momentum", "window": 252, "terms": {"buy_cost_pct": 0.001, "listed": [1.5, None]}}


def same(first, second):
    for field in fields(first):
        one, two = getattr(first, field.name), getattr(second, field.name)
        if isinstance(one, np.ndarray):
            assert (one.dtype, one.shape, one.tobytes()) == (two.dtype, two.shape, two.tobytes())
        else:
            assert one == two


def not_again():
    raise AssertionError("it was computed again")


def test_a_hit_is_the_same_bit_by_bit(tmp_path):
    result = replace(traded(seed=3), name="Größe, 1/N")
    cache = backtest_cache(tmp_path / "deep" / "folder")
    assert cache.get(KEY, lambda: result) is result
    same(backtest_cache(tmp_path / "deep" / "folder").get(dict(reversed(KEY.items())), not_again),
         result)  # fmt: skip
    (entry,) = (tmp_path / "deep" / "folder").iterdir()
    assert {file.name for file in entry.iterdir()} == {"entry.json", "result.npz"}


@pytest.mark.parametrize(
    "change", [{"window": 251}, {"name": "cash"}, {"terms": {"buy_cost_pct": 0.002}}, {"new": 1}]
)
def test_another_key_is_another_result(tmp_path, change):
    first, second = traded(seed=1), traded(seed=2)
    cache = backtest_cache(tmp_path)
    cache.get(KEY, lambda: first)
    same(cache.get(KEY | change, lambda: second), second)
    same(cache.get(KEY, not_again), first)


def spoil_nothing(file: Path) -> None:
    file.write_bytes(b"")


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def turn_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(bytes(content))


def be_of_someone_else(file: Path) -> None:
    np.savez(file, weights=np.ones(3))


def be_about_another_key(file: Path) -> None:
    other = backtest_cache(file.parents[2] / "other")
    other.get(KEY | {"window": 1}, lambda: traded(seed=9))
    for name in ("entry.json", "result.npz"):
        spoilt = (other.entry(KEY | {"window": 1}) / name).read_bytes()
        (file.parent / name).write_bytes(spoilt)


def be_pickled(file: Path) -> None:
    with file.open("wb") as stream:
        np.savez(stream, key=np.array([KEY], dtype=object))


@pytest.mark.parametrize(
    "spoil",
    [spoil_nothing, cut_short, turn_a_bit, be_of_someone_else, be_about_another_key, be_pickled],
)
def test_damaged_and_foreign_files_are_replaced(tmp_path, spoil, caplog):
    result, cache = traded(seed=1), backtest_cache(tmp_path / "cache")
    cache.get(KEY, lambda: result)
    (file,) = tmp_path.glob("cache/*/*.npz")
    spoil(file)
    same(cache.get(KEY, lambda: result), result)
    assert "is replaced" in caplog.text
    same(cache.get(KEY, not_again), result)


def test_a_failed_computation_leaves_nothing(tmp_path):
    cache = backtest_cache(tmp_path)
    with pytest.raises(AssertionError, match="again"):
        cache.get(KEY, not_again)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    result = traded()
    assert backtest_cache(tmp_path / "file").get(KEY, lambda: result) is result
    assert "is not kept" in caplog.text
    assert backtest_cache(None).get(KEY, lambda: result) is result


def test_the_backtests_used_last_are_kept(tmp_path):
    cache = backtest_cache(tmp_path, kept=2)
    for window in (1, 2, 3):
        cache.get(KEY | {"window": window}, lambda: traded(seed=1))
        time.sleep(0.01)
    assert cache.find(KEY | {"window": 1}) is None
    same(cache.get(KEY | {"window": 3}, not_again), traded(seed=1))

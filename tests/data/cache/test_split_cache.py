"""Splits kept on disk: the same bit by bit, under everything they depend on, nothing sealed."""

from __future__ import annotations

import logging
import multiprocessing
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.cache.split_cache import SplitCache
from finai_rl.data.combinatorial import split_combinatorial
from finai_rl.data.market import MarketData
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.split import Split, split_by_fraction
from finai_rl.errors import DataError
from tests.data.cache.test_panel_store import assert_same
from tests.data.checkouts import Checkout
from tests.markets import generated_market, write_processed_csv

Settings = dict[str, dict[str, Any]]
SENTINEL = 7.77e8


def settings_for(file: Path, **changes: Any) -> Settings:
    return {
        "data": {
            "_target_": "finai_rl.data.load_processed_csv",
            "path": str(file),
            "risk": "vix",
            **changes,
        },
        "split": {"_target_": "finai_rl.data.split.split_by_fraction", "train": 0.7},
    }


def loader(settings: Settings) -> Callable[[], Split]:
    def load() -> Split:
        data = {name: value for name, value in settings["data"].items() if name[0] != "_"}
        return split_by_fraction(load_processed_csv(**data), train=settings["split"]["train"])

    return load


def not_again() -> Split:
    raise AssertionError("it was loaded again")


def assert_same_split(first: Split, second: Split) -> None:
    assert_same(first.train, second.train)
    assert_same(first.validation, second.validation)
    assert first.test == second.test


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_processed_csv(tmp_path / "my.csv", n_days=40)


def test_a_hit_is_what_was_parsed(file: Path, tmp_path: Path) -> None:
    settings, folder = settings_for(file, open="open"), tmp_path / "deep" / "cache"
    parsed = SplitCache(folder).get(settings, loader(settings))
    opened = SplitCache(folder).get(settings, not_again)
    assert_same_split(opened, parsed)
    assert_same_split(opened, loader(settings)())
    assert isinstance(opened.train.features.base, np.memmap)
    (entry,) = entries(folder)
    assert {item.name for item in entry.iterdir()} == {
        "entry.json",
        "split.json",
        "train",
        "validation",
    }


def test_a_split_without_a_test_block_stays_one(file: Path, tmp_path: Path) -> None:
    settings = settings_for(file)

    def load() -> Split:
        return split_by_fraction(load_processed_csv(str(file)), train=0.6, validation=0.4)

    SplitCache(tmp_path / "cache").get(settings, load)
    assert SplitCache(tmp_path / "cache").get(settings, not_again).test is None


def test_a_hit_logs_every_warning_of_the_load(
    file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = pd.read_csv(file, index_col=0)
    rows.loc[rows.index[3], "sentiment"] = np.nan
    rows["close"] *= np.where(rows["date"] > rows["date"].unique()[20], 2.0, 1.0)
    rows.assign(words="many").to_csv(file)
    settings, cache = settings_for(file), SplitCache(tmp_path / "cache")

    def warned() -> set[str]:
        said = {text for _, level, text in caplog.record_tuples if level == logging.WARNING}
        caplog.clear()
        return said

    cache.get(settings, loader(settings))
    first = warned()
    assert any("not numeric" in text and "words" in text for text in first)
    assert len(first) > 1
    split = cache.get(settings, not_again)
    again = warned()
    assert first < again
    assert any("Empty" in text for text in again)
    assert len(again) == len(split.train.source.caveats)
    caplog.set_level(logging.INFO)
    cache.get(settings, not_again)
    assert "without parsing" in caplog.text


def test_another_setting_content_or_file_is_another_split(file: Path, tmp_path: Path) -> None:
    cache = SplitCache(tmp_path / "cache")
    first = settings_for(file)
    cache.get(first, loader(first))
    other = settings_for(write_processed_csv(tmp_path / "other.csv", n_days=40))
    shorter = {**first, "split": first["split"] | {"train": 0.5}}
    for settings in (settings_for(file, risk=None), settings_for(file, lag=1), shorter, other):
        with pytest.raises(AssertionError, match="again"):
            cache.get(settings, not_again)
    content, times = file.read_bytes(), file.stat()
    file.write_bytes(content.replace(b"2020-01-03", b"2020-01-04", 1)[: len(content)])
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(AssertionError, match="again"):
        cache.get(first, not_again)
    file.write_bytes(content)
    cache.get(first, not_again)


def test_every_file_that_a_setting_names_counts(file: Path, tmp_path: Path) -> None:
    news = tmp_path / "news.csv"
    news.write_text("date,tic,score\n")
    settings = settings_for(file, sentiment={"file": str(news)})
    split = loader(settings_for(file))()
    cache = SplitCache(tmp_path / "cache")
    cache.get(settings, lambda: split)
    cache.get(settings, not_again)
    news.write_text("date,tic,score\n2020-01-02,AAA,1\n")
    with pytest.raises(AssertionError, match="again"):
        cache.get(settings, not_again)


def test_the_code_of_a_source_of_the_user_counts(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "my_source.py"
    module.write_text("one = 1\n")
    settings = settings_for(file, _target_="my_source.load")
    split = loader(settings_for(file))()
    cache = SplitCache(tmp_path / "cache")
    cache.get(settings, lambda: split)
    cache.get(settings, not_again)
    module.write_text("one = 2\n")
    with pytest.raises(AssertionError, match="again"):
        cache.get(settings, not_again)


@pytest.mark.parametrize(
    ("target", "changed"),
    [("my_split.cut", "my_days.py"), ("my_markets.cut.by_year", "my_markets/calendar/days.py")],
)
def test_the_code_that_it_imports_counts(
    target: str, changed: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_markets" / "calendar").mkdir(parents=True)
    for name in ("my_split.py", "my_days.py", "my_markets/__init__.py", "my_markets/cut.py"):
        (tmp_path / name).touch()
    settings = settings_for(file)
    settings["split"]["_target_"] = target
    (tmp_path / changed).write_text("one = 1\n")
    cache, split = SplitCache(tmp_path / "cache"), loader(settings_for(file))()
    cache.get(settings, lambda: split)
    cache.get(settings, not_again)
    (tmp_path / changed).write_text("one = 2\n")
    with pytest.raises(AssertionError, match="again"):
        cache.get(settings, not_again)


@pytest.mark.parametrize("path", ["absent.csv", "", ".", None])
def test_what_is_no_file_is_loaded_every_time(path: str | None, tmp_path: Path) -> None:
    split = split_by_fraction(generated_market())
    for _ in range(2):
        settings = settings_for(tmp_path, path=path)
        assert SplitCache(tmp_path / "cache").get(settings, lambda: split) is split
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "name", ["entry.json", "split.json", "train/close.npy", "validation/panel.json"]
)
@pytest.mark.parametrize("damage", ["bit", "short", "gone"])
def test_a_damaged_split_is_loaded_anew_and_replaced(
    name: str, damage: str, file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings, cache = settings_for(file), SplitCache(tmp_path / "cache")
    parsed = cache.get(settings, loader(settings))
    (entry,) = entries(tmp_path / "cache")
    content = bytearray((entry / name).read_bytes())
    content[len(content) // 2] ^= 1
    (entry / name).write_bytes(content[: -1 if damage == "short" else len(content)])
    if damage == "gone":
        (entry / name).unlink()
    assert_same_split(cache.get(settings, loader(settings)), parsed)
    assert "is replaced" in caplog.text
    assert_same_split(cache.get(settings, not_again), parsed)
    assert entries(tmp_path / "cache") == [entry]


def test_a_split_about_another_key_is_replaced(file: Path, tmp_path: Path) -> None:
    first, second = settings_for(file), settings_for(file, risk=None)
    cache = SplitCache(tmp_path / "cache")
    cache.get(first, loader(first))
    (one,) = entries(tmp_path / "cache")
    cache.get(second, loader(second))
    (two,) = {*entries(tmp_path / "cache")} - {one}
    one.rename(tmp_path / "gone")
    two.rename(one)
    assert cache.get(first, loader(first)).train.risk is not None
    assert cache.get(first, not_again).train.risk is not None


def test_a_failed_load_leaves_nothing(file: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="again"):
        SplitCache(tmp_path / "cache").get(settings_for(file), not_again)
    assert not (tmp_path / "cache").exists()


def test_an_editors_lock_beside_a_module_is_passed_over(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "locked_source.py").write_text("one = 1\n")
    (tmp_path / ".#locked_source.py").symlink_to("somebody@somewhere.1")
    settings, cache = settings_for(file, _target_="locked_source.load"), SplitCache(tmp_path / "c")
    split = loader(settings_for(file))()
    assert_same_split(cache.get(settings, lambda: split), split)


def test_a_folder_that_cannot_be_written_costs_only_time(
    file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("in the way")
    settings = settings_for(file)
    for _ in range(2):
        split = SplitCache(tmp_path / "cache").get(settings, loader(settings))
        assert_same_split(split, loader(settings)())
        assert "not kept in" in caplog.text
        caplog.clear()


def test_a_file_that_changes_while_it_is_read_is_not_kept(
    file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_for(file)

    def load() -> Split:
        split = loader(settings)()
        write_processed_csv(file, n_days=50)
        return split

    assert SplitCache(tmp_path / "cache").get(settings, load).train.n_days == 28
    assert "it has changed while it was read" in caplog.text
    assert not (tmp_path / "cache").exists()


def test_the_splits_used_last_are_kept(file: Path, tmp_path: Path) -> None:
    cache = SplitCache(tmp_path / "cache", kept=2)
    several = [settings_for(file, number=number) for number in range(3)]
    split = loader(settings_for(file))()
    abandoned, working = tmp_path / "cache" / "a.part", tmp_path / "cache" / "b.part"
    for folder in (abandoned, working):
        folder.mkdir(parents=True)
    os.utime(abandoned, (0, 0))
    opened: dict[int, MarketData] = {}
    for number, settings in enumerate(several[:2]):
        cache.get(settings, lambda: split)
        opened[number] = cache.get(settings, not_again).train
        time.sleep(0.01)
    cache.get(several[0], not_again)
    time.sleep(0.01)
    cache.get(several[2], lambda: split)
    assert not abandoned.exists()
    assert working.exists()
    assert len(entries(tmp_path / "cache")) == 2 + 1
    for number in (0, 2):
        cache.get(several[number], not_again)
    with pytest.raises(AssertionError, match="again"):
        cache.get(several[1], not_again)
    # What a process has opened stays whole.
    assert_same(opened[1], split.train)


def test_no_file_holds_a_sealed_row(file: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(file, index_col=0)
    sealed = rows["date"] >= sorted(rows["date"].unique())[34]
    for name in ("close", "open", "macd", "rsi_30", "sentiment"):
        rows.loc[sealed, name] = SENTINEL
    rows.to_csv(file)
    settings = settings_for(file, open="open")
    split = SplitCache(tmp_path / "cache").get(settings, loader(settings))
    assert split.test is not None
    assert split.test.n_days == 6
    kept = [item for item in (tmp_path / "cache").rglob("*") if item.is_file()]
    # Training, validation, and the days before validation.
    assert len(kept) == 2 + 3 * 7
    for item in kept:
        assert np.float64(SENTINEL).tobytes() not in item.read_bytes(), item
        assert b"777000000" not in item.read_bytes()


def _at_once(folder: Path, file: Path, start: Any, found: Any) -> None:
    logging.getLogger().addHandler(logging.NullHandler())
    settings = settings_for(file)
    start.wait()
    split = SplitCache(folder).get(settings, loader(settings))
    found.put((split.train.close.tobytes(), split.validation.features.tobytes()))


def test_processes_that_start_at_once_get_the_same(file: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, found = context.Barrier(4), context.Queue()
    folder = tmp_path / "cache"
    workers = [
        context.Process(target=_at_once, args=(folder, file, start, found)) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    results = [found.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(timeout=60)
        assert worker.exitcode == 0
    assert len(set(results)) == 1
    assert len(entries(folder)) == 1
    assert_same_split(
        SplitCache(folder).get(settings_for(file), not_again), loader(settings_for(file))()
    )


@pytest.mark.slow
def test_opening_brings_nothing_into_the_process(tmp_path: Path) -> None:
    code = """
        import resource, sys
        from pathlib import Path
        from finai_rl.data.cache.disk_cache import DiskCache
        from finai_rl.data.cache.panel_store import open_panel, save_panel
        from tests.markets import generated_market
        cache = DiskCache(
            sys.argv[1],
            lambda folder, panel: save_panel(folder / "panel", panel),
            lambda folder: open_panel(folder / "panel"),
            kept=1,
        )
        if sys.argv[2] == "save":
            cache.keep({}, generated_market(n_days=4000, n_stocks=200, n_features=8))
            sys.exit()
        def resident():
            return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        before = resident()
        panel = cache.find({})
        assert panel.features.nbytes > 50e6
        assert resident() - before < 5e6, resident() - before
        assert panel.features.sum() != 0
        assert resident() - before > 50e6
    """
    if not Path("/proc/self/statm").is_file():
        pytest.skip("needs /proc")
    for what in ("save", "open"):
        command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "panel"), what]
        done = subprocess.run(
            command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_a_hit_names_the_commit_of_now(tmp_path: Path) -> None:
    checkout = Checkout.made(tmp_path / "checkout")
    file = write_processed_csv(checkout.root / "my.csv", n_days=40)
    first = checkout.commit()
    settings, cache = settings_for(file), SplitCache(tmp_path / "cache")
    parsed = cache.get(settings, loader(settings))
    assert_same_split(cache.get(settings, not_again), parsed)
    assert parsed.train.source.version is not None
    assert parsed.train.source.version.rev == first
    second = checkout.commit(tag="v2")
    opened = cache.get(settings, not_again)
    assert_same_split(opened, loader(settings)())
    for panel in (opened.train, opened.validation):
        assert panel.source.version is not None
        assert (panel.source.version.rev, panel.source.version.tag) == (second, "v2")
        assert isinstance(panel.features.base, np.memmap)


def test_a_revision_is_kept_by_what_is_in_it(tmp_path: Path) -> None:
    checkout = Checkout.made(tmp_path / "checkout")
    file = write_processed_csv(checkout.root / "my.csv", n_days=40)
    checkout.commit(tag="v1")
    write_processed_csv(file, n_days=50)
    checkout.commit()
    file.unlink()
    old, new = (
        settings_for(file, rev=rev, rev_cache=str(tmp_path / "revisions")) for rev in ("v1", "main")
    )
    cache = SplitCache(tmp_path / "cache")
    for settings, n_days in ((old, 28), (new, 35)):
        assert cache.get(settings, loader(settings)).train.n_days == n_days
        assert_same_split(cache.get(settings, not_again), loader(settings)())
    write_processed_csv(file, n_days=60)
    checkout.commit()
    # The branch has moved on, the tag has not.
    assert cache.get(old, not_again).train.n_days == 28
    assert cache.get(new, loader(new)).train.n_days == 42
    absent = settings_for(file, rev="v9", rev_cache=str(tmp_path / "revisions"))
    with pytest.raises(DataError, match="v9"):
        cache.get(absent, not_again)


def test_a_change_that_is_not_committed_is_logged_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkout = Checkout.made(tmp_path / "checkout")
    file = write_processed_csv(checkout.root / "my.csv", n_days=40)
    checkout.commit()
    write_processed_csv(file, n_days=50)
    settings, cache = settings_for(file), SplitCache(tmp_path / "cache")
    for load in (loader(settings), not_again):
        split = cache.get(settings, load)
        assert split.train.source.version is not None
        assert split.train.source.version.dirty
        assert caplog.text.count("no commit has this content") == 1
        caplog.clear()
    checkout.commit()
    split = cache.get(settings, loader(settings))
    assert not caplog.text
    assert split.train.source.version is not None
    assert split.train.source.version.dirty is False


def test_every_block_of_a_combinatorial_split_is_kept(file: Path, tmp_path: Path) -> None:
    settings = settings_for(file)

    def load() -> Split:
        return split_combinatorial(load_processed_csv(str(file), risk="vix"), fold=1, embargo=1)

    cache = SplitCache(tmp_path / "cache")
    first, again = cache.get(settings, load), cache.get(settings, not_again)
    assert len(again.train_blocks) == len(first.train_blocks) > 1
    assert len(again.validation_blocks) == 2
    for use in ("train_blocks", "validation_blocks"):
        for one, other in zip(getattr(first, use), getattr(again, use), strict=True):
            assert_same(one, other)

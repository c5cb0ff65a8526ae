"""What of a checkpoint is on disk, and what is done with one that is not whole."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import numpy as np
import pytest

from finai_rl.errors import InputError
from finai_rl.experiment.checkpoints import container
from finai_rl.experiment.checkpoints.replay import Ring, read_segment
from finai_rl.experiment.checkpoints.store import CheckpointStore
from tests.experiment.checkpoints.buffers import filled_buffers


def written(folder: Path) -> tuple[CheckpointStore, Path]:
    store = CheckpointStore(folder, kept=2)
    for step in (10, 20, 30):
        store.write(step, {"iterations": step}, [np.arange(step)])
    return store, folder / "resume" / "step_30.checkpoint"


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "gone"])
def test_a_torn_checkpoint_is_passed_over_and_said_so(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, last = written(tmp_path)
    content = last.read_bytes()
    if damage == "gone":
        last.unlink()
    else:
        changed = bytearray(content)
        changed[len(content) // 2] ^= 1
        last.write_bytes({"cut": content[:-40], "changed": bytes(changed), "empty": b""}[damage])
    with caplog.at_level(logging.WARNING):
        found = store.latest()
    assert found is not None
    assert found.step == 20
    np.testing.assert_array_equal(found.arrays[0], np.arange(20))
    assert ("Checkpoint of step 30 is passed over" in caplog.text) == (damage != "gone")


def test_what_was_begun_leaves_the_one_before_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = written(tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(container.os, "write", full)
    with pytest.raises(OSError, match="No space"):
        store.write(30, {"iterations": 31}, [])
    with pytest.raises(OSError, match="No space"):
        store.write(40, {"iterations": 40}, [])
    monkeypatch.undo()
    found = store.latest()
    assert found is not None
    assert (found.step, found.values["iterations"]) == (30, 30)
    assert [file.name for file in (tmp_path / "resume").glob(".*")] == []


def test_values_and_arrays_come_back_bit_for_bit(tmp_path: Path) -> None:
    values = {"nan": float("nan"), "tenth": 0.1, "state": 2**127 + 1, "inf": float("-inf")}
    pair = np.zeros(2, dtype=[("day", np.int64), ("cash", np.float64)])
    pair["cash"] = 0.1, np.nan
    arrays = [pair, np.array(3.5, np.float32), np.zeros((0, 4)), np.array([True]), np.eye(3).T[::2]]
    checksum = container.write(tmp_path / "file", values, arrays)
    again, found = container.read(tmp_path / "file", checksum)
    assert repr(again) == repr(values)
    for one, other in zip(arrays, found, strict=True):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    with pytest.raises(container.TornFile, match="another file"):
        container.read(tmp_path / "file", "00")


@pytest.mark.parametrize("kind", ["sb3", "elegantrl"])
def test_rows_of_a_replay_buffer_are_written_once_and_come_back(kind: str, tmp_path: Path) -> None:
    buffer, add, new = filled_buffers(kind, rows=50)
    store = CheckpointStore(tmp_path, kept=2)
    steps = 0
    for count in (20, 0, 25, 30, 49, 120, 7):
        add(count)
        steps += count
        store.write(steps + 1, {"n": steps}, [], Ring(buffer, steps))
        checkpoint = store.latest()
        assert checkpoint is not None
        for name in ("pos", "full", "p", "if_full", "cur_size"):
            if hasattr(buffer, name):
                setattr(new, name, getattr(buffer, name))
        CheckpointStore(tmp_path, 2).continue_from(checkpoint, Ring(new, steps))
        filled = min(steps, 50)
        for name, rows in Ring(buffer, steps).arrays.items():
            there = Ring(new, steps).arrays[name]
            assert rows[:filled].tobytes() == there[:filled].tobytes(), name
    kept = {one.name for one in checkpoint.segments}
    assert kept <= {file.name for file in (tmp_path / "resume").glob("*.rows")}
    assert len([*(tmp_path / "resume").glob("*.rows")]) <= 4


def test_a_checkpoint_whose_rows_are_torn_is_passed_over(tmp_path: Path) -> None:
    buffer, add, _ = filled_buffers("sb3", rows=50)
    store = CheckpointStore(tmp_path, kept=2)
    for steps in (10, 20):
        add(10)
        store.write(steps, {}, [], Ring(buffer, steps))
    last = store.latest()
    assert last is not None
    assert [segment.first for segment in last.segments] == [0, 10]
    file = tmp_path / "resume" / last.segments[-1].name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(container.TornFile):
        read_segment(tmp_path / "resume", last.segments[-1])
    found = store.latest()
    assert found is not None
    assert found.step == 10


def test_one_process_trains_a_run(tmp_path: Path) -> None:
    first, second = CheckpointStore(tmp_path, 1), CheckpointStore(tmp_path, 1)
    first.acquire()
    with pytest.raises(InputError, match="another process is training this run"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_only_its_owner_reads_what_objects_of_a_training_hold(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, kept=2)
    store.acquire()
    store.release()
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700

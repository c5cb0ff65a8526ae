"""Rows of a replay buffer on a device go to the disk, and come back on another one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from finai_rl.experiment.checkpoints import replay
from finai_rl.experiment.checkpoints.replay import DeviceRows, Ring


def filled(n_rows: int) -> Any:
    pytest.importorskip("elegantrl")
    from finai_rl.agents.elegantrl.replay_buffer import ReplayBuffer

    buffer = ReplayBuffer(n_rows=4, state_dim=2, action_dim=1, n_envs=1, gpu_id=-1)
    for row in range(n_rows):
        seen, done = np.full((1, 2), row), np.array([False])
        buffer.add(seen, seen + 1, seen[:, :1], np.array([0.5]), done, [{}])
    return buffer


def test_rows_on_a_device_are_those_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = filled(6)
    here = Ring(buffer, steps=6)
    expected = here.rows(2, 6)
    # As for any tensor that no array can be a view of.
    monkeypatch.setattr(replay, "_rows_of", DeviceRows)
    elsewhere = Ring(buffer, steps=6)
    assert (elsewhere.added, elsewhere.filled) == (here.added, here.filled) == (6, 4)
    assert all(isinstance(rows, DeviceRows) for rows in elsewhere.arrays.values())
    rows = elsewhere.rows(2, 6)
    for name, array in expected.items():
        np.testing.assert_array_equal(rows[name], array)
    again = filled(6)
    for name in expected:
        getattr(again, name).fill_(-1.0)
    Ring(again, steps=6).put(2, rows)
    for name in expected:
        assert getattr(again, name).equal(getattr(buffer, name))


def test_a_tensor_on_another_device_is_read_through_it() -> None:
    assert isinstance(replay._rows_of(torch.empty(3, 2, device="meta")), DeviceRows)
    assert isinstance(replay._rows_of(torch.zeros(3, 2)), np.ndarray)


@pytest.mark.parametrize("n_rows", [1, 2, 5])
def test_what_is_packed_comes_back_however_few_rows_there_are(n_rows: int) -> None:
    seen = np.random.default_rng(0).normal(size=(n_rows, 3, 4)).astype(np.float32)
    after = np.concatenate([seen[1:], seen[:1] + 1.0])
    after[0, 1] = 9.0
    packed = replay._pack(seen, after)
    assert packed["after_own"][-1].all()
    np.testing.assert_array_equal(replay._unpack(seen, dict(packed)), after)

"""Replay buffers on disk: each checkpoint adds a file of the rows that are new since the last one.

A row holds a step of every environment. What was written is never changed, so that a checkpoint
that is torn, or a process that is killed, leaves the one before as it was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer

from finai_rl.experiment.checkpoints.container import TornFile, read, write

SEEN, AFTER = ("observations", "states"), ("next_observations", "next_states")
"""What an observation, and the one after it, are called: nearly always the next row's own."""


@dataclass(frozen=True)
class Segment:
    """A file of consecutive rows.

    Attributes:
        name: Of the file.
        first: Number of its first row, counted from the first that was ever added.
        last: One beyond its last row.
        checksum: Of the file.

    Example:
        >>> Segment("replay_0_10.rows", 0, 10, "ab12").last
        10
    """

    name: str
    first: int
    last: int
    checksum: str


class Ring:
    """The rows of a replay buffer in the order in which they were added.

    Args:
        buffer: SB3's `ReplayBuffer`, or ElegantRL's.
        steps: Steps of every environment that were made: each has added a row, or, where the
            training was stopped within it, none.

    Attributes:
        added: Rows that were ever added.
        filled: How many of these, the last, are there.

    Example:
        >>> from gymnasium import spaces
        >>> space = spaces.Box(-1.0, 1.0, (1,))
        >>> buffer, one = ReplayBuffer(3, space, space), np.ones((1, 1), np.float32)
        >>> for number in range(4):
        ...     buffer.add(number * one, number * one, one, one[0], one[0], [{}])
        >>> Ring(buffer, steps=4).rows(2, 4)["observations"].ravel().tolist()
        [2.0, 3.0]
    """

    def __init__(self, buffer: Any, steps: int) -> None:
        self.arrays = ring_arrays(buffer)
        self._size = len(next(iter(self.arrays.values())))
        place, self.filled = _standing(buffer)
        self.added = self.filled
        if self.filled == self._size:
            self.added = steps - (steps - place) % self._size

    def rows(self, first: int, last: int) -> dict[str, NDArray[Any]]:
        """Return copies of rows by their number, counted from the first that was ever added."""
        at = np.arange(first, last) % self._size
        return {name: array[at] for name, array in self.arrays.items()}

    def put(self, first: int, rows: Mapping[str, NDArray[Any]]) -> None:
        """Put rows where they stood; those that have been replaced since are left out."""
        start = max(first, self.added - self.filled)
        for name, array in self.arrays.items():
            new = rows[name][start - first :]
            array[np.arange(start, start + len(new)) % self._size] = new


class DeviceRows:
    """The rows of a tensor that is on another device than the CPU, read and written as arrays.

    Example:
        >>> rows = DeviceRows(torch.zeros(3, 2))
        >>> rows[np.array([2])] = np.ones((1, 2), np.float32)
        >>> rows[np.array([0, 2])].tolist(), len(rows)
        ([[0.0, 0.0], [1.0, 1.0]], 3)
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def __len__(self) -> int:
        return len(self._tensor)

    def __getitem__(self, at: NDArray[Any]) -> NDArray[Any]:
        found: NDArray[Any] = self._tensor[self._places(at)].cpu().numpy()
        return found

    def __setitem__(self, at: NDArray[Any], rows: NDArray[Any]) -> None:
        self._tensor[self._places(at)] = torch.as_tensor(rows).to(self._tensor)

    def _places(self, at: NDArray[Any]) -> torch.Tensor:
        return torch.as_tensor(at, device=self._tensor.device)


def ring_arrays(buffer: Any) -> dict[str, Any]:
    """Return views of a replay buffer's arrays by name, one entry per row; empty for another kind.

    Those of a buffer on a GPU are `DeviceRows`. A kind whose rows change after they were added is
    none of these.
    """
    if type(buffer) in (ReplayBuffer, NStepReplayBuffer) and not buffer.optimize_memory_usage:
        rows = buffer.buffer_size
    elif type(buffer).__module__ == "finai_rl.agents.elegantrl.replay_buffer":
        rows = buffer.max_size
    else:
        return {}
    return {
        name: _rows_of(value)
        for name, value in vars(buffer).items()
        if isinstance(value, np.ndarray | torch.Tensor) and value.ndim > 1 and len(value) == rows
    }


def _rows_of(value: NDArray[Any] | torch.Tensor) -> Any:
    if isinstance(value, np.ndarray):
        return value
    return value.numpy() if value.device.type == "cpu" else DeviceRows(value)


def write_segment(folder: Path, ring: Ring, first: int) -> Segment:
    """Write the rows from one on to a file of their own."""
    arrays = ring.rows(first, ring.added)
    names = list(arrays)
    after = next((name for name in AFTER if name in arrays), None)
    packed = {name: array for name, array in arrays.items() if name != after}
    if after is not None:
        seen = arrays[next(name for name in SEEN if name in arrays)]
        packed |= _pack(seen, arrays[after])
    name = f"replay_{first}_{ring.added}.rows"
    values = {"names": names, "after": after, "packed": list(packed)}
    checksum = write(folder / name, values, list(packed.values()))
    return Segment(name, first, ring.added, checksum)


def read_segment(folder: Path, segment: Segment) -> dict[str, NDArray[Any]]:
    """Return the rows of a file, by the names of their arrays.

    Raises:
        TornFile: If the file is not what was written.
    """
    values, arrays = read(folder / segment.name, segment.checksum)
    packed = dict(zip(values["packed"], arrays, strict=True))
    after = values["after"]
    if after is not None:
        seen = packed[next(name for name in SEEN if name in packed)]
        packed[after] = _unpack(seen, packed)
    if any(len(packed[name]) != segment.last - segment.first for name in values["names"]):
        raise TornFile(f"{folder / segment.name}: it does not hold the rows that it is named after")
    return {name: packed[name] for name in values["names"]}


def needed(segments: Sequence[Segment], ring: Ring) -> list[Segment]:
    """Return the segments that a ring still has rows of."""
    return [segment for segment in segments if segment.last > ring.added - ring.filled]


def as_values(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Return segments as JSON can hold them."""
    return [asdict(segment) for segment in segments]


def _pack(seen: NDArray[Any], after: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return which observations after are not those of the next row, and these alone."""
    n_rows, n_envs = seen.shape[:2]
    own = np.ones((n_rows, n_envs), dtype=np.bool_)
    # By their bits: a NaN is equal to itself.
    bits = np.dtype(f"u{seen.dtype.itemsize}")
    apart = after[:-1].view(bits) != seen[1:].view(bits)
    # The size told, not left to NumPy: a single row has none after it.
    own[:-1] = apart.reshape(n_rows - 1, n_envs, math.prod(seen.shape[2:])).any(axis=2)
    return {"after_own": own, "after_rows": after[own]}


def _unpack(seen: NDArray[Any], packed: dict[str, NDArray[Any]]) -> NDArray[Any]:
    own, rows = packed.pop("after_own"), packed.pop("after_rows")
    after = np.empty_like(seen)
    after[:-1] = seen[1:]
    after[own] = rows
    return after


def _standing(buffer: Any) -> tuple[int, int]:
    """Return where the next row goes, and how many are filled."""
    if isinstance(buffer, ReplayBuffer):
        return buffer.pos, buffer.size()
    return buffer.p, buffer.cur_size

"""Arrays of a recorded state, of which one may be a view of another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 8
"""How many times as large as its views an array may be that is recorded for their sake alone."""


class Arrays:
    """Copies of arrays, and who shares memory with whom.

    Example:
        >>> arrays = Arrays()
        >>> window = np.zeros((2, 3))
        >>> nodes = [arrays.node(window), arrays.node(window[:, -1])]
        >>> made = MadeArrays(arrays.all())
        >>> again, newest = (made.array(node) for node in nodes)
        >>> again[1, -1] = 5.0
        >>> newest
        array([0., 5.])
    """

    def __init__(self) -> None:
        self._copies: list[NDArray[Any]] = []
        # The arrays themselves: an id would be given to another one otherwise.
        self._live: dict[int, tuple[NDArray[Any], dict[str, Any]]] = {}

    def copy(self, array: NDArray[Any]) -> int:
        """Keep a copy, and return its place."""
        self._copies.append(array.copy())
        return len(self._copies) - 1

    def node(self, array: NDArray[Any]) -> dict[str, Any]:
        """Keep a copy of an array, once, and return what `MadeArrays.array` makes it of."""
        if id(array) not in self._live:
            self._live[id(array)] = (array, {"at": self.copy(array)})
        return self._live[id(array)][1]

    def all(self) -> list[NDArray[Any]]:
        """Return the copies, once every node that is a view has been told of what it is one."""
        groups: dict[int, list[NDArray[Any]]] = defaultdict(list)
        owners = {}
        for array, _ in self._live.values():
            owner = _owner(array)
            owners[id(owner)] = owner
            groups[id(owner)].append(array)
        for key, members in groups.items():
            owner = owners[key]
            if len(members) > 1 and owner.flags.c_contiguous and self._is_worth_it(owner, members):
                self._tell(owner, [one for one in members if one is not owner])
        return self._copies

    def _is_worth_it(self, owner: NDArray[Any], members: Sequence[NDArray[Any]]) -> bool:
        return id(owner) in self._live or owner.nbytes <= LARGEST * sum(
            one.nbytes for one in members
        )

    def _tell(self, owner: NDArray[Any], views: Sequence[NDArray[Any]]) -> None:
        at = self.node(owner)["at"]
        for view in views:
            node = self._live[id(view)][1]
            node["of"] = at
            node["offset"] = _address(view) - _address(owner)
            node["strides"] = list(view.strides)


class MadeArrays:
    """Arrays made anew of `Arrays.all`; what shared memory shares it again.

    Example:
        >>> MadeArrays([np.arange(2)]).array({"at": 0})
        array([0, 1])
    """

    def __init__(self, arrays: Sequence[NDArray[Any]]) -> None:
        self._arrays = arrays
        self._made: dict[int, NDArray[Any]] = {}

    def copy(self, at: int) -> NDArray[Any]:
        """Return a copy of its own of what was kept."""
        return self._arrays[at].copy()

    def array(self, node: dict[str, Any]) -> NDArray[Any]:
        """Return the array of a node, the same one each time."""
        at = node["at"]
        if at not in self._made:
            self._made[at] = self._view(node) if "of" in node else self.copy(at)
        return self._made[at]

    def _view(self, node: dict[str, Any]) -> NDArray[Any]:
        owner, like = self.array({"at": node["of"]}), self._arrays[node["at"]]
        memory = owner.reshape(-1).view(np.uint8)
        return np.ndarray(
            like.shape, like.dtype, memory, offset=node["offset"], strides=tuple(node["strides"])
        )


def _owner(array: NDArray[Any]) -> NDArray[Any]:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])

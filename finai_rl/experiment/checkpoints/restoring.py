"""Recorded states back into objects that were built anew."""

from __future__ import annotations

import enum
import random
import types
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from finai_rl.experiment.checkpoints.shared_memory import MadeArrays
from finai_rl.experiment.checkpoints.state import (
    CONTAINERS,
    FACTORIES,
    KIND,
    MAPPINGS,
    named,
    state_of,
)


class StateError(ValueError):
    """A recorded state does not fit the objects that it is to be put into."""


class Restorer:
    """Puts recorded states into objects that were built anew, in place.

    Args:
        arrays: Of the `Recorder`.

    Example:
        >>> Restorer([np.arange(2)]).restore({KIND: "array", "at": 0}, None)
        array([0, 1])
    """

    def __init__(self, arrays: Sequence[NDArray[Any]]) -> None:
        self._made = MadeArrays(arrays)

    def restore(self, node: Any, current: Any, where: str = "") -> Any:
        """Return the value of a node; objects that are there keep their identity.

        Args:
            node: What `Recorder.node` returned.
            current: What is there now.
            where: The way to it, for messages.

        Raises:
            StateError: If an object is missing, or of another class.
        """
        kind = node[KIND] if isinstance(node, dict) else None
        if kind is None or kind in ("code", "seen"):
            return node if kind is None else current
        if "at" in node:
            return self._numbers(kind, node, current)
        if kind in (*CONTAINERS, "deque"):
            return self._container(node, current, where)
        ways = {
            "dict": self._dict,
            "enum": self._enum,
            "function": self._callable,
            "generator": self._generator,
            "method": self._callable,
        }
        if kind in ways:
            return ways[kind](node, current, where)
        if kind == "optimizer":
            current.load_state_dict(self.restore(node["state"], None, where))
            return current
        if kind == "processes":
            for place, state in enumerate(self.restore(node["states"], None)):
                current.env_method("set_state", state, indices=[place])
            return current
        return self._object(node, current, where)

    def _numbers(self, kind: str, node: Any, current: Any) -> Any:
        if kind == "tensor":
            return self._tensor(torch.from_numpy(self._made.copy(node["at"])), current)
        return self._made.copy(node["at"])[()] if kind == "number" else self._made.array(node)

    def _enum(self, node: Any, current: Any, where: str) -> Any:
        for kind in (type(current), *_derived(enum.Enum)):
            if f"{kind.__module__}.{kind.__qualname__}" == node["class"]:
                return kind(self.restore(node["value"], None, where))
        raise StateError(f"{where}: there is no {node['class']} here")

    def _callable(self, node: Any, current: Any, where: str) -> Any:
        if isinstance(current, types.MethodType) and node[KIND] == "method":
            self.restore(node["self"], current.__self__, where)
        elif getattr(current, "__qualname__", None) == node.get("name"):
            cells = dict(zip(current.__code__.co_freevars, current.__closure__ or (), strict=True))
            for name, item in node["around"].items():
                cells[name].cell_contents = self.restore(
                    item, cells[name].cell_contents, f"{where}.{name}"
                )
            for name, item in node["held"].items():
                held = self.restore(item, vars(current).get(name), f"{where}.{name}")
                setattr(current, name, held)
        return current

    def _tensor(self, recorded: torch.Tensor, current: Any) -> torch.Tensor:
        # Optimizers and networks hold tensors by identity.
        same = isinstance(current, torch.Tensor) and current.shape == recorded.shape
        if not same or current.dtype != recorded.dtype:
            device = current.device if isinstance(current, torch.Tensor) else "cpu"
            return recorded.to(device)
        with torch.no_grad():
            current.copy_(recorded)
        return current  # type: ignore[no-any-return]

    def _dict(self, node: Any, current: Any, where: str) -> Any:
        there = current if isinstance(current, Mapping) else {}
        made = {}
        for key_node, item in node["items"]:
            key = self.restore(key_node, None)
            made[key] = self.restore(item, there.get(key), f"{where}[{key!r}]")
        if not isinstance(current, dict):
            if node.get("class") == "defaultdict":
                return defaultdict(FACTORIES.get(node.get("makes", "")), made)
            return MAPPINGS.get(node.get("class", ""), dict)(made)
        # In place: it may make missing entries of its own, as a defaultdict does.
        current.clear()
        current.update(made)
        return current

    def _container(self, node: Any, current: Any, where: str) -> Any:
        there = list(current) if isinstance(current, list | tuple | deque) else []
        there += [None] * (len(node["items"]) - len(there))
        made = [
            self.restore(item, old, f"{where}[{place}]")
            for place, (item, old) in enumerate(zip(node["items"], there, strict=False))
        ]
        if node[KIND] == "deque":
            return deque(made, node["longest"])
        if node[KIND] == "list" and isinstance(current, list):
            current[:] = made
            return current
        if isinstance(current, tuple) and hasattr(current, "_fields"):
            return type(current)(*made)
        return CONTAINERS[node[KIND]](made)

    def _generator(self, node: Any, current: Any, where: str) -> Any:
        state = self.restore(node["state"], None)
        if isinstance(current, np.random.Generator):
            current.bit_generator.state = state
        elif isinstance(current, np.random.RandomState):
            current.set_state(state)
        elif isinstance(current, random.Random):
            current.setstate(state)
        elif isinstance(current, torch.Generator):
            current.set_state(state)
        elif isinstance(state, dict):
            made = np.random.Generator(getattr(np.random, state["bit_generator"])())
            made.bit_generator.state = state
            return made
        else:
            raise StateError(f"{where}: there is no {node['class']} here")
        return current

    def _object(self, node: Any, current: Any, where: str) -> Any:
        if named(current) != node["class"]:
            raise StateError(f"{where}: {node['class']} there, {named(current)} here")
        if node[KIND] == "own":
            current.set_state(self.restore(node["state"], None, where))
            return current
        held = state_of(current)
        assert held is not None
        for name, item in node["state"].items():
            value = self.restore(item, held.get(name), f"{where}.{name}".lstrip("."))
            if name in held and held[name] is value:
                continue
            if isinstance(item, dict) and item[KIND] in ("code", "seen"):
                continue
            vars(current)[name] = value
        return current


def _derived(kind: type[Any]) -> Iterator[type[Any]]:
    for one in kind.__subclasses__():
        yield one
        yield from _derived(one)

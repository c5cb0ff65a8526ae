"""The state of live objects as plain values and arrays, and back into objects built anew.

Everything that an object holds is its state: numbers, texts, arrays, tensors, random generators,
optimizers, and the objects it holds in turn. Code (functions, classes) and what never changes
(frozen dataclasses, names in ``not_state`` of a class) is not. An object that has both
``get_state`` and ``set_state`` is asked instead. One whose class names another in ``recorded_as``
is recorded, and restored, as one of that.
"""

from __future__ import annotations

import enum
import functools
import logging
import random
import types
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnvWrapper

KIND = "$"
"""Key of a node that is more than a value which JSON knows."""
VALUES = (type(None), bool, int, float, str)
CODE = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, type,
    functools.partial, logging.Logger, enum.Enum, PurePath, np.dtype, torch.device, torch.dtype,
    torch.Size, torch.distributions.Distribution, property,
)  # fmt: skip
"""What is no state."""
FOREIGN = ("threading", "_thread", "concurrent", "multiprocessing", "_io", "io", "tqdm", "rich",
           "pandas", "mlflow", "weakref", "inspect", "typing", "collections")  # fmt: skip
"""Packages whose objects are no state of a training: threads, files, what is shown."""
CONTAINERS = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}

OF_A_SPACE = ("_np_random", "spaces")
NOT_THEIRS = ("model", "locals", "globals", "parent", "class_attributes")
"""Attributes of SB3's callbacks and wrappers that refer to what is recorded elsewhere."""


class StateError(ValueError):
    """A recorded state does not fit the objects that it is to be put into."""


class Recorder:
    """Records states; what is met a second time is recorded once.

    Args:
        skip: Objects that are not recorded, such as buffers that are written elsewhere.

    Attributes:
        arrays: What the nodes' ``at`` refers to.
        unknown: Types of what was met and is neither state nor known to be none.

    Example:
        >>> recorder = Recorder()
        >>> generator = np.random.default_rng(0)
        >>> node = recorder.node({"generator": generator, "seen": np.arange(3)})
        >>> expected = generator.integers(100)
        >>> anew = {"generator": np.random.default_rng(7), "seen": None}
        >>> Restorer(recorder.arrays).restore(node, anew)["seen"]
        array([0, 1, 2])
        >>> bool(anew["generator"].integers(100) == expected)
        True
    """

    def __init__(self, skip: Sequence[object] = ()) -> None:
        self.arrays: list[NDArray[Any]] = []
        self.unknown: set[str] = set()
        # Kept alive: an id would be given to another object otherwise.
        self._seen: dict[int, object] = {id(one): one for one in skip}

    def node(self, value: Any, without: Sequence[str] = ()) -> Any:
        """Return the state of a value, as JSON can hold it.

        Args:
            value: Anything.
            without: Attributes of the object that are left out.
        """
        if type(value) in VALUES:
            return value
        if isinstance(value, np.generic):
            return {KIND: "number", "at": self._array(np.asarray(value))}
        if isinstance(value, np.ndarray):
            return self._ndarray(value)
        if isinstance(value, torch.Tensor):
            return {KIND: "tensor", "at": self._array(value.detach().cpu().numpy().copy())}
        if (generator := _generator_state(value)) is not None:
            return {KIND: "generator", "class": _name(value), "state": self.node(generator)}
        if isinstance(value, CODE):
            return {KIND: "code"}
        if isinstance(value, Mapping):
            items = [[self.node(key), self.node(item)] for key, item in value.items()]
            return {KIND: "dict", "items": items}
        if isinstance(value, list | tuple | set | frozenset | deque):
            return self._container(value)
        return self._object(value, without)

    def _array(self, array: NDArray[Any]) -> int:
        self.arrays.append(array)
        return len(self.arrays) - 1

    def _ndarray(self, value: NDArray[Any]) -> Any:
        if value.dtype.hasobject:
            return self._unknown(value)
        return {KIND: "array", "at": self._array(value.copy())}

    def _container(self, value: Any) -> Any:
        if isinstance(value, deque):
            kind: dict[str, Any] = {KIND: "deque", "longest": value.maxlen}
        else:
            names = [name for name, known in CONTAINERS.items() if isinstance(value, known)]
            kind = {KIND: names[0]}
        # Sets have an order of their own in each process.
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return {**kind, "items": [self.node(item) for item in items]}

    def _object(self, value: Any, without: Sequence[str]) -> Any:
        if id(value) in self._seen:
            return {KIND: "seen"}
        self._seen[id(value)] = value
        if isinstance(value, torch.optim.Optimizer):
            return {KIND: "optimizer", "state": self.node(value.state_dict())}
        if isinstance(value, SubprocVecEnv):
            # Its environments are in other processes.
            return {KIND: "processes", "states": self.node(value.env_method("get_state"))}
        if asks(value):
            return {KIND: "own", "class": _name(value), "state": self.node(value.get_state())}
        parameters = getattr(type(value), "__dataclass_params__", None)
        foreign = type(value).__module__.partition(".")[0] in FOREIGN
        if foreign or (parameters is not None and parameters.frozen):
            return {KIND: "code"}
        held = state_of(value)
        if held is None:
            return self._unknown(value)
        left_out = {*without, *getattr(type(value), "not_state", ())}
        attributes = {name: self.node(item) for name, item in held.items() if name not in left_out}
        return {KIND: "object", "class": _name(value), "state": attributes}

    def _unknown(self, value: Any) -> Any:
        self.unknown.add(_name(value))
        return {KIND: "code"}


class Restorer:
    """Puts recorded states into objects that were built anew, in place.

    Args:
        arrays: Of the `Recorder`.

    Example:
        >>> Restorer([np.arange(2)]).restore({KIND: "array", "at": 0}, None)
        array([0, 1])
    """

    def __init__(self, arrays: Sequence[NDArray[Any]]) -> None:
        self._arrays = arrays

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
            return self._numbers(kind, self._arrays[node["at"]], current)
        if kind == "dict":
            return self._dict(node["items"], current, where)
        if kind in (*CONTAINERS, "deque"):
            return self._container(node, current, where)
        if kind == "generator":
            return self._generator(node, current, where)
        if kind == "optimizer":
            current.load_state_dict(self.restore(node["state"], None, where))
            return current
        if kind == "processes":
            for place, state in enumerate(self.restore(node["states"], None)):
                current.env_method("set_state", state, indices=[place])
            return current
        return self._object(node, current, where)

    def _numbers(self, kind: str, array: NDArray[Any], current: Any) -> Any:
        if kind == "tensor":
            return self._tensor(torch.from_numpy(array.copy()), current)
        return array[()] if kind == "number" else array.copy()

    def _tensor(self, recorded: torch.Tensor, current: Any) -> torch.Tensor:
        # Optimizers and networks hold tensors by identity.
        same = isinstance(current, torch.Tensor) and current.shape == recorded.shape
        if not same or current.dtype != recorded.dtype:
            device = current.device if isinstance(current, torch.Tensor) else "cpu"
            return recorded.to(device)
        with torch.no_grad():
            current.copy_(recorded)
        return current  # type: ignore[no-any-return]

    def _dict(self, items: Sequence[Any], current: Any, where: str) -> Any:
        there = current if isinstance(current, Mapping) else {}
        made = {}
        for key_node, node in items:
            key = self.restore(key_node, None)
            made[key] = self.restore(node, there.get(key), f"{where}[{key!r}]")
        if not isinstance(current, dict):
            return made
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
        if _name(current) != node["class"]:
            raise StateError(f"{where}: {node['class']} there, {_name(current)} here")
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


def asks(value: Any) -> bool:
    """Return whether an object says itself what its state is."""
    return all(callable(getattr(type(value), name, None)) for name in ("get_state", "set_state"))


def state_of(value: Any) -> dict[str, Any] | None:
    """Return the attributes that may be state of an object; None where none can be seen."""
    held: dict[str, Any] | None = getattr(value, "__dict__", None)
    if isinstance(value, spaces.Space):
        return {name: item for name, item in vars(value).items() if name in OF_A_SPACE}
    if isinstance(value, BaseCallback | VecEnvWrapper):
        return {name: item for name, item in vars(value).items() if name not in NOT_THEIRS}
    return held


def _generator_state(value: Any) -> Any:
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, np.random.RandomState):
        return value.get_state(legacy=True)
    if isinstance(value, random.Random):
        return value.getstate()
    return value.get_state() if isinstance(value, torch.Generator) else None


def _name(value: Any) -> str:
    named = getattr(type(value), "recorded_as", type(value))
    return f"{named.__module__}.{named.__qualname__}"

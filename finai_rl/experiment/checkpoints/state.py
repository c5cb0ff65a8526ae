"""The state of live objects as plain values and arrays.

Everything that an object holds is its state: numbers, texts, arrays, tensors, random generators,
optimizers, and the objects it holds in turn. Code (functions, classes) and what never changes
(frozen dataclasses, names in ``not_state`` of a class) is not; of a function, its state is what it
keeps in variables around it and in attributes. An object that has both ``get_state`` and
``set_state`` is asked instead. One whose class names another in ``recorded_as`` is recorded, and
restored, as one of that.
"""

from __future__ import annotations

import enum
import functools
import logging
import random
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnvWrapper

from finai_rl.experiment.checkpoints.shared_memory import Arrays

KIND = "$"
"""Key of a node that is more than a value which JSON knows."""
VALUES = (type(None), bool, int, float, str)
CALLABLE = (types.FunctionType, types.MethodType)
"""What has a state in variables around it, or in the object that it hangs on."""
CODE = (
    types.BuiltinFunctionType, types.ModuleType, type, functools.partial, logging.Logger, PurePath,
    np.dtype, torch.device, torch.dtype, torch.Size, torch.distributions.Distribution, property,
)  # fmt: skip
"""What is no state."""
FOREIGN = ("threading", "_thread", "concurrent", "multiprocessing", "_io", "io", "tqdm", "rich",
           "mlflow", "weakref", "inspect", "typing", "collections")  # fmt: skip
"""Packages whose objects are no state of a training: threads, files, what is shown."""
WITHOUT_STATE = ("pandas",)
"""Packages of whose objects the attributes are not the state."""
MAPPINGS = {"Counter": Counter, "OrderedDict": OrderedDict, "defaultdict": defaultdict}
FACTORIES = {kind.__name__: kind for kind in (list, dict, set, int, float, str, bool)}
"""What a ``defaultdict`` may make that is made anew."""
CONTAINERS = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}

OF_A_SPACE = ("_np_random", "spaces")
NOT_THEIRS = ("model", "locals", "globals", "parent", "class_attributes")
"""Attributes of SB3's callbacks and wrappers that refer to what is recorded elsewhere."""


class Recorder:
    """Records states; what is met a second time is recorded once.

    Args:
        skip: Objects that are not recorded, such as buffers that are written elsewhere.

    Attributes:
        unknown: Types of what was met and is neither state nor known to be none.

    Example:
        >>> from finai_rl.experiment.checkpoints.restoring import Restorer
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
        self._kept = Arrays()
        self.unknown: set[str] = set()
        # Kept alive: an id would be given to another object otherwise.
        self._seen: dict[int, object] = {id(one): one for one in skip}

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """Return what the nodes' ``at`` refers to."""
        return self._kept.all()

    def node(self, value: Any, without: Sequence[str] = ()) -> Any:
        """Return the state of a value, as JSON can hold it.

        Args:
            value: Anything.
            without: Attributes of the object that are left out.
        """
        if type(value) in VALUES:
            return value
        if isinstance(value, np.generic | np.ndarray | torch.Tensor):
            return self._numbers(value)
        if (generator := _generator_state(value)) is not None:
            return {KIND: "generator", "class": named(value), "state": self.node(generator)}
        if isinstance(value, enum.Enum):
            return {KIND: "enum", "class": named(value), "value": self.node(value.value)}
        if isinstance(value, CALLABLE):
            return self._callable(value)
        if isinstance(value, CODE):
            return {KIND: "code"}
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, list | tuple | set | frozenset | deque):
            return self._container(value)
        return self._object(value, without)

    def _numbers(self, value: Any) -> Any:
        if isinstance(value, np.generic):
            return {KIND: "number", "at": self._kept.copy(np.asarray(value))}
        if isinstance(value, torch.Tensor):
            return {KIND: "tensor", "at": self._kept.copy(value.detach().cpu().numpy())}
        if value.dtype.hasobject:
            return self._unknown(value)
        # The very node: what it is a view of is told last.
        node = self._kept.node(value)
        node[KIND] = "array"
        return node

    def _callable(self, value: types.FunctionType | types.MethodType) -> Any:
        if isinstance(value, types.MethodType):
            # Of what a method hangs on, only what is small and holds nothing else.
            of = getattr(value.__self__, "__dict__", None)
            if isinstance(value.__self__, type) or not of or not _is_plain(of):
                return {KIND: "code"}
            return {KIND: "method", "self": self.node(value.__self__)}
        around = {name: cell for name, cell in _cells(value).items() if _is_plain(cell)}
        held = {name: item for name, item in vars(value).items() if _is_plain(item)}
        if not around and not held:
            return {KIND: "code"}
        return {
            KIND: "function",
            "name": value.__qualname__,
            "around": {name: self.node(item) for name, item in around.items()},
            "held": {name: self.node(item) for name, item in held.items()},
        }

    def _mapping(self, value: Mapping[Any, Any]) -> Any:
        items = [[self.node(key), self.node(item)] for key, item in value.items()]
        node: dict[str, Any] = {KIND: "dict", "items": items}
        if type(value) in MAPPINGS.values():
            node["class"] = type(value).__name__
            makes = getattr(value, "default_factory", None)
            if makes is not None and makes in FACTORIES.values():
                node["makes"] = makes.__name__
        return node

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
            return {KIND: "seen", "class": named(value)}
        self._seen[id(value)] = value
        if isinstance(value, torch.optim.Optimizer):
            return {KIND: "optimizer", "state": self.node(value.state_dict())}
        if isinstance(value, SubprocVecEnv):
            # Its environments are in other processes.
            return {KIND: "processes", "states": self.node(value.env_method("get_state"))}
        if asks(value):
            return {KIND: "own", "class": named(value), "state": self.node(value.get_state())}
        parameters = getattr(type(value), "__dataclass_params__", None)
        package = type(value).__module__.partition(".")[0]
        if package in FOREIGN or (parameters is not None and parameters.frozen):
            return {KIND: "code"}
        held = None if package in WITHOUT_STATE else state_of(value)
        if held is None:
            return self._unknown(value)
        left_out = {*without, *getattr(type(value), "not_state", ())}
        attributes = {name: self.node(item) for name, item in held.items() if name not in left_out}
        return {KIND: "object", "class": named(value), "state": attributes}

    def _unknown(self, value: Any) -> Any:
        self.unknown.add(named(value))
        return {KIND: "code"}


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


def _cells(function: types.FunctionType) -> dict[str, Any]:
    """Return the variables around a function that it uses."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            # It has been given nothing yet.
            continue
    return found


def _is_plain(value: Any) -> bool:
    """Return whether a value is numbers, texts and arrays through and through."""
    if isinstance(value, Mapping):
        return all(_is_plain(item) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple | set | frozenset | deque):
        return all(map(_is_plain, value))
    is_array = isinstance(value, np.ndarray) and not value.dtype.hasobject
    return is_array or type(value) in VALUES or isinstance(value, np.generic | torch.Tensor)


def _generator_state(value: Any) -> Any:
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, np.random.RandomState):
        return value.get_state(legacy=True)
    if isinstance(value, random.Random):
        return value.getstate()
    return value.get_state() if isinstance(value, torch.Generator) else None


def named(value: Any) -> str:
    """Return the name of a value's class, as it is recorded."""
    named = getattr(type(value), "recorded_as", type(value))
    return f"{named.__module__}.{named.__qualname__}"

"""PyTorch's compiler, imported when it is used and not by every optimizer.

An optimizer imports ``torch._dynamo`` to call two functions that do nothing outside of compiled
code, and with it SymPy and half of PyTorch, which takes as long again as ``import torch``.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, spec_from_loader
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"
_CACHED = "__dynamo_disable"
"""Where PyTorch keeps, on a function, what `disable` has made of it."""

_importing = threading.RLock()


def compiler_on_use() -> None:
    """Let a stand-in answer for ``torch._dynamo`` until it is asked for more than it can do.

    Does nothing where the compiler is imported already.
    """
    import torch

    if NAME not in sys.modules:
        stand_in = _StandIn(NAME)
        # Whoever asks whether there is a compiler finds the one that there is.
        stand_in.__spec__ = find_spec(NAME)
        sys.modules[NAME] = stand_in
        setattr(torch, "_dynamo", stand_in)  # noqa: B010
        sys.meta_path.insert(0, _Below())


class _StandIn(ModuleType):
    """Answers what optimizers ask; anything else imports the compiler, which answers from then."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        # A package, so that modules in it are looked for: `_Below` finds them.
        self.__path__: list[str] = []
        self._left_alone: list[Any] = []

    def graph_break(self, msg: str = "") -> None:
        """Do nothing, as outside of compiled code."""

    def disable(self, fn: Any = None, recursive: bool = True, **settings: Any) -> Any:
        """Return a function as it is: nothing would compile it now."""
        # What else asks for this may be compiled later, and keep what it is given.
        if fn is None or settings != {"wrapping": False}:
            return _compiler().disable(fn, recursive, **settings)
        self._left_alone.append(fn)
        return fn

    def __getattr__(self, name: str) -> Any:
        # Those that go through all modules ask for such names.
        if name.startswith("__"):
            raise AttributeError(f"module {NAME!r} has no attribute {name!r}")
        return getattr(_compiler(), name)


class _Below(MetaPathFinder):
    """Imports the compiler before a module in it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{NAME}."):
            return None
        inside = _compiler().__path__
        if fullname in sys.modules:
            return spec_from_loader(fullname, _Known(sys.modules[fullname]))
        return PathFinder.find_spec(fullname, inside, target)


class _Known(Loader):
    """Returns a module that the compiler's import has brought already, as it was."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def _compiler() -> ModuleType:
    with _importing:
        stand_in = sys.modules.get(NAME)
        if isinstance(stand_in, _StandIn):
            del sys.modules[NAME]
            sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, _Below)]
            # Asked again, the compiler marks them so that it does not compile them.
            for function in stand_in._left_alone:
                vars(function).pop(_CACHED, None)
        return importlib.import_module(NAME)

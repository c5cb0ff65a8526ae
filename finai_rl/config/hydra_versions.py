"""What differs between Hydra 1.3 and 1.4, and between the versions of OmegaConf that they need."""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import hydra
from hydra.errors import CompactHydraException
from omegaconf import OmegaConf

IS_NEW = "_execution_whitelist_" in inspect.signature(hydra.utils.instantiate).parameters
"""Whether Hydra is 1.4 or later."""

VERSION_BASE: dict[str, Any] = {} if IS_NEW else {"version_base": "1.3"}
"""Argument of ``hydra.main`` and ``initialize_config_dir``: 1.4 has its defaults without it."""


def register_resolver(name: str, function: Callable[..., Any]) -> None:
    """Make a function known to configs as ``${name:...}``, in place of one of this name."""
    if IS_NEW:
        known: Any = OmegaConf.register_resolver
        known(name, function, replace=True, annotation_validation="off")
    else:
        OmegaConf.register_new_resolver(name, function, replace=True)


def instantiate(node: Any, allowed: Iterable[str], **settings: Any) -> Any:
    """Have Hydra build what a node names.

    Args:
        node: Plain containers.
        allowed: Dotted paths, all that may be built or looked up: Hydra 1.4 refuses others, and 1.3
            would pass the list on to the target.
        **settings: Further arguments of ``hydra.utils.instantiate``.
    """
    listed: dict[str, Any] = {"_execution_whitelist_": sorted(set(allowed))} if IS_NEW else {}
    return hydra.utils.instantiate(node, **listed, **settings)


@contextmanager
def messages_without_traceback() -> Iterator[None]:
    """Have a job's refusal printed as its message alone, as Hydra 1.3 does.

    Hydra 1.4 hands what a job raised to ``sys.excepthook``, where there is one.
    """
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, CompactHydraException) and os.environ.get("HYDRA_FULL_ERROR") != "1":
            print(error, file=sys.stderr)
        else:
            before(kind, error, trace)

    sys.excepthook = hook
    try:
        yield
    finally:
        sys.excepthook = before


def accept_that_hydra_builds_its_own() -> None:
    """Leave out Hydra 1.4's warning that it builds callbacks, launcher and sweeper without a list.

    `look_before_composing` holds them against ours, and what Hydra itself refuses stays refused.
    """
    text = r"hydra\.utils\.instantiate\(\) resolved _target_=.* with no\s+_execution_whitelist_"
    warnings.filterwarnings("ignore", message=text, category=UserWarning, module=r"hydra\.")

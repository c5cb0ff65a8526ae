"""From a config node to the object that its ``_target_`` names."""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from finai_rl.config import hydra_versions
from finai_rl.config.safety.targets import WHAT, is_class_of_a_place, is_of_a_kind, named_paths
from finai_rl.errors import ConfigError, InputError

REFUSALS = (
    ValueError,
    TypeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    LookupError,
    AttributeError,
    FileNotFoundError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    HydraException,
)
"""What a target raises that does not take its settings; PyTorch has RuntimeError for all."""


MADE = ("stable_baselines3.*", "sb3_contrib.*")
"""What factories of this package make that can be called, such as action noise."""


def plain(node: DictConfig) -> dict[str, Any]:
    """Return a config node as plain containers, with every interpolation resolved."""
    container: Any = OmegaConf.to_container(node, resolve=True)
    return {str(name): value for name, value in container.items()}


def build(node: DictConfig | dict[str, Any], key: str, /, *objects: Any, **settings: Any) -> Any:
    """Build what a config node's ``_target_`` names.

    Args:
        node: The node, as it stands in the config or as plain containers.
        key: Where it stands in the config, for messages.
        *objects: Objects to pass by position.
        **settings: Objects and settings to pass by name, over those of the node.

    Raises:
        ConfigError: If the target cannot be imported, knows no such setting, or refuses a value.
    """
    node = plain(node) if isinstance(node, DictConfig) else node
    _check_origins(key, node)
    target = import_target(f"{key}._target_", node["_target_"])
    unknown = _unknown_settings(target, [name for name in node if not name.startswith("_")])
    if unknown:
        raise ConfigError(
            f"{key}.{name}: {node['_target_']} has no such setting{hint}"
            for name, hint in unknown.items()
        )
    try:
        # Partial, then called: Hydra would turn objects passed to it into config nodes.
        make = instantiate(node, _partial_=True, _convert_="all")
        return make(*objects, **settings)
    except Exception as error:
        cause = error.__cause__ or error
        if isinstance(cause, InputError):
            raise cause from None
        if isinstance(cause, REFUSALS):
            kind = "" if type(cause) is ValueError else f"{type(cause).__name__}: "
            raise ConfigError([f"{key}: {kind}{cause}"]) from cause
        raise


def instantiate(node: dict[str, Any], **settings: Any) -> Any:
    """Instantiate a node by Hydra, which may build what the node names and nothing else.

    Args:
        node: Plain containers, their targets checked.
        **settings: Further arguments of ``hydra.utils.instantiate``.
    """
    return hydra_versions.instantiate(node, _named_in(node), **settings)


def _named_in(node: Any) -> Iterator[str]:
    """Yield what a node names, where that comes from, and what a look-up finds.

    A name may stand for what is defined deeper in its package, and a factory gives objects of its
    own package or of the agents' libraries. That a name is from its package was checked before.
    """
    if isinstance(node, dict) and "_target_" in node:
        target, *found = named_paths(node)
        yield from (target, f"{target.partition('.')[0]}.*", *MADE)
        for path in found:
            thing = import_target("_target_", path)
            yield from (path, f"{thing.__module__}.{thing.__qualname__}")
    if isinstance(node, dict | list):
        for part in node.values() if isinstance(node, dict) else node:
            yield from _named_in(part)


def _check_origins(key: str, node: Any) -> None:
    """Refuse what is only reachable through a package, and a listed class of another kind."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return
    for path in named_paths(node) if "_target_" in node else ():
        found = import_target(f"{key}._target_", path)
        origin = getattr(found, "__module__", None) or ""
        if origin.partition(".")[0] != path.partition(".")[0]:
            raise ConfigError([f"{key}._target_: {path} is from {origin or 'elsewhere'}"])
        if is_class_of_a_place(path) and not is_of_a_kind(found):
            raise ConfigError([f"{key}._target_: {path} is none of {WHAT}"])
    for name, value in node.items():
        _check_origins(f"{key}.{name}", value)


def import_target(key: str, path: str) -> Any:
    """Return what a dotted path names.

    Args:
        key: Where the path stands in the config, for messages.
        path: Such as ``my_env.MyReward``.

    Raises:
        ConfigError: If it cannot be imported.
    """
    # Hydra would log a second message beside the one that is raised.
    logger = logging.getLogger("hydra.utils")
    disabled, logger.disabled = logger.disabled, True
    try:
        return hydra.utils.get_object(path)
    except Exception as error:
        problem = _import_problem(path, error.__cause__ or error)
        raise ConfigError([f"{key}: {path} cannot be imported: {problem}"]) from error
    finally:
        logger.disabled = disabled


def _import_problem(path: str, error: BaseException) -> str:
    missing = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    if missing and missing == path.partition(".")[0]:
        return (
            f"there is no module {missing} in the folder that this was started in, in PYTHONPATH, "
            "or installed"
        )
    if missing and f"{path}.".startswith(f"{missing}."):
        parent, _, name = missing.rpartition(".")
        return f"{parent} has no {name}"
    return f"{type(error).__name__}: {error}"


def _unknown_settings(target: Any, names: Iterable[str]) -> dict[str, str]:
    parameters = inspect.signature(target).parameters
    if any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters.values()):
        return {}
    known = list(parameters)
    return {name: suggestion(name, known) for name in names if name not in known}


def suggestion(name: str, known: list[str], prefix: str = "") -> str:
    """Return the end of a message on an unknown name: the one that was meant, or all there are."""
    close = difflib.get_close_matches(name, known, n=1)
    return (
        f"; did you mean {prefix}{close[0]}?"
        if close
        else f"; there are {', '.join(known) or 'none'}"
    )

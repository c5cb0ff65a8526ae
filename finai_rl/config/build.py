"""From a config node to the object that its ``_target_`` names."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from finai_rl.errors import ConfigError, InputError

ALLOWED_PACKAGES = (
    "finai_rl",
    "stable_baselines3",
    "sb3_contrib",
    "sbx",
    "elegantrl",
    "finrl",
    "gymnasium",
    "torch.nn",
    "torch.optim",
    "hydra.utils.get_class",
)
"""What a ``_target_`` may name: a config is data, and must not be able to run just anything."""


def target_problems(prefix: str, node: Any, trusted: Iterable[str]) -> Iterator[str]:
    """Find every target below a node that is in no allowed package.

    Args:
        prefix: Where the node stands in the config, for messages.
        node: Plain containers.
        trusted: Packages that the user allows beside `ALLOWED_PACKAGES`.
    """
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from target_problems(f"{prefix}[{number}]", item, trusted)
    if not isinstance(node, dict):
        return
    named = [node.get("_target_")]
    named += [node.get("path")] if named == ["hydra.utils.get_class"] else []
    packages = (*ALLOWED_PACKAGES, *trusted)
    for target in filter(None, named):
        if not any(target == package or target.startswith(f"{package}.") for package in packages):
            yield (
                f"{prefix}._target_: {target} is not in a package that a config may name "
                f"({', '.join(packages)}); add yours to trusted_packages"
            )
    for name, value in node.items():
        yield from target_problems(f"{prefix}.{name}", value, trusted)


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
    target = _import(f"{key}._target_", node["_target_"])
    unknown = _unknown_settings(target, [name for name in node if not name.startswith("_")])
    if unknown:
        raise ConfigError(
            f"{key}.{name}: {node['_target_']} has no such setting{hint}"
            for name, hint in unknown.items()
        )
    try:
        # Partial, then called: Hydra would turn objects passed to it into config nodes.
        make = hydra.utils.instantiate(node, _partial_=True, _convert_="all")
        return make(*objects, **settings)
    except Exception as error:
        cause = error.__cause__ or error
        if isinstance(cause, InputError):
            raise cause from None
        if isinstance(cause, ValueError | TypeError | AssertionError | HydraException):
            kind = "" if type(cause) is ValueError else f"{type(cause).__name__}: "
            raise ConfigError([f"{key}: {kind}{cause}"]) from cause
        raise


def _check_origins(key: str, node: Any) -> None:
    """Refuse a target that is only reachable through a package, such as a module it imports."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return
    if "_target_" in node:
        path = node["_target_"]
        origin = getattr(_import(f"{key}._target_", path), "__module__", None) or ""
        if origin.partition(".")[0] != path.partition(".")[0]:
            raise ConfigError([f"{key}._target_: {path} is from {origin or 'elsewhere'}"])
    for name, value in node.items():
        _check_origins(f"{key}.{name}", value)


def _import(key: str, path: str) -> Any:
    try:
        return hydra.utils.get_object(path)
    except Exception as error:
        raise ConfigError([f"{key}: {path} cannot be imported: {error}"]) from error


def _unknown_settings(target: Any, names: Iterable[str]) -> dict[str, str]:
    parameters = inspect.signature(target).parameters
    if any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters.values()):
        return {}
    known = list(parameters)
    return {name: suggestion(name, known) for name in names if name not in known}


def suggestion(name: str, known: list[str], prefix: str = "") -> str:
    """Return the end of a message on an unknown name: the one that was meant, or all there are."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {prefix}{close[0]}?" if close else f"; there are {', '.join(known)}"

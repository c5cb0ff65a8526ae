"""The one bridge to Hydra: where ``conf/`` is, what a config must satisfy, how it is built."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import CompactHydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from finai_rl import schemas
from finai_rl.errors import InputError

_CHECKOUT = Path(__file__).resolve().parents[1] / "conf"
CONFIG_DIR = _CHECKOUT if (_CHECKOUT / "train.yaml").is_file() else Path(__file__).parent / "conf"

ALLOWED_PACKAGES = (
    "finai_rl",
    "stable_baselines3",
    "sb3_contrib",
    "elegantrl",
    "finrl",
    "gymnasium",
    "torch.nn",
    "torch.optim",
    "hydra.utils.get_class",
)
"""What a ``_target_`` may name: a config is data, and must not be able to run just anything."""

AT_LEAST_ONE = (
    "total_timesteps",
    "total_episodes",
    "checkpoint_every",
    "log_interval",
    "torch_threads",
)
"""Top-level settings that count something."""


class ConfigError(InputError):
    """A config that cannot be run as it is; the message names every offending key."""

    def __init__(self, problems: Iterable[str]) -> None:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"This config cannot be run as it is:\n{listed}")


def entry_point(config_name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Make a function of a config a command: compose, check, run, and refuse in plain words.

    An :class:`~finai_rl.errors.InputError` becomes one message and exit status 1, without a
    traceback unless ``HYDRA_FULL_ERROR=1``.
    """

    def decorate(job: Callable[[DictConfig], Any]) -> Callable[[], None]:
        @functools.wraps(job)
        def checked(cfg: DictConfig) -> Any:
            try:
                check(cfg)
                return job(cfg)
            except InputError as error:
                raise CompactHydraException(str(error)) from error

        command = hydra.main(
            config_path=str(CONFIG_DIR), config_name=config_name, version_base="1.3"
        )(checked)

        def run() -> None:
            try:
                command()
            except KeyboardInterrupt:
                if os.environ.get("HYDRA_FULL_ERROR") == "1":
                    raise
                print("Interrupted.", file=sys.stderr)
                sys.exit(128 + signal.SIGINT)

        return run

    return decorate


def check(cfg: DictConfig) -> None:
    """Hold a composed config against the schemas, without importing what it will build.

    Raises:
        ConfigError: Names every unknown key, missing value and wrong type.
    """
    try:
        settings = plain(cfg)
    except OmegaConfBaseException as error:
        raise ConfigError([_described(error)]) from error
    problems = [*_schema_problems("", settings, schemas.Train), *_range_problems(settings)]
    for key, node in settings.items():
        if not isinstance(node, dict):
            continue
        schema = schemas.BY_TARGET.get(str(node.get("_target_")))
        schema = schemas.Evaluation if key == "evaluation" else schema
        problems += [*_target_problems(key, node, cfg.get("trusted_packages", []))]
        if schema is not None:
            problems += [*_schema_problems(f"{key}.", node, schema)]
    if problems:
        raise ConfigError(problems)


def _schema_problems(prefix: str, node: Mapping[Any, Any], schema: type) -> Iterator[str]:
    known = [field.name for field in dataclasses.fields(schema)]
    for name, value in node.items():
        if name == "_target_":
            continue
        if name not in known:
            yield f"{prefix}{name}: no such setting{_suggestion(str(name), known, prefix)}"
        elif value == "???":
            yield f"{prefix}{name}: must be given"
        else:
            try:
                OmegaConf.merge(OmegaConf.structured(schema), {name: value})
            except OmegaConfBaseException as error:
                yield f"{prefix}{_described(error)}"


def _range_problems(settings: Mapping[str, Any]) -> Iterator[str]:
    for name in AT_LEAST_ONE:
        value = settings.get(name)
        if isinstance(value, int) and value < 1:
            yield f"{name}: must be at least 1, got {value}"


def _target_problems(prefix: str, node: Any, trusted: Iterable[str]) -> Iterator[str]:
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _target_problems(f"{prefix}[{number}]", item, trusted)
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
        yield from _target_problems(f"{prefix}.{name}", value, trusted)


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
    target = _import(f"{key}._target_", node["_target_"])
    unknown = _unknown_settings(target, [name for name in node if not name.startswith("_")])
    if unknown:
        raise ConfigError(
            f"{key}.{name}: {node['_target_']} has no such setting{hint}"
            for name, hint in unknown.items()
        )
    # Partial, then called: Hydra would turn objects passed to instantiate into config nodes.
    make = hydra.utils.instantiate(node, _partial_=True, _convert_="all")
    try:
        return make(*objects, **settings)
    except Exception as error:
        cause = error.__cause__ or error
        if isinstance(cause, InputError):
            raise cause from None
        if isinstance(cause, ValueError | TypeError | AssertionError):
            raise ConfigError([f"{key}: {cause}"]) from cause
        raise


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
    return {name: _suggestion(name, known) for name in names if name not in known}


def _suggestion(name: str, known: list[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {prefix}{close[0]}?" if close else f"; there are {', '.join(known)}"


def _described(error: OmegaConfBaseException) -> str:
    message = str(error.msg or error).split("\n")[0]
    return f"{error.full_key}: {message}" if error.full_key else message

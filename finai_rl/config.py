"""The one bridge to Hydra: where ``conf/`` is, what a config must satisfy, how it is built."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import functools
import gc
import inspect
import math
import os
import signal
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import CompactHydraException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from finai_rl import schemas
from finai_rl.errors import ConfigError, InputError

_CHECKOUT = Path(__file__).resolve().parents[1] / "conf"
CONFIG_DIR = _CHECKOUT if (_CHECKOUT / "train.yaml").is_file() else Path(__file__).parent / "conf"

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

LEAST = {
    "total_timesteps": 1,
    "total_episodes": 1,
    "checkpoint_every": 1,
    "log_interval": 1,
    "torch_threads": 1,
    "seed": 0,
    "evaluation.periods_per_year": 1,
    "periods_per_year": 1,
    "random_agents": 0,
    "sweep.seeds": 1,
    "sweep.evaluations": 0,
    "days": 1,
    "shifts": 1,
    "information.horizons": 1,
    "turbulence": 2,
}
"""The smallest values of settings that count something, of whichever command has them."""

SHARES = ("information.threshold", "information.significance")
"""Settings that lie between 0 and 1."""

ONE_OF = {
    "sweep.aggregate": ("mean", "iqm"),
    "block": ("validation", "test"),
    "raw.adjust": ("auto", "never"),
    "raw.on_missing": ("error", "drop_ticker", "forward_fill"),
    "warm_up": ("drop", "keep"),
}
"""Settings that name one of a few."""


BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""YAML's words, for settings that are true, false or a name."""


OmegaConf.register_new_resolver("mul", lambda x, y: x * y, replace=True)
OmegaConf.register_new_resolver("choose", lambda n, k: math.comb(n, k), replace=True)


WithSeed = Callable[[int], DictConfig]
"""Returns the checked config of a job as it is with another seed."""


def entry_point(
    config_name: str,
    around: Callable[[], AbstractContextManager[Any]] = nullcontext,
    schema: type = schemas.Train,
) -> Callable[[Callable[[DictConfig, WithSeed], Any]], Callable[[], None]]:
    """Make a function of a config a command: compose, check, run, and refuse in plain words.

    An :class:`~finai_rl.errors.InputError` becomes one message and exit status 1, without a
    traceback unless ``HYDRA_FULL_ERROR=1``.

    Args:
        config_name: The primary config.
        around: Makes a context that the whole command runs in, every job of a multirun.
        schema: What the top level of the config holds.
    """

    def decorate(job: Callable[[DictConfig, WithSeed], Any]) -> Callable[[], None]:
        @functools.wraps(job)
        def checked(cfg: DictConfig) -> Any:
            _collect_seldom()
            try:
                return job(check(cfg, schema), functools.partial(_with_seed, cfg, schema))
            except InputError as error:
                raise CompactHydraException(str(error)) from error

        command = hydra.main(
            config_path=str(CONFIG_DIR), config_name=config_name, version_base="1.3"
        )(checked)

        def run() -> None:
            _collect_seldom()
            try:
                with around():
                    command()
            except KeyboardInterrupt:
                if os.environ.get("HYDRA_FULL_ERROR") == "1":
                    raise
                print("Interrupted.", file=sys.stderr)
                sys.exit(128 + signal.SIGINT)

        return run

    return decorate


def _collect_seldom() -> None:
    # Imports make half a million objects that stay. To search them for garbage after every 700 new
    # ones, as Python 3.11 does, took a sixth of the time of a short run.
    often, *older = gc.get_threshold()
    if 0 < often < 10_000:
        gc.set_threshold(10_000, *older)


def _with_seed(cfg: DictConfig, schema: type, seed: int) -> DictConfig:
    # Before interpolations are resolved: the agent's seed is the run's.
    changed = copy.deepcopy(cfg)
    OmegaConf.update(changed, "seed", seed)
    return check(changed, schema)


def check(cfg: DictConfig, schema: type = schemas.Train) -> DictConfig:
    """Hold a composed config against the schemas, without importing what it will build.

    Args:
        cfg: The config.
        schema: What its top level holds.

    Returns:
        The config with every interpolation resolved and every value in its schema's type, so
        that ``env.sentiment=no`` is false and ``total_timesteps=1e5`` a whole number.

    Raises:
        ConfigError: Names every unknown key, missing value, wrong type and value out of range.
    """
    try:
        settings = plain(cfg)
    except OmegaConfBaseException as error:
        raise ConfigError([_described(error)]) from error
    required = [field.name for field in dataclasses.fields(schema)]
    problems = [f"{name}: missing from the config" for name in required if name not in settings]
    problems += _typed("", settings, schema)
    for key, node in settings.items():
        if not isinstance(node, dict):
            continue
        group = schemas.BY_TARGET.get(str(node.get("_target_")))
        group = schemas.Evaluation if key == "evaluation" else group
        problems += [*_target_problems(key, node, settings.get("trusted_packages", []))]
        problems += _typed(f"{key}.", node, group) if group else []
    problems += [*_range_problems(settings)] if not problems else []
    if problems:
        raise ConfigError(problems)
    return OmegaConf.create(settings)


def _typed(prefix: str, node: dict[str, Any], schema: type) -> list[str]:
    """Give a node's values their schema's types, in place; return what is wrong with them."""
    types = typing.get_type_hints(schema)
    problems = []
    for name, value in node.items():
        if name == "_target_":
            continue
        if name not in types:
            problems.append(
                f"{prefix}{name}: no such setting{_suggestion(name, list(types), prefix)}"
            )
        elif value == "???":
            problems.append(f"{prefix}{name}: must be given")
        elif (nested := nested_schema(types[name])) and value is not None:
            problems += _typed_node(f"{prefix}{name}", value, nested)
        else:
            problems += _typed_value(prefix, node, name, schema)
    return problems


def _typed_node(key: str, value: Any, schema: type) -> list[str]:
    if isinstance(value, dict):
        return _typed(f"{key}.", value, schema)
    names = [field.name for field in dataclasses.fields(schema)]
    return [f"{key}: holds settings, got {value!r}; there are {', '.join(names)}"]


def _typed_value(prefix: str, node: dict[str, Any], name: str, schema: type) -> list[str]:
    value = node[name]
    hint = typing.get_type_hints(schema)[name]
    if hint == bool | str and str(value).lower() in BOOLEANS:
        value = BOOLEANS[str(value).lower()]  # OmegaConf would leave them texts.
    whole = hint in (int, int | None)
    if whole and isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        merged = OmegaConf.merge(OmegaConf.structured(schema), {name: value})
    except OmegaConfBaseException as error:
        return [f"{prefix}{_described(error)}"]
    typed = OmegaConf.select(merged, name)
    node[name] = OmegaConf.to_container(typed) if OmegaConf.is_config(typed) else typed
    return []


def nested_schema(hint: Any) -> type | None:
    """Return the schema that a setting's type asks for, None where it is a plain value."""
    for kind in (hint, *typing.get_args(hint)):
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return kind
    return None


def _range_problems(settings: Mapping[str, Any]) -> Iterator[str]:
    cfg = OmegaConf.create(dict(settings))
    for name, least in LEAST.items():
        value = OmegaConf.select(cfg, name)
        if value is not None and value < least:
            yield f"{name}: must be at least {least}, got {value}"
    for name in SHARES:
        value = OmegaConf.select(cfg, name)
        if value is not None and not 0 < value < 1:
            yield f"{name}: must lie between 0 and 1, got {value}"
    for name, known in ONE_OF.items():
        value = OmegaConf.select(cfg, name)
        if value is not None and value not in known:
            yield f"{name}: must be {' or '.join(known)}, got {value!r}"
    for name in ("evaluation.risk_free", "risk_free"):
        value = OmegaConf.select(cfg, name)
        if value is not None and not -1 < value < math.inf:
            yield f"{name}: must be an annual rate, got {value}"


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
    return {name: _suggestion(name, known) for name in names if name not in known}


def _suggestion(name: str, known: list[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {prefix}{close[0]}?" if close else f"; there are {', '.join(known)}"


def _described(error: OmegaConfBaseException) -> str:
    message = str(error.msg or error).split("\n")[0]
    return f"{error.full_key}: {message}" if error.full_key else message

"""What loading a policy imports: packages to install, and code to send along."""

from __future__ import annotations

import inspect
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

_ALWAYS_NEEDED = ("stable-baselines3", "torch", "gymnasium", "numpy", "cloudpickle")
_OWN = __name__.partition(".")[0]
_NEVER_NEEDED = ("elegantrl",)
"""Its agents are saved as plain networks, which this package's adapter loads without it."""


def policy_requirements(agent: object, extra_packages: Sequence[str] = ()) -> list[str]:
    """Return the exact versions that loading the policy needs, apart from the code sent along.

    They are given, not inferred: inference loads the model in a process of its own (7 s).
    """
    installed = [_distribution(name) for name in _roots(agent) if _code(name) is None]
    names = dict.fromkeys([*_ALWAYS_NEEDED, *installed, *extra_packages])
    # A local version such as 2.8.0+cpu is not on the package index.
    return [f"{name}=={version(name).partition('+')[0]}" for name in names]


@contextmanager
def versions_known() -> Iterator[None]:
    """Keep MLflow from comparing requirements with what is installed, which they were read from.

    It reads what every package of the environment consists of for that: a second.
    """
    check = "warn_dependency_requirement_mismatches"
    asked: Any = import_module("mlflow.utils.environment")
    compare = getattr(asked, check, None)
    if compare is None:
        yield
        return
    setattr(asked, check, lambda requirements: None)
    try:
        yield
    finally:
        setattr(asked, check, compare)


@contextmanager
def found_by_name() -> Iterator[None]:
    """Let MLflow ask for the version of a package by its name, when it compares a model's with it.

    It looks up first which module belongs to which package, and reads what every package of the
    environment consists of for that: a second. It would need that for a package alone that is
    installed without metadata.
    """
    asked: Any = import_module("mlflow.utils.requirements_utils")
    read, known = "_init_packages_to_modules_map", "_PACKAGES_TO_MODULES"
    if not (hasattr(asked, read) and hasattr(asked, known)):
        yield
        return
    before = {name: getattr(asked, name) for name in (read, known)}
    setattr(asked, read, lambda: None)
    setattr(asked, known, before[known] or {})
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(asked, name, value)


@contextmanager
def packed_code(package: Path) -> Iterator[None]:
    """Import what is packed with a policy from there, and put back what was imported before.

    Other policies, and trainings, of the same process have other code of the same names. This
    package itself is not imported a second time.

    Args:
        package: Folder of the MLflow model.
    """
    packed = {file.stem for file in (package / "code").glob("*")} - {_OWN, "__pycache__"}
    path, before = sys.path, _imported(packed)
    sys.path = list(path)
    for name in before:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in _imported(packed):
            del sys.modules[name]
        sys.modules.update(before)
        sys.path = path


def _imported(roots: set[str]) -> dict[str, Any]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in roots}


def policy_code(agent: object) -> list[str]:
    """Return the files and folders to send along with a policy.

    These are this package, if the agent, its policy or a network of it is one of ours, and the
    modules or packages of the user that define one: those that are not in ``site-packages``.
    What they import from other modules of the user is not found.
    """
    return [str(path) for path in map(_code, _roots(agent)) if path is not None]


def _roots(agent: object) -> list[str]:
    """Return the top-level packages of everything that is loaded with an agent."""
    modules = {
        base.__module__.partition(".")[0]
        for item in _parts(agent)
        for base in (item.__mro__ if isinstance(item, type) else (item,))
    }
    without = {"__main__", *_NEVER_NEEDED, *sys.stdlib_module_names}
    return sorted(modules - without)


def _parts(agent: object) -> Iterator[Any]:
    """Yield the classes and functions that an agent, its networks and its settings are of."""
    from finai_rl.agents.saved_agent import algorithm_of

    yield algorithm_of(agent)
    policy: Any = getattr(agent, "policy", None)
    for module in policy.modules() if hasattr(policy, "modules") else ():
        yield type(module)
    unsaved: list[str] = getattr(agent, "_excluded_save_params", list)()
    yield from _classes(value for name, value in vars(agent).items() if name not in unsaved)


def _classes(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, Mapping):
            yield from _classes(value.values())
        elif isinstance(value, type) or inspect.isfunction(value):
            yield value
        else:
            yield type(value)


def _code(root: str) -> Path | None:
    """Return where a package's code is if it is to be sent along, None if it is installed."""
    module = sys.modules.get(root)
    if module is None:
        return None
    folders = list(getattr(module, "__path__", []))
    place = Path(folders[0] if folders else module.__file__ or "").resolve()
    libraries = (sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib"))
    is_installed = any(place.is_relative_to(Path(folder).resolve()) for folder in libraries)
    return None if is_installed and root != _OWN else place


def _distribution(module: str) -> str:
    try:
        version(module)
    except PackageNotFoundError:
        return packages_distributions()[module][0]
    return module.replace("_", "-")

"""What Hydra itself builds from a config, looked at before it does: its own node."""

from __future__ import annotations

import functools
import inspect
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.errors import CompactHydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from finai_rl.config.safety.logging_node import logging_problems
from finai_rl.config.safety.secrets import note_secrets
from finai_rl.config.safety.targets import AUTO_SAMPLER, path_problem, target_problems

BUILT = ("callbacks", "launcher", "sweeper")
LOGGING = ("hydra_logging", "job_logging")
VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)
"""What a file may set for a job; others, such as PATH, choose the programs that it runs."""

_HYDRAS = ("_load_configuration_impl", "_process_config_searchpath")
"""What every way to a config goes through: the command line, a job of a multirun, `compose`."""

_LAUNCHED = {"setup": ([],), "sbatch": ({},), "init": ({},), "address": ("auto",)}
"""Settings of launchers that run what they name, or go where they say, and their defaults."""

LOADED = ("agent.init_from", "resume", "run_id", "model")
"""What names a model or a run to be loaded, which may run code: for the command line alone."""

_TYPED = ("trusted_packages", *LOADED)
_SPACES = ("params", "search_space", "conditional")
_PARTITION = re.compile(r"[\w.,-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def look_before_composing() -> None:
    """Have every config of this process looked at when Hydra has composed it.

    Hydra configures its logging and builds callbacks, sweeper and launcher before it calls the
    command, so that nothing later would be soon enough. A search path is looked at before it is
    searched, which imports the packages in it.
    """
    compose, search = (getattr(ConfigLoaderImpl, name) for name in _HYDRAS)
    if hasattr(compose, "__wrapped__"):
        return

    parameters = inspect.signature(compose)

    @functools.wraps(compose)
    def composed(self: ConfigLoaderImpl, *args: Any, **kwargs: Any) -> DictConfig:
        cfg: DictConfig = compose(self, *args, **kwargs)
        asked = parameters.bind(self, *args, **kwargs).arguments
        parsed = asked.get("parsed_overrides")
        typed = asked["overrides"] if parsed is None else [each.input_line for each in parsed]
        note_secrets(OmegaConf.to_container(cfg, resolve=False))
        _refuse(hydra_problems(cfg, [str(text) for text in typed]))
        return cfg

    @functools.wraps(search)
    def searched(
        self: ConfigLoaderImpl, config_name: str | None, parsed_overrides: list[Any], repo: Any
    ) -> None:
        loaded = repo.load_config(config_name) if config_name else None
        given = [override.get_key_element() for override in parsed_overrides]
        if loaded is not None and "hydra.searchpath" not in given:
            _refuse(_search_problems(OmegaConf.select(loaded.config, "hydra.searchpath")))
        search(self, config_name, parsed_overrides, repo)

    for name, wrapper in zip(_HYDRAS, (composed, searched), strict=True):
        setattr(ConfigLoaderImpl, name, wrapper)


def _refuse(problems: Iterable[str]) -> None:
    if lines := [f"  - {problem}" for problem in problems]:
        raise CompactHydraException("\n".join(["The configuration cannot be used:", *lines]))


def _search_problems(paths: Any) -> Iterator[str]:
    for path in paths if isinstance(paths, Iterable) and not isinstance(paths, str) else ():
        if str(path).startswith("pkg:"):
            yield (
                f"hydra.searchpath: {path} stands in a file and would import a package; name it on "
                "the command line, or name its folder: file://..."
            )


def hydra_problems(cfg: DictConfig, typed: Sequence[str]) -> Iterator[str]:
    """Yield what Hydra's node may not hold, and packages that a file trusts by itself.

    Args:
        cfg: As Hydra composed it, its own node included.
        typed: The overrides of the command line; those that the config lists may be of a file.
    """
    # To go through a list of OmegaConf would resolve what is in it.
    overrides: Any = OmegaConf.to_container(cfg.hydra.overrides, resolve=False)
    found = Counter(str(text) for part in ("task", "hydra") for text in overrides[part])
    for text in (found - Counter(typed)).elements():
        yield f"hydra.overrides: {text} stands in a file, and is for the command line alone"
    given = [*map(_key, typed)]
    yield from _alias_problems(_plain_value(cfg.hydra, "aliases"))
    named = _plain_value(cfg, "trusted_packages")
    trusted = list(map(str, named)) if isinstance(named, list) else []
    if trusted and "trusted_packages" not in given:
        listed = ",".join(trusted)
        yield (
            f"trusted_packages: [{listed}] stands in a file, and a file cannot vouch for itself; "
            f"if you trust it, say so on the command line: trusted_packages=[{listed}]"
        )
        trusted = []
    yield from _loaded_problems(cfg, given)
    built = {name: _plain_value(cfg.hydra, name) for name in BUILT}
    for name, node in built.items():
        yield from target_problems(f"hydra.{name}", node, trusted)
        yield from _open_problems(f"hydra.{name}", node)
    yield from _sweeper_problems(built["sweeper"], trusted, given)
    yield from _launcher_problems(built["launcher"], given)
    for name in LOGGING:
        node = _plain_value(cfg.hydra, name)
        yield from logging_problems(f"hydra.{name}", node, trusted, given)
    yield from _variable_problems(_plain_value(cfg.hydra.job, "env_set"), given)


def _loaded_problems(cfg: DictConfig, given: Sequence[str]) -> Iterator[str]:
    for key in LOADED:
        node, _, name = key.rpartition(".")
        around = _plain_value(cfg, node) if node else None
        value = _plain_value(cfg, name) if not node else (around or {}).get(name)
        if value not in (None, "???") and key not in given:
            yield (
                f"{key}: {value} stands in a file, and what is loaded from there may run code; if "
                f"you trust it, name it on the command line: {key}={value}"
            )


def _open_problems(key: str, node: Any) -> Iterator[str]:
    """Find what is not known before Hydra builds it, and so may be anything by then."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if isinstance(node, dict):
        for name, value in node.items():
            if not (key == "hydra.sweeper" and name in _SPACES):
                yield from _open_problems(f"{key}.{name}", value)
    elif isinstance(node, str) and "${" in node:
        yield f"{key}: {node} is not known before the run begins; write it out"


def _alias_problems(aliases: Any) -> Iterator[str]:
    """Find a word that a file makes stand for what is for the command line alone."""
    for name, text in aliases.items() if isinstance(aliases, dict) else ():
        if _is_for_the_command_line(_key(str(text))):
            yield f"hydra.aliases.{name}: {text} is for the command line alone"


def _launcher_problems(node: Any, given: Iterable[str]) -> Iterator[str]:
    given = list(given)
    for key, text in _texts("hydra.launcher", node):
        if _CONTROL.search(text) and key not in given:
            yield f"{key}: {text!r} has a line break or another control character"
    partition = node.get("partition") if isinstance(node, dict) else None
    if partition and not _PARTITION.fullmatch(str(partition)):
        yield f"hydra.launcher.partition: {partition!r} is no name of a partition, or several"
    for name, usual in _LAUNCHED.items():
        value = node.get(name) if isinstance(node, dict) else None
        key = f"hydra.launcher.{name}"
        typed = any(each == key or each.startswith(f"{key}.") for each in given)
        if value not in (None, "???", *usual) and not typed:
            yield (
                f"{key}: {value} stands in a file, and says what is run, or where; if you trust "
                "it, set it on the command line"
            )


def _sweeper_problems(node: Any, trusted: Iterable[str], given: Iterable[str]) -> Iterator[str]:
    if not isinstance(node, dict):
        return
    sampler, key = node.get("sampler"), "hydra.sweeper.sampler.registry"
    sampler = sampler if isinstance(sampler, dict) else {}
    registry = sampler.get("registry", "???")
    if registry != "???" and key not in given:
        yield f"{key}: {registry} would be run; name the folder on the command line"
    if sampler.get("_target_") == AUTO_SAMPLER and sampler.get("_args_"):
        yield "hydra.sweeper.sampler._args_: give registry by its name, on the command line"
    extender = node.get("custom_search_space")
    if extender and (
        problem := path_problem("hydra.sweeper.custom_search_space", str(extender), trusted)
    ):
        yield problem
    for name in _SPACES:
        for key, place in _keys(node.get(name)):
            if f"hydra.sweeper.{name}.{place}" in given:
                continue
            if _is_for_the_command_line(key) or _is_for_the_command_line(place):
                yield f"hydra.sweeper.{name}.{place}: is for the command line alone"


def _is_for_the_command_line(key: str) -> bool:
    below = tuple(f"{name}." for name in _TYPED)
    return key in _TYPED or key.startswith(("hydra.", "hydra/", "hydra@", *below))


def _keys(node: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Yield every key at every depth of a search space, alone and after those around it."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    for name, value in node.items() if isinstance(node, dict) else ():
        key = _key(str(name))
        place = f"{above}.{key}".lstrip(".")
        yield key, place
        yield from _keys(value, place)


def _texts(key: str, node: Any) -> Iterator[tuple[str, str]]:
    """Yield every text below a node, keys included, and where it stands."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if isinstance(node, dict):
        for name, value in node.items():
            yield key, str(name)
            yield from _texts(f"{key}.{name}", value)
    elif isinstance(node, str):
        yield key, node


def _variable_problems(variables: Any, given: Iterable[str]) -> Iterator[str]:
    for name in variables if isinstance(variables, dict) else ():
        if name not in VARIABLES and f"hydra.job.env_set.{name}" not in given:
            yield (
                f"hydra.job.env_set.{name}: a file may set {', '.join(VARIABLES)}; export others "
                "before you start, or set them on the command line"
            )


def _plain(node: Any) -> Any:
    """Return a node as plain containers; what cannot be resolved yet stays as it is written."""
    if isinstance(node, DictConfig):
        keys = () if node._is_none() or node._is_missing() else list(node)
        return {key: _plain(_value(node, key)) for key in keys}
    if isinstance(node, ListConfig):
        places = () if node._is_none() or node._is_missing() else range(len(node))
        return [_plain(_value(node, place)) for place in places]
    return node


def _plain_value(node: DictConfig, key: str) -> Any:
    return _plain(_value(node, key)) if key in node else None


def _value(node: DictConfig | ListConfig, key: Any) -> Any:
    if OmegaConf.is_missing(node, key):
        return "???"
    try:
        return node[key]
    except OmegaConfBaseException:
        return node._get_node(key)._value()  # type: ignore[union-attr]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")

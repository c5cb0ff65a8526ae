"""OptunaHub's AutoSampler, from a copy of its registry that the user has and names."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from optuna.samplers import BaseSampler

from finai_rl.errors import InputError
from finai_rl.sweep.search.plugin import needs_new

KEY = "hydra.sweeper.sampler.registry"
PACKAGE = "samplers/auto_sampler"


def check_registry(registry: Any) -> None:
    """Refuse a folder that has no AutoSampler, before anything of it is run.

    Raises:
        InputError: Says what to install, to fetch or to name.
    """
    needs_new("hydra/sweeper/sampler", "AutoSampler")
    if find_spec("optunahub") is None:
        raise InputError(
            "hydra/sweeper/sampler=auto: optunahub is not installed (pip install finai-rl[auto])"
        )
    if registry in (None, "???"):
        raise InputError(
            f"{KEY}: the folder of a copy of https://github.com/optuna/optunahub-registry, at a "
            "commit that you trust: its code is run"
        )
    file = _packages(str(registry)) / PACKAGE / "__init__.py"
    if not file.is_file():
        raise InputError(f"{KEY}: {registry} is no copy of the registry: there is no {file}")


def auto_sampler(registry: str, seed: int | None = None) -> BaseSampler:
    """Return a sampler that chooses among Optuna's by the search space and the number of trials.

    Args:
        registry: Folder of a copy of OptunaHub's registry.
        seed: Of the sampler.
    """
    import optunahub

    root = str(_packages(registry))
    module: Any = optunahub.load_local_module(package=PACKAGE, registry_root=root)
    sampler: BaseSampler = module.AutoSampler(seed=seed)
    return sampler


def _packages(registry: str) -> Path:
    return Path(registry).expanduser().absolute() / "package"

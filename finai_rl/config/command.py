"""A function of a config as a command: compose, check, run, and refuse in plain words."""

from __future__ import annotations

import copy
import functools
import gc
import math
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import CompactHydraException
from omegaconf import DictConfig, OmegaConf

from finai_rl.config import schemas
from finai_rl.config.check import check
from finai_rl.errors import InputError

_CHECKOUT = Path(__file__).resolve().parents[2] / "conf"
CONFIG_DIR = (
    _CHECKOUT if (_CHECKOUT / "train.yaml").is_file() else Path(__file__).parents[1] / "conf"
)


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

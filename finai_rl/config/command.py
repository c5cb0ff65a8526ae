"""A function of a config as a command: compose, check, run, and refuse in plain words."""

from __future__ import annotations

import atexit
import copy
import errno
import functools
import gc
import logging
import math
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write

from finai_rl.config import schemas
from finai_rl.config.build import plain
from finai_rl.config.check import check
from finai_rl.config.command_line import refuse_unreadable
from finai_rl.config.hydra_versions import (
    VERSION_BASE,
    accept_that_hydra_builds_its_own,
    messages_without_traceback,
    register_resolver,
)
from finai_rl.config.idle import refuse_idle
from finai_rl.config.mode import with_mode
from finai_rl.config.overrides import override
from finai_rl.config.runs.folders import (
    folder_of_its_config,
    folder_to_go_on_in,
    new_folder,
    unwritable,
)
from finai_rl.config.safety.hydra_files import errors_without_secrets, leave_secrets_out
from finai_rl.config.safety.hydra_node import look_before_composing
from finai_rl.config.safety.resolvers import guard_environment
from finai_rl.config.safety.secrets import note_secrets
from finai_rl.errors import InputError, disk_trouble, printable, raised_by_own_code, saved_in

_CHECKOUT = Path(__file__).resolve().parents[2] / "conf"
CONFIG_DIR = (
    _CHECKOUT if (_CHECKOUT / "train.yaml").is_file() else Path(__file__).parents[1] / "conf"
)

# When this is imported, which the processes of a launcher do before they compose a job's config.
look_before_composing()
accept_that_hydra_builds_its_own()
leave_secrets_out()

register_resolver("mul", lambda x, y: _number(x) * _number(y))
register_resolver("choose", lambda n, k: math.comb(n, k))
# Where a run that goes on is, before Hydra makes a folder for a new one.
register_resolver("run_folder", folder_to_go_on_in)
register_resolver("config_folder", folder_of_its_config)
guard_environment()


def _number(value: Any) -> Any:
    # A number in quotes is a text, of which Python would make a longer one.
    return yaml.safe_load(value) if isinstance(value, str) else value


STUDY = "study"
"""The option of ``hydra/sweeper`` that searches."""

WithSeed = Callable[[int], DictConfig]
"""Returns the checked config of a job as it is with another seed."""


LONGEST_NAME = 255
"""Bytes of a file's name on the usual disks."""
CLAIM = ".claimed"
"""A file in the folder of a run whose training has begun."""


class OutputFolder(Callback):
    """Gives a command a folder of its own, or refuses before Hydra stops with a traceback.

    A folder that is named by the time alone gets a number behind it where another command, begun
    in the same second, has it already.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Make the folder of a single run."""
        _refuse_no_root(config)
        folder = _take(config.hydra.run, by_time=config.get("resume") is None)
        # Hydra writes its files before the run could be refused.
        if config.get("resume") is None and (Path(folder) / CLAIM).exists():
            _refuse_taken("hydra.run.dir", folder)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Make the folder of a multirun; that of a search belongs to its study."""
        _refuse_no_root(config)
        is_search = config.hydra.runtime.choices.get("hydra/sweeper") == STUDY
        folder = _take(config.hydra.sweep, by_time=not is_search)
        if not is_search and any(Path(folder).glob(f"*/{CLAIM}")):
            _refuse_taken("hydra.sweep.dir", folder)
        if not is_search:
            # The config of every job is composed anew.
            with read_write(config.hydra.overrides):
                config.hydra.overrides.hydra.append(override("hydra.sweep.dir", folder))


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
            return _checked(job, cfg, schema)

        of_hydra = hydra.main(str(CONFIG_DIR), config_name, **VERSION_BASE)
        command = of_hydra(checked)

        def run() -> None:
            _prepare_process()
            refuse_unreadable(sys.argv[1:], CONFIG_DIR)
            sys.argv[1:] = with_mode(CONFIG_DIR, config_name, sys.argv[1:])
            try:
                with errors_without_secrets(sys.stderr), messages_without_traceback(), around():
                    command()
            except KeyboardInterrupt:
                if os.environ.get("HYDRA_FULL_ERROR") == "1":
                    raise
                print("Interrupted.", file=sys.stderr)
                sys.exit(128 + signal.SIGINT)

        return run

    return decorate


def _checked(job: Callable[[DictConfig, WithSeed], Any], cfg: DictConfig, schema: type) -> Any:
    """Run a job of a checked config; what is wrong becomes a message without a traceback."""
    _collect_seldom()
    try:
        checked_cfg = check(cfg, schema)
        note_secrets(plain(checked_cfg))
        refuse_idle(checked_cfg, schema)
        return job(checked_cfg, functools.partial(_with_seed, cfg, schema))
    except InputError as error:
        raise CompactHydraException(printable(str(error))) from error
    except Exception as error:
        trouble = disk_trouble(error)
        if trouble is None:
            said = raised_by_own_code(error, cfg.get("trusted_packages") or ())
            if said is None:
                raise
            raise CompactHydraException(printable(said)) from error
        folder = Path(HydraConfig.get().runtime.output_dir)
        raise CompactHydraException(f"{trouble}. {saved_in(folder)}") from error


def _prepare_process() -> None:
    _collect_seldom()
    # Registered first, and so called last.
    atexit.register(_leave_in_place)
    _import_from_here()
    # A log file on a full disk would print a traceback for each line that it cannot take.
    logging.raiseExceptions = False


def _collect_seldom() -> None:
    # Imports make half a million objects that stay. To search them for garbage after every 700 new
    # ones, as Python 3.11 does, took a sixth of the time of a short run.
    often, *older = gc.get_threshold()
    if 0 < often < 10_000:
        gc.set_threshold(10_000, *older)


def _leave_in_place() -> None:
    # What is garbage is closed and let go. The modules are not: to take them apart one by one as
    # the interpreter ends, a million objects, takes as long as a short training.
    gc.collect()
    gc.freeze()


def _import_from_here() -> None:
    # As `python -m` does and an installed command does not. Last, so that nothing is hidden by it.
    if not sys.flags.safe_path and (here := os.getcwd()) not in sys.path:
        sys.path.append(here)


def _with_seed(cfg: DictConfig, schema: type, seed: int) -> DictConfig:
    # Before interpolations are resolved: the agent's seed is the run's.
    changed = copy.deepcopy(cfg)
    OmegaConf.update(changed, "seed", seed)
    return check(changed, schema)


def _refuse_no_root(config: DictConfig) -> None:
    if config.hydra.get("job", {}).get("chdir"):
        said = "paths of stores, data and outputs are relative to where a command is typed"
        print(f"hydra.job.chdir: must be false: {said}", file=sys.stderr)
        raise SystemExit(1)
    root = config.get("output_root", "outputs")
    if root is None or not str(root).strip():
        print(f"output_root: must name a folder, got {root!r}", file=sys.stderr)
        raise SystemExit(1)
    for key, name in (("output_root", str(root)), ("hydra.job.name", str(config.hydra.job.name))):
        if problem := _name_problem(name):
            print(f"{key}: {problem}", file=sys.stderr)
            raise SystemExit(1)


def _name_problem(name: str) -> str:
    """Return why a file could not be called so, and written about."""
    try:
        longest = max(len(part.encode()) for part in Path(name).parts or ("",))
    except UnicodeEncodeError:
        return f"{name!r} is no text of UTF-8: choose another name"
    most = LONGEST_NAME - len(".log")
    return f"a name of {longest} bytes, at most {most}" if longest > most else ""


def _refuse_taken(key: str, folder: str) -> NoReturn:
    print(
        f"{key}: {folder} belongs to another run; start again, or name another folder",
        file=sys.stderr,
    )
    raise SystemExit(1)


def _take(node: DictConfig, *, by_time: bool) -> str:
    folder = Path(node.dir)
    asked: Any = OmegaConf.to_container(node, resolve=False)
    try:
        if by_time and "${now:" in asked["dir"]:
            folder = new_folder(folder)
            with read_write(node):
                node.dir = str(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "not writable", str(folder))
    except OSError as error:
        print(unwritable(folder, error), file=sys.stderr)
        # Hydra turns what else a callback raises into a warning.
        raise SystemExit(1) from None
    return str(folder)

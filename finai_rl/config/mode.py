"""Whether a chosen config makes a command a multirun, which Hydra 1.4 does not look for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.types import RunMode

from finai_rl.config.hydra_versions import IS_NEW, VERSION_BASE

MULTIRUN = "--multirun"
GROUPS = ("evaluation", "experiment")
"""Config groups of which a choice may set ``hydra.mode``."""


def with_mode(config_dir: Path, config_name: str, arguments: Sequence[str]) -> list[str]:
    """Return a command's arguments, with ``--multirun`` where a chosen config says so.

    ``evaluation=walk_forward`` sets ``hydra.mode`` to ``MULTIRUN``. Hydra 1.3 composes the config
    to read it; 1.4 reads the command line and the primary config, and no other file.

    Args:
        config_dir: Of the package.
        config_name: The primary config.
        arguments: Of the command line.

    Example:
        >>> from finai_rl.config.command import CONFIG_DIR
        >>> with_mode(CONFIG_DIR, "train", ["evaluation=walk_forward", "agent=a2c,ppo"])
        ['evaluation=walk_forward', 'agent=a2c,ppo', '--multirun']
        >>> with_mode(CONFIG_DIR, "train", ["agent=a2c"])
        ['agent=a2c']
    """
    told = list(arguments)
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--config-name", "-cn", default=config_name)
    try:
        known, rest = parser.parse_known_args(told)
    except argparse.ArgumentError:
        return told
    if not IS_NEW or any(argument.startswith("-") for argument in rest):
        return told
    chosen = {argument.lstrip("+").partition("=")[0] for argument in rest}
    own = known.config_dir is not None or known.config_name != config_name
    if not own and not chosen & set(GROUPS):
        return told
    return [*told, MULTIRUN] if _says_multirun(config_dir, known, rest) else told


def _says_multirun(config_dir: Path, known: argparse.Namespace, overrides: list[str]) -> bool:
    # Plugins put their configs into Hydra's store once a process: before its state is kept.
    Plugins.instance()
    before = Singleton.get_state()
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
        one = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
        place, further = config_dir.absolute(), known.config_dir
        if further is not None:
            # The primary config is looked for in the first place alone.
            file = f"{known.config_name.removesuffix('.yaml')}.yaml"
            own = Path(further).absolute()
            if (own / file).is_file() and not (place / file).is_file():
                place, own = own, place
            one.append(f"hydra.searchpath=[file://{own}]")
        GlobalHydra.instance().clear()
        with hydra.initialize_config_dir(str(place), **VERSION_BASE):
            whole = hydra.compose(known.config_name, one, return_hydra_config=True)
        return bool(whole.hydra.mode == RunMode.MULTIRUN)
    except Exception:
        # Hydra comes to the same trouble, and says what it is.
        return False
    finally:
        Singleton.set_state(before)

"""A config composed once: Hydra does it to ask a command for its mode, and again to run it."""

from __future__ import annotations

import functools
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig

_KEPT = "_composed_for_its_mode"


MODE = "hydra.mode=RUN"
"""What Hydra adds to the overrides where neither they nor a file name a mode."""


class _Kept:
    """What composing a config for a run has come to: the config, or what was raised."""

    def __init__(self, config_name: str | None, overrides: list[str]) -> None:
        self._config_name, self._overrides = config_name, list(overrides)
        self.config: DictConfig | None = None
        self.error: Exception | None = None

    def answers(self, config_name: str | None, overrides: list[str], run_mode: RunMode) -> bool:
        """Return whether this is what is asked for now."""
        named = self.config is not None and self.config.hydra.mode is not None
        asked = self._overrides if named else [*self._overrides, MODE]
        return (config_name, overrides, run_mode) == (self._config_name, asked, RunMode.RUN)

    def result(self) -> DictConfig:
        """Return the config as it is with Hydra's own override, or raise what was raised."""
        if self.config is None:
            assert self.error is not None
            raise self.error
        if self.config.hydra.mode is None:
            self.config.hydra.mode = RunMode.RUN
            self.config.hydra.overrides.hydra.append(MODE)
        return self.config


def compose_once() -> None:
    """Have Hydra run with the config that it has composed to ask for the mode.

    Hydra asks a config that it composes as for a multirun, without looking at sweeps. Here it is
    composed as for a run, and kept; a run that asks for it next is given it, once its overrides
    are found to be no sweeps. A multirun composes its own.
    """
    mode_of, load = Hydra.get_mode, ConfigLoaderImpl.load_configuration
    if hasattr(mode_of, "__wrapped__"):
        return

    @functools.wraps(mode_of)
    def mode(self: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        kept = _Kept(config_name, overrides)
        try:
            kept.config = self.config_loader.load_configuration(
                config_name, overrides, RunMode.RUN, validate_sweep_overrides=False
            )
        except Exception as error:
            kept.error = error
        setattr(self.config_loader, _KEPT, kept)
        return None if kept.config is None else kept.config.hydra.mode

    @functools.wraps(load)
    def loaded(
        self: ConfigLoaderImpl,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        kept: _Kept | None = vars(self).pop(_KEPT, None)
        if kept is None or not kept.answers(config_name, overrides, run_mode):
            return load(
                self, config_name, overrides, run_mode, from_shell, validate_sweep_overrides
            )
        if validate_sweep_overrides:
            self.validate_sweep_overrides_legal(
                OverridesParser.create().parse_overrides(overrides), run_mode, from_shell
            )
        return kept.result()

    setattr(Hydra, "get_mode", mode)  # noqa: B010
    setattr(ConfigLoaderImpl, "load_configuration", loaded)  # noqa: B010

"""What a command leaves behind and shows, without passwords: Hydra's files, logs, errors."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import IO, Any

import hydra.core.utils
from omegaconf import OmegaConf

from finai_rl.config.runs.folders import unwritable
from finai_rl.config.safety.secrets import config_without_secrets, note_secrets, without_secrets


def leave_secrets_out() -> None:
    """Have Hydra write its configs, and every logger its records, without secrets.

    Hydra saves config and overrides as they are given in each run folder, and logs the overrides
    of jobs. Without a secret, its files are what they were, to the byte.
    """
    save, save_config = OmegaConf.save, hydra.core.utils._save_config
    if hasattr(save, "__wrapped__"):
        return

    @functools.wraps(save_config)
    def saved_config(cfg: Any, filename: str, output_dir: Path) -> None:
        with _refused_in_one_line(output_dir):
            save_config(_without(cfg), filename, output_dir)

    @functools.wraps(save)
    def saved(config: Any, f: Any, resolve: bool = False) -> None:
        save(_without(config), f, resolve)

    setattr(hydra.core.utils, "_save_config", saved_config)  # noqa: B010
    setattr(OmegaConf, "save", staticmethod(saved))  # noqa: B010
    make = logging.getLogRecordFactory()

    @functools.wraps(make)
    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made = make(*args, **kwargs)
        if made.exc_info and made.exc_info[0] is not None:
            trace = logging.Formatter().formatException(made.exc_info)
            if (cleaned := without_secrets(trace)) != trace:
                made.exc_text = cleaned
        if isinstance(made.msg, str):
            try:
                said = made.getMessage()
            except (TypeError, ValueError):  # Logging says itself what is wrong with it.
                return made
            if (cleaned := without_secrets(said)) != said:
                made.msg, made.args = cleaned, ()
        return made

    logging.setLogRecordFactory(record)


@contextmanager
def _refused_in_one_line(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        print(unwritable(folder, error), file=sys.stderr)
        raise SystemExit(1) from None


class WithoutSecrets:
    """A stream that writes texts without secrets.

    Args:
        stream: Where they go.

    Example:
        >>> import sys
        >>> _ = WithoutSecrets(sys.stdout).write("http://ada:secret@localhost")
        http://localhost
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        return self._stream.write(without_secrets(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def errors_without_secrets(stream: IO[str]) -> redirect_stderr[Any]:
    """Return a context in which nothing secret is written to standard error."""
    cleaned: Any = WithoutSecrets(stream)
    return redirect_stderr(cleaned)


def _without(config: Any) -> Any:
    if not OmegaConf.is_config(config):
        return config
    plain = OmegaConf.to_container(config, resolve=False)
    note_secrets(plain)
    cleaned = config_without_secrets(plain)
    return config if cleaned == plain else OmegaConf.create(cleaned)

"""Backtests kept on disk under what they depend on, so that no one runs them twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from finai_rl.evaluation.result import BacktestResult

log = logging.getLogger(__name__)

_ARRAYS = tuple(f.name for f in fields(BacktestResult) if f.name not in ("name", "tickers"))
_BROKEN = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile)


class BacktestCache:
    """A folder of ``.npz`` files, one a backtest, named by a hash of everything it depends on.

    Several processes may share it: a file is written under another name and then renamed, so that
    a reader sees all of it or nothing, and two that compute the same write the same. A file that
    is damaged, or is not about the key it is named by, is computed anew and replaced. Where the
    folder cannot be written, backtests are computed each time and a warning says so.

    Args:
        folder: Where the files are; made when the first is written. None keeps nothing.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self._folder = None if folder is None else Path(folder)

    def get(self, key: Mapping[str, Any], compute: Callable[[], BacktestResult]) -> BacktestResult:
        """Return the backtest of a key, bit by bit the one computed for it.

        Args:
            key: All that the backtest depends on, as JSON can say it.
            compute: Makes the backtest where there is none yet.
        """
        if self._folder is None:
            return compute()
        text = json.dumps(key, sort_keys=True)
        path = self._folder / f"{hashlib.sha256(text.encode()).hexdigest()}.npz"
        kept = _read(path, text)
        if kept is not None:
            return kept
        result = compute()
        try:
            _write(path, text, result)
        except OSError as error:
            log.warning("Backtest %r is not kept: %s", result.name, error)
        return result


def _read(path: Path, text: str) -> BacktestResult | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) != text:
                raise ValueError("it is about something else")
            arrays = {name: file[name] for name in _ARRAYS}
            tickers = tuple(str(ticker) for ticker in file["tickers"])
            return BacktestResult(name=str(file["name"]), tickers=tickers, **arrays)
    except FileNotFoundError:
        return None
    except _BROKEN as error:
        log.warning("%s is replaced: %s", path, error)
        return None


def _write(path: Path, text: str, result: BacktestResult) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(result, name) for name in _ARRAYS}
    # On the same disk as its final name: renaming is one step there.
    part = path.with_name(f"{uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            np.savez_compressed(
                file,
                key=np.array(text),
                name=np.array(result.name),
                tickers=np.array(result.tickers),
                **arrays,
            )
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)

"""A prepared panel on disk, and the manifest beside it that says how it came about."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from finai_rl.data.preparation.panel import Prepared
from finai_rl.data.preparation.raw_prices import files_hash
from finai_rl.data.tables.files import files_of
from finai_rl.data.tables.repairs import day_name
from finai_rl.data.versions.prepared_file import manifest_path
from finai_rl.data.versions.versioning import content_hash
from finai_rl.errors import DataError, InputError

PARQUET = (".parquet", ".pq")
PACKAGES = ("numpy", "pandas", "pyarrow", "stockstats")
"""Packages whose versions may change a value or a byte."""


def refuse_output(path: str, *, overwrite: bool, inputs: Iterable[str]) -> Path:
    """Return where a panel may be written to.

    Args:
        path: The file, ``.csv`` or ``.parquet``.
        overwrite: Whether a file that is there may be replaced.
        inputs: Files that are read; none of them may be the output.

    Raises:
        InputError: If it may not be written there.
    """
    file = Path(path).expanduser()
    if file.suffix.lower() not in (".csv", *PARQUET):
        raise InputError(f"output must end in .csv or .parquet, got {path!r}")
    if any(file.resolve() == read.resolve() for name in inputs for read in files_of(name)):
        raise InputError(
            f"output: {path} is an input as well; raw prices are never overwritten: name "
            "another file"
        )
    if file.exists() and not overwrite:
        raise InputError(
            f"output: {path} is there already; set overwrite=true to replace it, or name another "
            "file: runs that used it could not be repeated"
        )
    return file


def write_panel(
    prepared: Prepared,
    file: Path,
    *,
    inputs: Mapping[str, str],
    settings: Mapping[str, Any],
    read: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write a panel and its manifest, each in one step: the same input gives the same bytes.

    Args:
        prepared: The panel.
        file: Where to; its suffix says in which format.
        inputs: Every file that was read, by what it was read as.
        settings: The config.
        read: `hashes_of` these files before they were read; None where nobody looked.

    Returns:
        The manifest.

    Raises:
        DataError: If nothing can be written there, or a file is another one than was read.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        _refuse_changed(inputs, read)
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(prepared.rows, partial, file.suffix.lower())
        manifest = _manifest(prepared, file, content_hash(partial), inputs, settings)
        manifest_path(partial).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        # A manifest without its file is harmless; a file with another's manifest is not.
        manifest_path(file).unlink(missing_ok=True)
        partial.replace(file)
        manifest_path(partial).replace(manifest_path(file))
    except OSError as error:
        raise DataError(
            str(file), [f"cannot be written: {error}; name another place in output"]
        ) from None
    finally:
        for left in (partial, manifest_path(partial)):
            with suppress(OSError):
                left.unlink()
    return manifest


def hashes_of(inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the sha256 of each file, or folder, of some; none of what cannot be read."""
    found: dict[str, str] = {}
    for role, path in inputs.items():
        with suppress(OSError, InputError):
            found[role] = files_hash(path)
    return found


def _refuse_changed(inputs: Mapping[str, str], read: Mapping[str, str] | None) -> None:
    for role, sha256 in (read or {}).items():
        if files_hash(inputs[role]) != sha256:
            raise DataError(inputs[role], ["has changed while it was read: run the command again"])


def _write(rows: pd.DataFrame, file: Path, suffix: str) -> None:
    if suffix in PARQUET:
        rows.to_parquet(file, index=False)
        return
    dates = rows["date"]
    rows.assign(date=_date_texts(dates)).to_csv(file, index=False, lineterminator="\n")


SECONDS = "%Y-%m-%d %H:%M:%S"


def _date_texts(dates: pd.Series) -> pd.Series:
    """Return dates as ISO text, as short as all of them can be."""
    for unit, shown in (("D", "%Y-%m-%d"), ("s", SECONDS), ("us", f"{SECONDS}.%f")):
        if (dates == dates.dt.floor(unit)).all():
            return pd.Series(dates.dt.strftime(shown))
    return dates.astype(str)


def _manifest(
    prepared: Prepared,
    file: Path,
    sha256: str,
    inputs: Mapping[str, str],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    rows = prepared.rows
    versions = {"python": platform.python_version()}
    versions |= {name: version(name) for name in ("finai-rl", *PACKAGES) if _installed(name)}
    return {
        "output": {
            "path": str(file),
            "sha256": sha256,
            "rows": len(rows),
            "dates": rows["date"].nunique(),
            "first_date": day_name(rows["date"].iloc[0]),
            "last_date": day_name(rows["date"].iloc[-1]),
            "tickers": sorted(rows["tic"].unique()),
            "columns": list(rows.columns),
            "features": list(prepared.features),
            "stale": dict(prepared.stale),
        },
        "inputs": {
            role: {"path": path, "sha256": files_hash(path), **_several(path)}
            for role, path in inputs.items()
        },
        "changes": [vars(change) for change in prepared.changes],
        "caveats": list(prepared.caveats),
        "settings": dict(settings),
        "versions": versions,
    }


def _several(path: str) -> dict[str, Any]:
    files = files_of(path)
    if len(files) == 1:
        return {}
    return {"files": {str(file): content_hash(file) for file in files}}


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except ModuleNotFoundError:  # a checkout that was never installed
        return False

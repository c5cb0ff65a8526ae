"""A panel as files that any number of processes map into memory instead of reading them.

A folder holds one ``.npy`` file an array and ``panel.json``: names, source, and for every array its
type, shape and checksum. What is opened again is bit by bit what was saved.

The values were checked when the panel was made (see `MarketData`) and are not looked at again: a
CRC-32 of every file says that they are still the same. It is computed through a small buffer, so
that opening a panel brings none of it into the process; pages come in as they are used, and are
shared by all processes that use them.
"""

from __future__ import annotations

import dataclasses
import json
import os
import typing
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.data.market import DataSource, MarketData

RECORD = "panel.json"
_BUFFER = 1 << 20


def save_panel(folder: Path, panel: MarketData) -> None:
    """Write a panel into a new folder, and wait until it is on the disk.

    Raises:
        OSError: If it cannot be written.
        ValueError: If its source has facts that JSON would not give back as they are.
    """
    source = dataclasses.asdict(panel.source)
    if _source(json.loads(json.dumps(source))) != panel.source:
        raise ValueError(f"its source cannot be written as JSON: {panel.source}")
    folder.mkdir(parents=True)
    names: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    for field in dataclasses.fields(panel):
        value = getattr(panel, field.name)
        if isinstance(value, np.ndarray):
            arrays[field.name] = _save_array(folder / f"{field.name}.npy", value)
        elif field.name != "source":
            names[field.name] = value
    write_record(folder / RECORD, {"names": names, "source": source, "arrays": arrays})


def open_panel(folder: Path) -> MarketData:
    """Map a saved panel into memory.

    The arrays are plain, contiguous and private: what is written into one stays in this process
    and never reaches the file. (Read-only arrays would be another type to compiled functions,
    which would then be compiled a second time for them.)

    Raises:
        OSError: If a file is missing or cannot be read.
        ValueError, KeyError, TypeError: If a file is not what was saved.
    """
    record = read_record(folder / RECORD)
    arrays = {
        name: _open_array(folder / f"{name}.npy", about) for name, about in record["arrays"].items()
    }
    names = {name: _tuples(value) for name, value in record["names"].items()}
    return MarketData.checked_before(source=_source(record["source"]), **names, **arrays)


def write_record(file: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file that says itself whether it is whole, and wait until it is on the disk."""
    text = json.dumps(content, sort_keys=True)
    with file.open("x", encoding="utf-8") as stream:
        json.dump({"crc32": zlib.crc32(text.encode()), "content": content}, stream, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())


def read_record(file: Path) -> dict[str, Any]:
    """Read what `write_record` wrote; tuples have become lists.

    Raises:
        OSError: If it is missing or cannot be read.
        ValueError, KeyError, TypeError: If it is not what was written.
    """
    record = json.loads(file.read_text(encoding="utf-8"))
    content: dict[str, Any] = record["content"]
    if zlib.crc32(json.dumps(content, sort_keys=True).encode()) != record["crc32"]:
        raise ValueError(f"{file.name} is damaged")
    return content


def _save_array(file: Path, array: NDArray[Any]) -> dict[str, Any]:
    with file.open("xb") as stream:
        np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())
    return {"dtype": array.dtype.str, "shape": list(array.shape), "crc32": _checksum(file)}


def _open_array(file: Path, about: Mapping[str, Any]) -> NDArray[Any]:
    if _checksum(file) != about["crc32"]:
        raise ValueError(f"{file.name} is damaged")
    shape = tuple(about["shape"])
    # Of nothing there is nothing to map.
    mode: Any = "c" if 0 not in shape else None
    mapped = np.asarray(np.load(file, mmap_mode=mode, allow_pickle=False))
    if (mapped.dtype.str, mapped.shape) != (about["dtype"], shape):
        raise ValueError(f"{file.name} holds another array")
    return mapped


def _checksum(file: Path) -> int:
    checksum, buffer = 0, bytearray(_BUFFER)
    view = memoryview(buffer)
    with file.open("rb", buffering=0) as stream:
        while n_read := stream.readinto(buffer):
            checksum = zlib.crc32(view[:n_read], checksum)
    return checksum


def _source(facts: Mapping[str, Any], kind: type = DataSource) -> Any:
    """Make a source of what JSON has kept of it, dataclasses in it included."""
    hints = typing.get_type_hints(kind)
    known: dict[str, Any] = {}
    for name, value in facts.items():
        kinds = [item for item in typing.get_args(hints[name]) if isinstance(item, type)]
        inner = next(filter(dataclasses.is_dataclass, kinds), None)
        known[name] = _source(value, inner) if inner and value is not None else _tuples(value)
    return kind(**known)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

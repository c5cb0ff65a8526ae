"""A panel as files that any number of processes map into memory instead of reading them.

A folder holds one ``.npy`` file an array, ``panel.json`` with names and source, and the panel's
past in a folder of its own. What is opened again is bit by bit what was saved. Values were checked
when the panel was made (see `MarketData`) and are not looked at again; whether the files are still
the same is for `DiskCache` to say.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from finai_rl.data.market import DataSource, FileVersion, MarketData

_FACTS, _PAST = "panel.json", "past"


def save_panel(folder: Path, panel: MarketData) -> None:
    """Write a panel into a new folder.

    Raises:
        OSError: If it cannot be written.
        ValueError: If its source has facts that JSON would not give back as they are.
    """
    values = {field.name: getattr(panel, field.name) for field in dataclasses.fields(panel)}
    past = values.pop(_PAST)
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    facts = {name: value for name, value in values.items() if name not in arrays}
    text = json.dumps(facts | {"source": dataclasses.asdict(panel.source)})
    if _facts(text)["source"] != panel.source:
        raise ValueError(f"its source cannot be written as JSON: {panel.source}")
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    (folder / _FACTS).write_text(text, encoding="utf-8")
    if past is not None:
        save_panel(folder / _PAST, past)


def open_panel(folder: Path) -> MarketData:
    """Map a saved panel into memory: pages come in as they are used, shared by all processes.

    The arrays are plain, contiguous and private: what is written into one stays in this process
    and never reaches the file. (Read-only arrays would be another type to compiled functions,
    which would then be compiled a second time for them.)

    Raises:
        OSError: If a file is missing or cannot be read.
        ValueError, KeyError, TypeError: If a file is not what was saved.
    """
    arrays = {
        file.stem: np.asarray(np.load(file, mmap_mode="c", allow_pickle=False))
        for file in folder.glob("*.npy")
    }
    facts = _facts((folder / _FACTS).read_text(encoding="utf-8"))
    past = open_panel(folder / _PAST) if (folder / _PAST).is_dir() else None
    return MarketData.checked_before(**facts | arrays, past=past)


def _facts(text: str) -> dict[str, Any]:
    facts = _tuples(json.loads(text))
    source = _tuples(facts["source"])
    version = source["version"] and FileVersion(**source["version"])
    return facts | {"source": DataSource(**source | {"version": version})}


def _tuples(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()
    }

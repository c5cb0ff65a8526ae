"""The file of an ElegantRL agent: plain tensors, numbers and texts that torch alone can read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

SUFFIX = ".pth"
FORMAT = "finai_rl elegantrl 1"


def write_checkpoint(path: str | Path | io.BufferedIOBase, content: dict[str, Any]) -> None:
    """Write a checkpoint; a path without a suffix gets ``.pth``, as SB3 adds ``.zip``."""
    file: Any = path
    if not isinstance(path, io.IOBase):
        file = Path(str(path))
        file = file if file.suffix else file.with_suffix(SUFFIX)
        file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"format": FORMAT, **content}, file)


def read_checkpoint(
    path: str | Path | io.BufferedIOBase, algorithm: str, device: torch.device
) -> dict[str, Any]:
    """Read a checkpoint without running any code of it.

    Args:
        path: A file, with or without ``.pth``.
        algorithm: The class that must have written it.
        device: Where its tensors go.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it is not a checkpoint of this algorithm.
    """
    file: Any = path
    if not isinstance(path, io.IOBase):
        file = Path(str(path))
        file = file if file.is_file() else file.with_name(file.name + SUFFIX)
        if not file.is_file():
            raise FileNotFoundError(f"{path}: no such file, with or without {SUFFIX}")
    try:
        content: Any = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} is not the file of an ElegantRL agent: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is not the file of an ElegantRL agent that this release reads")
    if content["algorithm"] != algorithm:
        written_by = content["algorithm"]
        raise ValueError(f"{path} is of {written_by}: load it with {written_by}.load")
    return content


def plain_space(space: spaces.Space[Any]) -> dict[str, Any]:
    """Return a Box as tensors and the name of its type."""
    assert isinstance(space, spaces.Box)
    bounds = {"low": torch.as_tensor(space.low), "high": torch.as_tensor(space.high)}
    return {**bounds, "dtype": np.dtype(space.dtype).name}


def box(plain: dict[str, Any]) -> spaces.Box:
    """Return the Box that `plain_space` has written down."""
    low, high = plain["low"].cpu().numpy(), plain["high"].cpu().numpy()
    return spaces.Box(low, high, dtype=np.dtype(plain["dtype"]).type)


def plain_value(value: Any) -> Any:
    """Return a hyperparameter as Python's own type, such as a float for NumPy's.

    Raises:
        TypeError: If it is not a number, a text, None or a list of these.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a hyperparameter must be a number or a text, got {value!r}")

"""A file of plain values and arrays, with a checksum; nothing of it is run when it is read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.agents.whole_file import written_whole

MAGIC = b"finai_rl checkpoint 1\n"
DIGEST = hashlib.sha256().digest_size


class TornFile(ValueError):
    """A file is not what was written: cut short, changed, or of something else."""


def write(file: Path, values: Mapping[str, Any], arrays: Sequence[NDArray[Any]]) -> str:
    """Write values and arrays to a file, whole or not at all.

    The file is `MAGIC`, the length of a JSON text (8 bytes), the text (``values`` and the dtype and
    shape of each array), the arrays' bytes in C order, and SHA-256 of all that.

    Args:
        file: What is written or replaced.
        values: What JSON can hold; floats are kept exactly, NaN and infinity too.
        arrays: Of any dtype but objects.

    Returns:
        The checksum, in hexadecimal digits.

    Raises:
        OSError: If it cannot be written, such as on a full disk.
    """
    shapes = [[_dtype_text(array.dtype), list(array.shape)] for array in arrays]
    text = json.dumps({"values": values, "arrays": shapes}).encode()
    digest = hashlib.sha256()
    parts: list[Any] = [MAGIC, len(text).to_bytes(8, "little"), text, *map(_bytes, arrays)]
    with written_whole(file) as beside, beside.open("wb", buffering=0) as opened:
        for part in parts:
            digest.update(part)
            _write_all(opened.fileno(), memoryview(part))
        _write_all(opened.fileno(), memoryview(digest.digest()))
    return digest.hexdigest()


def read(file: Path, checksum: str | None = None) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Read what `write` wrote, and nothing else.

    Args:
        file: The file.
        checksum: What its checksum has to be; None for whichever it holds.

    Returns:
        The values, and the arrays, which cannot be written to.

    Raises:
        TornFile: If it is not there, cut short, changed, or another one than the checksum says.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise TornFile(f"{file}: {error.strerror}") from error
    start = len(MAGIC) + 8
    if not content.startswith(MAGIC) or len(content) < start + DIGEST:
        raise TornFile(f"{file}: cut short or no checkpoint")
    digest = content[-DIGEST:]
    body = memoryview(content)[:-DIGEST]
    if hashlib.sha256(body).digest() != digest:
        raise TornFile(f"{file}: its checksum does not fit its content")
    if checksum not in (None, digest.hex()):
        raise TornFile(f"{file}: another file than the checkpoint was written with")
    end = start + int.from_bytes(content[len(MAGIC) : start], "little")
    header = json.loads(content[start:end])
    arrays = []
    for described, shape in header["arrays"]:
        dtype = np.dtype(
            [(name, kind) for name, kind in described] if isinstance(described, list) else described
        )
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        arrays.append(np.frombuffer(body[end : end + size], dtype=dtype).reshape(shape))
        end += size
    return header["values"], arrays


def _dtype_text(dtype: np.dtype[Any]) -> Any:
    return [list(field) for field in dtype.descr] if dtype.names else dtype.str


def _bytes(array: NDArray[Any]) -> Any:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _write_all(handle: int, content: memoryview) -> None:
    while content:
        content = content[os.write(handle, content) :]

"""The books of a paper account: lines that are added and never changed, each sealed by a hash.

A line that its process could not finish, which then has no end of line, is no line yet: it is
written again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finai_rl.errors import DataError

log = logging.getLogger(__name__)

LEDGER_FILE = "ledger.jsonl"
LOCK_FILE = "ledger.lock"
FIRST_HASH = "0" * 64
"""What stands in the place of the line before the first."""


class Ledger:
    """A file of one JSON object a line, each with the hash of the line before.

    Args:
        folder: Of the account, made where it is missing.

    Raises:
        DataError: If a line was changed or taken out since it was written. That none was taken off
            the end, `check_end` tells.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     ledger = Ledger(Path(folder))
        ...     ledger.append({"day": "2024-01-02", "orders": {"AAPL": 5.0}})
        ...     ledger.append({"day": "2024-01-03", "orders": {"AAPL": -5.0}})
        ...     [line["day"] for line in Ledger(Path(folder)).lines]
        ['2024-01-02', '2024-01-03']
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / LEDGER_FILE
        self._whole = 0
        self.lines: list[dict[str, Any]] = []
        self._read()

    @property
    def last_hash(self) -> str:
        """Hash of the last line."""
        return str(self.lines[-1]["hash"]) if self.lines else FIRST_HASH

    def check_end(self, lines: int, last_hash: str) -> None:
        """Refuse books of which lines were taken off the end.

        Args:
            lines: How many there were.
            last_hash: The hash of the last of them.

        Raises:
            DataError: If there are fewer, or others.
        """
        there = [FIRST_HASH, *(str(line["hash"]) for line in self.lines)]
        if len(there) <= lines or there[lines] != last_hash:
            raise DataError(
                str(self.file),
                [
                    f"holds {len(self.lines)} lines, and the account had {lines}, or others: bring "
                    "the file back from a copy, or begin a new account in another folder"
                ],
            )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from adding lines; what they have added before is read."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.with_name(LOCK_FILE).open("ab") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._read()
            yield

    def append(self, values: Mapping[str, Any]) -> None:
        """Add a line and make sure that it is on the disk."""
        line = {"number": len(self.lines) + 1, **values, "before": self.last_hash}
        line["hash"] = _hash_of(line)
        written = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("ab") as stream:
            stream.truncate(self._whole)
            stream.write(written)
            stream.flush()
            os.fsync(stream.fileno())
        self._whole += len(written)
        self.lines.append(line)

    def _read(self) -> None:
        found = self.file.read_bytes() if self.file.is_file() else b""
        whole = found[: found.rfind(b"\n") + 1]
        if whole != found:
            log.warning("%s: its last line was cut off while it was written", self.file)
        self._whole, self.lines = len(whole), self._checked(whole)

    def _checked(self, whole: bytes) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        # Not splitlines: a name may hold what it takes for the end of a line.
        for number, text in enumerate(whole.decode(errors="replace").split("\n")[:-1], 1):
            try:
                line: dict[str, Any] = json.loads(text)
                sealed = line["hash"] == _hash_of(line)
                follows = line["before"] == (lines[-1]["hash"] if lines else FIRST_HASH)
            except (ValueError, KeyError, TypeError):
                sealed = follows = False
            if not (sealed and follows):
                why = "was changed" if not sealed else "does not follow the line before it"
                raise DataError(
                    str(self.file),
                    [
                        f"line {number} {why} since it was written: bring the file back from a "
                        "copy, or begin a new account in another folder"
                    ],
                )
            lines.append(line)
        return lines


def _hash_of(line: Mapping[str, Any]) -> str:
    sealed = {name: value for name, value in line.items() if name != "hash"}
    return hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()

"""How a table is written, as far as a config tells it; the rest is found from the file."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from finai_rl.errors import InputError

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
"""Separators of fields by the names that settings may give them."""

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")


@dataclass(frozen=True)
class Layout:
    r"""What was told of how a table is written; None is found from the file.

    Attributes:
        key: Where the settings stand in the config, for messages.
        offers: Which of them the config has.
        inside: The file, where the settings stand beside its path in one value: a market series.
        columns: Our names to the file's, ``{"tic": "Name"}``, where null says that the file has no
            such column; or the names of the columns of a file without a header, in their order.
        tic: The ticker of a file that holds one instrument.
        separator: Of fields: a character, or one of :data:`SEPARATORS`.
        decimal: ``"."`` or ``","``; the other one may part thousands.
        encoding: One of :data:`ENCODINGS`.
        date_format: Of dates, as ``strptime`` has it, e.g. ``%d.%m.%Y``.
        zone: Whose clock dates are written on where they carry an offset or count seconds.
        wide: What the cells of a table with dates down and tickers across are, e.g. ``close``.

    Example:
        >>> Layout(columns={"tic": "Name"}).mapped, Layout(separator="tab").separator_character
        ({'tic': 'Name'}, '\t')
        >>> Layout().advice("columns", {"close": "Last Price"})
        "set 'raw.columns={close: Last Price}'"
    """

    key: str = "raw"
    offers: tuple[str, ...] = (
        *("columns", "tic", "separator", "decimal", "encoding", "date_format", "zone", "wide"),
        *("on_bad", "on_missing", "adjust", "calendar", "splits"),
    )
    inside: str = ""
    columns: Mapping[str, Any] | Sequence[Any] | None = None
    tic: str | None = None
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    date_format: str | None = None
    zone: str | None = None
    wide: str | None = None

    def __post_init__(self) -> None:
        problems = [*_text_problems(self), *_column_problems(self)]
        if problems:
            raise InputError("\n".join(problems))

    @property
    def mapped(self) -> dict[str, str | None]:
        """Our names to the file's, as far as they are told."""
        if not isinstance(self.columns, Mapping):
            return {}
        return {
            str(ours): None if name is None else str(name) for ours, name in self.columns.items()
        }

    @property
    def listed(self) -> list[str | None] | None:
        """The names of the columns of a file without a header, None for one that is not used."""
        if self.columns is None or isinstance(self.columns, Mapping):
            return None
        return [None if name is None else str(name) for name in self.columns]

    @property
    def separator_character(self) -> str | None:
        """The separator as it stands in the file."""
        return SEPARATORS.get(self.separator, self.separator) if self.separator else None

    def advice(self, name: str, value: object, otherwise: str = "") -> str:
        """Return what helps: a setting that the config has, to be copied, or something else."""
        return f"set {self.setting(name, value)}" if name in self.offers else otherwise

    def setting(self, name: str, value: object) -> str:
        """Return a setting as a command line has it."""
        if self.inside:
            group, _, within = self.key.rpartition(".")
            told = {within: {"path": self.inside, name: value}}
            return shlex.join([f"{group}={_written(told)}"])
        return shlex.join([f"{self.key}.{name}={_written(value)}"])


def _written(value: object) -> str:
    """Return a value as Hydra reads it back."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_written, value)) + "]"
    text = str(value)
    plain = text.replace(" ", "").replace("_", "").replace("-", "").replace("%", "")
    plain = plain.replace("/", "").replace(".", "").replace(":", "")
    if plain.isascii() and plain.isalnum() and text == text.strip() and "  " not in text:
        return text if ":" not in text or "%" in text else f'"{text}"'
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text_problems(layout: Layout) -> list[str]:
    problems, key = [], layout.key
    separator = layout.separator_character
    if separator is not None and (
        len(separator) != 1
        or separator.isalnum()
        or not separator.isascii()
        or separator in "\"'.-+\r\n"
    ):
        named = ", ".join(SEPARATORS)
        problems.append(
            f"{key}.separator: {layout.separator!r} cannot part fields; name one of {named}, or "
            "give one character"
        )
    if layout.decimal not in (None, ".", ","):
        problems.append(f'{key}.decimal must be "." or ",", got {layout.decimal!r}')
    if layout.decimal == "," and separator == ",":
        problems.append(
            f'{key}.decimal="," and {key}.separator="," cannot both be: set one of them'
        )
    if layout.encoding is not None and layout.encoding.lower() not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        problems.append(f"{key}.encoding must be one of {known}, got {layout.encoding!r}")
    return problems


def _column_problems(layout: Layout) -> list[str]:
    if isinstance(layout.columns, str):
        said = f"{layout.key}.columns: {layout.columns!r} names no column; "
        return [f"{said}write {layout.setting('columns', {'tic': 'Name'})}"]
    names = layout.listed if layout.listed is not None else list(layout.mapped.values())
    given = [name for name in names if name is not None]
    if twice := sorted({name for name in given if given.count(name) > 1}):
        return [f"{layout.key}.columns names {twice} twice: name each column once"]
    return []


SETTINGS = tuple(
    each.name for each in fields(Layout) if each.name not in ("key", "offers", "inside")
)
"""Names of the settings that tell how a table is written."""

"""The tables that the templates write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A cell of a table that looks different from others.

    Attributes:
        text: As it is read.
        kind: Classes of the style sheet.
        style: Its own style.

    Example:
        >>> Cell("-3.2 %", "bad").text
        '-3.2 %'
    """

    text: str
    kind: str = ""
    style: str = ""


@dataclass(frozen=True)
class Table:
    """A table; one without rows is not shown.

    Attributes:
        heads: Of the columns.
        rows: Their first cells name them.
        kind: Classes of the style sheet.

    Example:
        >>> table = Table(["account", "return"], [["agent", Cell("12 %", "good")]])
        >>> [row[0] for row in table.rows]
        ['agent']
    """

    heads: Sequence[Cell | str]
    rows: Sequence[Sequence[Cell | str]]
    kind: str = ""

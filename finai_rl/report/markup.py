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
    """

    heads: Sequence[Cell | str]
    rows: Sequence[Sequence[Cell | str]]
    kind: str = ""

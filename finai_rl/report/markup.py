"""The pieces of HTML that the sections are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from finai_rl.report.formats import escaped


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: Not yet escaped.
        kind: Classes of the style sheet.
        style: Its own style.
    """

    text: str
    kind: str = ""
    style: str = ""


def section(name: str, heading: str, text: str, *contents: str) -> str:
    """Make a section; empty where it has no contents.

    Args:
        name: Its place in the page's address.
        heading: Its heading.
        text: A paragraph below the heading, may be empty.
        contents: HTML; empty ones are left out.
    """
    if not any(contents):
        return ""
    paragraph = f'<p class="quiet">{escaped(text)}</p>\n' if text else ""
    return (
        f'<section id="{name}">\n<h2>{escaped(heading)}</h2>\n{paragraph}'
        f"{''.join(contents)}</section>\n"
    )


def table(heads: Sequence[Cell | str], rows: Sequence[Sequence[Cell | str]], kind: str = "") -> str:
    """Make a table that scrolls by itself; the first cell of a row names it."""
    if not rows:
        return ""
    top = "".join(_cell(head, "th") for head in heads)
    body = "".join(f"<tr>{_first(row[0])}{''.join(map(_cell, row[1:]))}</tr>\n" for row in rows)
    opening = f'<table class="{kind}">' if kind else "<table>"
    return (
        f'<div class="wide" tabindex="0">{opening}\n<thead><tr>{top}</tr></thead>\n'
        f"<tbody>\n{body}</tbody>\n</table></div>\n"
    )


def paragraph(text: str) -> str:
    """Make a paragraph; empty where there is no text."""
    return f"<p>{escaped(text)}</p>\n" if text else ""


def heading(text: str) -> str:
    """Make a heading within a section."""
    return f"<h3>{escaped(text)}</h3>\n"


def tiles(facts: Mapping[str, str]) -> str:
    """Make tiles: a text below each large number."""
    items = "".join(
        f"<li><b>{escaped(value)}</b><span>{escaped(name)}</span></li>"
        for name, value in facts.items()
    )
    return f'<ul class="tiles">{items}</ul>\n' if items else ""


def explained(terms: Mapping[str, str], summary: str = "What these words mean") -> str:
    """Make a list of terms that opens on demand; empty where there are none."""
    return details(summary, definitions(terms)) if terms else ""


def definitions(terms: Mapping[str, str]) -> str:
    """Make a list of names, each with its text."""
    items = "".join(
        f"<dt>{escaped(term)}</dt><dd>{escaped(text)}</dd>\n" for term, text in terms.items()
    )
    return f"<dl>\n{items}</dl>\n" if items else ""


def details(summary: str, content: str) -> str:
    """Make a part that opens on demand."""
    return f"<details><summary>{escaped(summary)}</summary>\n{content}</details>\n"


def _first(cell: Cell | str) -> str:
    text = cell.text if isinstance(cell, Cell) else cell
    return f'<th scope="row">{escaped(text)}</th>'


def _cell(cell: Cell | str, tag: str = "td") -> str:
    if isinstance(cell, str):
        return f"<{tag}>{escaped(cell)}</{tag}>"
    kind = f' class="{cell.kind}"' if cell.kind else ""
    style = f' style="{cell.style}"' if cell.style else ""
    return f"<{tag}{kind}{style}>{escaped(cell.text)}</{tag}>"

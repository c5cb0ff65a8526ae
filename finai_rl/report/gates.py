"""The gates of a promotion: on the terminal, as a page and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finai_rl.report.document import document
from finai_rl.report.markup import Cell, Table

if TYPE_CHECKING:
    from rich.console import Console

PAGE, RECORD = "promotion.html", "promotion.json"
HEADINGS = ("gate", "measured", "needed", "outcome")


@dataclass(frozen=True)
class Gate:
    """What one gate has measured.

    Attributes:
        name: As in the config.
        measured: What was found, as it is read.
        needed: What would pass.
        passed: None where the gate was left out.

    Example:
        >>> Gate("leakage", "no leak in 21 checks", "no leak", True).outcome
        'passed'
        >>> Gate("leakage", "", "no leak", None).outcome
        'not checked'
    """

    name: str
    measured: str
    needed: str
    passed: bool | None

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        return {True: "passed", False: "REFUSED", None: "not checked"}[self.passed]


def print_gates(console: Console, title: str, gates: Sequence[Gate]) -> None:
    """Print one line a gate."""
    from rich.table import Table as Printed
    from rich.text import Text

    table = Printed(title=title)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading == "outcome")
    styles = {True: "green", False: "bold red", None: "yellow"}
    for gate in gates:
        outcome = Text(gate.outcome, style=styles[gate.passed])
        table.add_row(Text(gate.name), Text(gate.measured), Text(gate.needed), outcome)
    console.print(table)


def save_gates(
    title: str, gates: Sequence[Gate], about: Mapping[str, str], notes: Sequence[str], folder: Path
) -> list[Path]:
    """Write ``promotion.html``, which needs no network, and ``promotion.json``.

    Args:
        title: Of the page.
        gates: In their order.
        about: What was judged: runs, days, data.
        notes: What a reader has to know, one sentence each.
        folder: Where they go; made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page, record = folder / PAGE, folder / RECORD
    looks = {True: ("gain", "--v:.3"), False: ("loss", "--v:.3"), None: ("soft", "")}
    rows: list[list[Cell | str]] = [
        [gate.name, gate.measured, gate.needed, Cell(gate.outcome, *looks[gate.passed])]
        for gate in gates
    ]
    text = document("promotion.html", title, gates=Table(HEADINGS, rows), about=about, notes=notes)
    page.write_text(text, encoding="utf-8")
    whole = {"title": title, **about, "notes": list(notes), "gates": [asdict(g) for g in gates]}
    record.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    return [page, record]

"""Findings as a table in the terminal, as JSON and as Markdown."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from finai_rl.leakage.finding import Finding, Verdict

STYLES = {Verdict.WARNING: "yellow", Verdict.LEAK: "bold red", Verdict.PASSED: "green"}
HEADINGS = ("check", "subject", "verdict", "evidence")


def print_findings(findings: Sequence[Finding], title: str) -> None:
    """Print one line per finding."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading == "verdict")
    for finding in findings:
        verdict = Text(finding.verdict.value, style=STYLES.get(finding.verdict, ""))
        table.add_row(Text(finding.check), Text(finding.subject), verdict, Text(finding.evidence))
    Console(markup=False, highlight=False).print(table)


def save_findings(findings: Sequence[Finding], about: dict[str, str], folder: Path) -> list[Path]:
    """Write ``verify.json`` and ``verify.md``.

    Args:
        findings: In the order of the report.
        about: What was checked: source, hash, days.
        folder: Where they go.
    """
    rows = [dataclasses.asdict(finding) for finding in findings]
    text, table = folder / "verify.json", folder / "verify.md"
    text.write_text(json.dumps({**about, "findings": rows}, indent=2) + "\n")
    lines = ["# Leakage checks", "", *(f"- {name}: {value}" for name, value in about.items()), ""]
    lines += [_row(HEADINGS), _row("---" for _ in HEADINGS)]
    lines += [_row(str(value) for value in row.values()) for row in rows]
    table.write_text("\n".join(lines) + "\n")
    return [text, table]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

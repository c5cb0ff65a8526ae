"""What a check found, in one line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check ended.

    Example:
        >>> Verdict("LEAK") is Verdict.LEAK
        True
    """

    PASSED = "passed"
    NOTE = "note"
    WARNING = "warning"
    LEAK = "LEAK"


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Attributes:
        check: Which check.
        subject: What was checked: a column, or how many.
        verdict: How it ended.
        evidence: The numbers, days and tickers that it rests on.

    Example:
        >>> passed = Finding("future values", "12 columns", Verdict.PASSED, "equal no later value")
        >>> leak = Finding("future values", "signal", Verdict.LEAK, "the close of the next day")
        >>> [finding.subject for finding in leaks([passed, leak])]
        ['signal']
    """

    check: str
    subject: str
    verdict: Verdict
    evidence: str


def leaks(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are leaks."""
    return [finding for finding in findings if finding.verdict is Verdict.LEAK]

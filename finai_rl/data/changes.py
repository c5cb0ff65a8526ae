"""What was done to data on its way from a file to a panel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """Something that was done to the data on its way, and how often.

    Attributes:
        step: ``"adjusted"``, ``"dropped"``, ``"filled"``, ``"joined"``, ``"noted"``.
        what: What it was done to.
        count: How many rows, dates or tickers ``what`` speaks of.
        why: The reason.
    """

    step: str
    what: str
    count: int
    why: str

    def __str__(self) -> str:
        return f"{self.step} {self.what}: {self.why}"

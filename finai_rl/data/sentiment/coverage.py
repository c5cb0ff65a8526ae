"""How far a scores file covers the prices it was joined to."""

from __future__ import annotations

from dataclasses import dataclass

from finai_rl.data.tables.places import EXAMPLES


@dataclass(frozen=True)
class ScoreCoverage:
    """Counts of a join, and the sentences that a reader of results has to know.

    Attributes:
        path: The scores file.
        sha256: Hash of its bytes.
        columns: The columns that it added, without that of ``n_items``.
        n_items: Items used for the join: all rows but those without any score and, where asked
            for, exact repeats.
        n_cells: Periods times tickers of the prices.
        n_with_news: Those of them with at least one item.
        n_tickers: Tickers of the prices.
        without_news: Those of them without any item.
        unknown_tickers: Tickers of the scores file that the prices lack.
        n_unknown: Items about these, left out.
        n_before: Items known before the first period of their ticker, left out.
        n_after: Items not known before the last decision of their ticker, left out.
        how: The timing rule in force.
        notes: What else was counted while reading.
        n_carried: Periods that show a score carried from an earlier one.

    Example:
        >>> coverage = ScoreCoverage(
        ...     "scores.csv", "9f86d0", ("llm_sentiment",), n_items=12, n_cells=40, n_with_news=10,
        ...     n_tickers=4, without_news=("JPM",), unknown_tickers=(), n_unknown=0, n_before=1,
        ...     n_after=0, how="known before the close",
        ... )
        >>> coverage.share, coverage.n_joined
        (0.25, 11)
        >>> print(coverage.caveats[1])
        10 of 40 cells (25.0%) have news; 11 of 12 items are seen.
    """

    path: str
    sha256: str
    columns: tuple[str, ...]
    n_items: int
    n_cells: int
    n_with_news: int
    n_tickers: int
    without_news: tuple[str, ...]
    unknown_tickers: tuple[str, ...]
    n_unknown: int
    n_before: int
    n_after: int
    how: str
    notes: tuple[str, ...] = ()
    n_carried: int = 0

    @property
    def share(self) -> float:
        """Share of (date, ticker) cells with news."""
        return self.n_with_news / self.n_cells

    @property
    def n_joined(self) -> int:
        """Items that a cell shows."""
        return self.n_items - self.n_unknown - self.n_before - self.n_after

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader of any result has to know, one sentence each."""
        carried = f", {self.n_carried} more a carried score" if self.n_carried else ""
        sentences = [
            f"Scores ({', '.join(self.columns)}) are from {self.path} (sha256 {self.sha256}): "
            f"{self.how}.",
            f"{self.n_with_news} of {self.n_cells} cells ({self.share:.1%}) have news"
            f"{carried}; {self.n_joined} of {self.n_items} items are seen.",
        ]
        if self.without_news:
            sentences.append(
                f"{len(self.without_news)} of {self.n_tickers} tickers have no news at all: "
                f"{_shown(self.without_news)}."
            )
        if dropped := self._dropped():
            sentences.append(f"Items left out: {'; '.join(dropped)}.")
        return (*sentences, *self.notes)

    def _dropped(self) -> list[str]:
        dropped = []
        if self.n_unknown:
            names = f"{len(self.unknown_tickers)} tickers that the prices lack"
            dropped.append(f"{self.n_unknown} of {names} ({_shown(self.unknown_tickers)})")
        if self.n_before:
            dropped.append(f"{self.n_before} from before the first period of their ticker")
        if self.n_after:
            dropped.append(f"{self.n_after} from the last decision of their ticker or later")
        return dropped


def _shown(names: tuple[str, ...]) -> str:
    return ", ".join(names[:EXAMPLES]) + (", ..." if len(names) > EXAMPLES else "")

"""The logits of combinatorially symmetric cross-validation, binned for a histogram."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finai_rl.report.search.parameter_axis import LARGEST_DRAWN
from finai_rl.type_aliases import FloatArray

_FEWEST_BINS, _MOST_BINS = 4, 30


@dataclass(frozen=True, eq=False)
class LogitBars:
    """Bars of equal width, one edge of which is zero.

    Attributes:
        left: (n_bars,) left edges; a bar holds its right edge, not its left one.
        width: Width of each bar.
        counts: (n_bars,) splits in each bar.
        caveats: What a reader has to know of splits that are not where they belong, if anything.

    Example:
        >>> bars = logit_bars(np.array([-0.7, 0.0, 0.4, 0.4, 1.1]))
        >>> bars.share_text(overfitted=True), bars.share_text(overfitted=False)
        ('2 splits (40.0%)', '3 splits (60.0%)')
    """

    left: FloatArray
    width: float
    counts: NDArray[np.int64]
    caveats: list[str]

    @property
    def overfitted(self) -> NDArray[np.bool_]:
        """(n_bars,) whether a bar holds logits at or below zero."""
        # Half a bar away from rounding.
        at_or_below: NDArray[np.bool_] = self.left + self.width / 2 < 0
        return at_or_below

    def share_text(self, overfitted: bool) -> str:
        """Write how many of the splits are at or below zero, or above it."""
        n_splits = int(self.counts[self.overfitted == overfitted].sum())
        return f"{n_splits:,} splits ({n_splits / max(int(self.counts.sum()), 1):.1%})"


def logit_bars(logits: FloatArray) -> LogitBars:
    """Sort logits into bars of equal width, with an edge at zero.

    The width is Freedman and Diaconis' (1981), within 4 to 30 bars over the range, and at least
    two steps of the logits: ranks are whole numbers, and narrower bars would leave gaps.

    Args:
        logits: (n_splits,) logits, in natural units; infinite ones, and those
            beyond 1e300, are counted at the edge.
    """
    numbers = logits[~np.isnan(logits)]
    finite = numbers[np.abs(numbers) <= LARGEST_DRAWN]
    reach = float(np.abs(finite).max(initial=0.0))
    reach = reach if reach > 1 / LARGEST_DRAWN else 1.0
    spread = float(np.subtract(*np.quantile(finite, [0.75, 0.25]))) if len(finite) else 0.0
    wanted = max(2 * spread / max(len(finite), 1) ** (1 / 3), 2 * _step(finite))
    width = min(max(wanted, 2 * reach / _MOST_BINS), 2 * reach / _FEWEST_BINS)
    n_side = math.ceil(reach / width)
    edges = width * np.arange(-n_side, n_side + 1)
    # A histogram's bars hold their left edge; negated, a logit of zero is at or below zero.
    counts = np.histogram(-np.clip(numbers, edges[0], edges[-1]), edges)[0][::-1]
    filled = [*np.flatnonzero(counts), n_side - 1, n_side]
    kept = slice(min(filled), max(filled) + 1)
    caveats = []
    if n_infinite := len(numbers) - len(finite):
        caveats.append(f"Infinite logits ({n_infinite:,}) are in the outermost bars.")
    if n_left_out := len(logits) - len(numbers):
        caveats.append(f"Logits that are not a number ({n_left_out:,}) are left out.")
    return LogitBars(edges[:-1][kept], width, counts[kept], caveats)


def _step(finite: FloatArray) -> float:
    """Return the widest gap between neighbouring logits, the outer tenth of them left out."""
    if not len(finite):
        return 0.0
    low, high = np.quantile(finite, [0.05, 0.95])
    middle = np.unique(finite[(finite >= low) & (finite <= high)])
    return float(np.diff(middle).max(initial=0.0))


def pbo_text(logits: FloatArray, pbo: float) -> str:
    """Write what the probability of backtest overfitting says."""
    share = f"{pbo:.1%}" if math.isfinite(pbo) else "undefined"
    return (
        f"{share}: how often, over {len(logits):,} splits, the trial that is best in sample is at "
        "or below the median of all trials out of sample"
    )

"""The logits of combinatorially symmetric cross-validation, binned for a histogram."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finai_rl.report.search.parameter_axis import LARGEST_DRAWN
from finai_rl.type_aliases import FloatArray

_FEWEST_BINS, _MOST_BINS = 4, 30
_SMALLEST_REACH = 1e-300


@dataclass(frozen=True, eq=False)
class LogitBars:
    """Bars of equal width, one edge of which is zero.

    Attributes:
        left: (n_bars,) left edges; a bar holds its right edge, not its left one.
        width: Width of each bar.
        counts: (n_bars,) splits in each bar.
        n_left_out: Splits without a number.
        n_infinite: Splits with an infinite logit (or beyond 1e300), counted in the outermost bars.
    """

    left: FloatArray
    width: float
    counts: NDArray[np.int64]
    n_left_out: int
    n_infinite: int

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

    @property
    def caveats(self) -> list[str]:
        """What a reader has to know of splits that are not where they belong, if anything."""
        result = []
        if self.n_infinite:
            result.append(f"Infinite logits ({self.n_infinite:,}) are in the outermost bars.")
        if self.n_left_out:
            result.append(f"Logits that are not a number ({self.n_left_out:,}) are left out.")
        return result


def logit_bars(logits: FloatArray) -> LogitBars:
    """Sort logits into bars of equal width, with an edge at zero.

    The width is Freedman and Diaconis' (1981), within 4 to 30 bars over the range, and at least
    two steps of the logits: ranks are whole numbers, and narrower bars would leave gaps.

    Args:
        logits: (n_splits,) logits, in natural units; infinite ones are counted at the edge.
    """
    logits = np.asarray(logits, dtype=np.float64).ravel()
    numbers = logits[~np.isnan(logits)]
    finite = numbers[np.abs(numbers) <= LARGEST_DRAWN]
    reach = float(np.abs(finite).max(initial=0.0))
    reach = reach if reach > _SMALLEST_REACH else 1.0
    spread = float(np.subtract(*np.quantile(finite, [0.75, 0.25]))) if len(finite) else 0.0
    wanted = max(2 * spread / max(len(finite), 1) ** (1 / 3), 2 * _step(finite))
    width = min(max(wanted, 2 * reach / _MOST_BINS), 2 * reach / _FEWEST_BINS)
    n_side = math.ceil(reach / width)
    # A bar holds its right edge: a logit of zero is at or below zero, one that rounds to it not.
    bars = np.ceil(np.clip(numbers, -reach, reach) / width).astype(np.int64) - 1 + n_side
    bars = np.where(numbers > 0, np.maximum(bars, n_side), bars)
    counts = np.bincount(np.clip(bars, 0, 2 * n_side - 1), minlength=2 * n_side)
    filled = np.flatnonzero(counts)
    kept = slice(
        min(int(filled.min(initial=n_side)), n_side - 1),
        max(int(filled.max(initial=0)), n_side) + 1,
    )
    return LogitBars(
        left=((np.arange(2 * n_side) - n_side) * width)[kept],
        width=width,
        counts=counts[kept],
        n_left_out=len(logits) - len(numbers),
        n_infinite=len(numbers) - len(finite),
    )


def _step(finite: FloatArray) -> float:
    """Return the widest gap between neighbouring logits, the outer tenth of them left out."""
    if not len(finite):
        return 0.0
    values = np.unique(finite)
    low, high = np.quantile(finite, [0.05, 0.95])
    middle = values[(values >= low) & (values <= high)]
    return float(np.diff(middle).max(initial=0.0))


def pbo_text(logits: FloatArray, pbo: float) -> str:
    """Write what the probability of backtest overfitting says."""
    n_splits = int(np.size(logits))
    share = f"{pbo:.1%}" if math.isfinite(pbo) else "undefined"
    return (
        f"{share}: how often, over {n_splits:,} splits, the trial that is best in sample is at or "
        "below the median of all trials out of sample"
    )

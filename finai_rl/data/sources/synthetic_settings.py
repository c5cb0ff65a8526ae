"""What a generated market is asked to be, and what no generated market can be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from finai_rl.data.sources.planted import regimes_of
from finai_rl.data.sources.signals import strength
from finai_rl.data.tables.dates import full_date
from finai_rl.errors import InputError

KINDS = (
    "noise", "momentum", "sentiment", "regimes", "mean_reversion", "pair", "seasonality",
)  # fmt: skip

LAST_DAY = np.datetime64("2262-01-01")
"""What pandas' nanoseconds reach."""

LEAST = {"n_days": 2, "n_stocks": 1, "n_features": 0, "seed": 0}
RANGES = {
    "volatility": (0.0, 10.0, "above 0 and below 10"),
    "drift": (-math.inf, math.inf, "finite"),
    "correlation": (-math.ulp(0.0), 1.0, "at least 0 and below 1"),
    "persistence": (-math.ulp(0.0), 1.0, "at least 0 and below 1"),
    "sharpe_ratio": (-math.ulp(0.0), math.inf, "at least 0"),
}
"""Open intervals, and how to say them."""


@dataclass(frozen=True)
class SyntheticSettings:
    """The settings of :func:`~finai_rl.data.sources.synthetic.synthetic_market`, checked.

    Raises:
        InputError: Naming every setting that is out of range.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> synthetic_market(n_days=1, volatility=-1.0)
        Traceback (most recent call last):
            ...
        finai_rl.errors.InputError: data.n_days must be a whole number, at least 2, got 1
        data.volatility must be a number, above 0 and below 10, got -1.0
    """

    kind: str
    n_days: int
    n_stocks: int
    n_features: int
    indicators: Sequence[str]
    volatility: float
    drift: float
    correlation: float
    persistence: float
    sharpe_ratio: float
    start: str
    seed: int

    def __post_init__(self) -> None:
        if problems := [*self._range_problems()] or [*self._truth_problems()]:
            raise InputError("\n".join(f"data.{problem}" for problem in problems))

    def _range_problems(self) -> Iterator[str]:
        if self.kind not in KINDS:
            yield f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}"
        for name, least in LEAST.items():
            value = getattr(self, name)
            if not _is(value, int, np.integer) or value < least:
                yield f"{name} must be a whole number, at least {least}, got {value!r}"
        for name, (lower, upper, wanted) in RANGES.items():
            value = getattr(self, name)
            if not _is(value, int, float, np.number) or not lower < value < upper:
                yield f"{name} must be a number, {wanted}, got {value!r}"
        try:
            full_date("start", self.start)
        except ValueError as refusal:
            yield str(refusal)

    def _truth_problems(self) -> Iterator[str]:
        if self.kind == "pair" and self.n_stocks < 2:
            yield f"n_stocks must be at least 2 for a pair, got {self.n_stocks}"
            return
        if self.kind == "seasonality" and self.n_features < 1:
            yield (
                "n_features must be at least 1 for seasonality, whose position in its cycle takes "
                f"two columns, got {self.n_features}"
            )
        last = np.busday_offset(self.start, self.n_days - 1, roll="forward")
        if last >= LAST_DAY:
            yield f"n_days: the market must end before {LAST_DAY}, but {self.n_days} end on {last}"
        try:
            if self.kind == "regimes":
                regimes_of(
                    sharpe_ratio=self.sharpe_ratio,
                    drift=self.drift,
                    volatility=self.volatility,
                    correlation=self.correlation,
                    n_stocks=self.n_stocks,
                )
            elif self.kind != "noise":
                strength(self.kind, self.sharpe_ratio, self.n_stocks)
        except ValueError as refusal:
            yield f"sharpe_ratio {refusal}"


def _is(value: object, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)

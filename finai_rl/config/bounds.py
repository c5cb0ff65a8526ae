"""Bounds of settings, as metadata of their fields: ``hmax: int = field(metadata=at_least(1))``.

Metadata is a mapping, so that a field can say more of itself: ``at_least(0) | {...}``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

BOUNDS = "bounds"
"""Key of a field's metadata that holds its bounds."""


@dataclass(frozen=True)
class Bound:
    """A condition that a value must meet.

    Attributes:
        holds: Whether a value meets it.
        wording: What a message says that the value must do.
    """

    holds: Callable[[Any], bool]
    wording: str


def at_least(least: float, below: float = math.inf) -> dict[str, Any]:
    """Bound numbers from below and, if ``below`` is given, strictly from above."""
    bounds = [_of_numbers(lambda value: value >= least, f"be at least {least}")]
    if below < math.inf:
        bounds.append(_of_numbers(lambda value: value < below, f"be below {below}"))
    return {BOUNDS: bounds}


def above(least: float) -> dict[str, Any]:
    """Bound numbers strictly from below."""
    return {BOUNDS: [_of_numbers(lambda value: value > least, f"be above {least}")]}


def between(low: float, high: float) -> dict[str, Any]:
    """Bound numbers strictly from both sides."""
    wording = f"lie between {low} and {high}"
    return {BOUNDS: [_of_numbers(lambda value: low < value < high, wording)]}


def annual_rate() -> dict[str, Any]:
    """Bound numbers to rates at which money can grow for a year: finite and above -1."""
    return {BOUNDS: [_of_numbers(lambda value: -1 < value < math.inf, "be an annual rate")]}


def one_of(*known: str | bool) -> dict[str, Any]:
    """Bound values to a few, which messages name as YAML writes them."""
    names = [name if isinstance(name, str) else str(name).lower() for name in known]
    return {BOUNDS: [Bound(lambda value: value in known, f"be {' or '.join(names)}")]}


def _of_numbers(holds: Callable[[float], bool], wording: str) -> Bound:
    # Whether a value may be something else than a number is for the field's type to say.
    return Bound(lambda value: type(value) not in (int, float) or holds(value), wording)

"""Bounds of settings, as metadata of their fields: ``hmax: int = field(metadata=at_least(1))``.

Metadata is a mapping, so that a field can say more of itself: ``at_least(0) | {...}``.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

BOUNDS = "bounds"
"""Key of a field's metadata that holds its bounds."""

INFINITE = "infinite"
"""Key of a field's metadata by which its numbers may be infinite, as no other's may."""

MOST_THREADS = 1025
"""Far above what PyTorch gains from; some hundred thousand end in a segmentation fault."""

MOST_ENVIRONMENTS = 1_000_001
"""More accounts than any machine steps at once."""

LONGEST_NAME = 255
"""Characters of a name in MLflow's model registry."""


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


def within(low: float, high: float) -> dict[str, Any]:
    """Bound numbers from both sides, which they may reach."""
    return {BOUNDS: [_of_numbers(lambda value: low <= value <= high, f"be from {low} to {high}")]}


def finite() -> Bound:
    """Return what holds of every number of a config, unless its field is `endless`."""
    return _of_numbers(math.isfinite, "be a finite number")


def endless() -> dict[str, Any]:
    """Let numbers be infinite, where that means that nothing is cut off."""
    return {INFINITE: True}


def random_seed() -> dict[str, Any]:
    """Bound numbers to the seeds that NumPy's legacy generator takes: 32 bits."""
    return at_least(0, below=2**32)


def iso_date() -> dict[str, Any]:
    """Bound texts to days: a year or a month alone would be read as its first day."""
    return {BOUNDS: [Bound(_is_full_date, "be a full ISO date such as 2019-12-31")]}


def model_name() -> dict[str, Any]:
    """Bound texts to names that MLflow's registry takes for a model."""
    holds = Bound(
        lambda name: bool(name.strip()) and len(name) <= LONGEST_NAME and _is_plain_path(name),
        "be a name that MLflow's registry takes, without '/' and ':'",
    )
    return {BOUNDS: [holds]}


def model_alias() -> dict[str, Any]:
    """Bound texts to aliases that MLflow's registry takes for a version of a model."""
    holds = Bound(
        lambda alias: (
            re.fullmatch(r"[\w\-]{1,255}", alias) is not None
            and re.fullmatch(r"latest|v\d+", alias, flags=re.IGNORECASE) is None
        ),
        "be letters, digits, _ and -, and neither latest nor a version such as v3",
    )
    return {BOUNDS: [holds]}


def filled(most: int) -> dict[str, Any]:
    """Bound texts to those that say something, in no more than so many characters."""
    holds = Bound(
        lambda text: bool(text.strip()) and len(text) <= most,
        f"be a name of 1 to {most} characters",
    )
    return {BOUNDS: [holds]}


def a_place() -> dict[str, Any]:
    """Bound texts to files, folders and addresses: an empty one would be the current folder."""
    holds = Bound(lambda place: bool(str(place).strip()), "name a file or folder")
    return {BOUNDS: [holds]}


def annual_rate() -> dict[str, Any]:
    """Bound numbers to rates at which money can grow for a year: finite and above -1."""
    return {BOUNDS: [_of_numbers(lambda value: -1 < value < math.inf, "be an annual rate")]}


def one_of(*known: str | bool) -> dict[str, Any]:
    """Bound values to a few, which messages name as YAML writes them."""
    names = [name if isinstance(name, str) else str(name).lower() for name in known]
    return {BOUNDS: [Bound(lambda value: value in known, f"be {' or '.join(names)}")]}


def _is_full_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None


def _is_plain_path(name: str) -> bool:
    # MLflow takes the name for a part of a path, and refuses one that is written otherwise.
    return not {"/", ":"} & set(name) and name != "." and not name.startswith("..")


def _of_numbers(holds: Callable[[float], bool], wording: str) -> Bound:
    # Whether a value may be something else than a number is for the field's type to say.
    return Bound(lambda value: type(value) not in (int, float) or holds(value), wording)

"""One hyperparameter as an axis of a picture: where a trial lies on it, and its ticks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial

from finai_rl.type_aliases import FloatArray

# Stays clear of what float64 can still subtract and scale.
LARGEST_DRAWN = 1e300
_MOST_TICKS, _MOST_CHOICES = 5, 16


@dataclass(frozen=True)
class ParameterAxis:
    """The values that one hyperparameter may take.

    Attributes:
        name: As the trials call it, e.g. ``"ppo:agent.learning_rate"``.
        choices: The choices of a categorical parameter as texts; None for numbers.
        low: Smallest number of the search space or of a trial; 0 for choices.
        high: Largest, likewise; the number of choices minus one for choices.
        log: Whether it is searched on a log scale.
        integer: Whether it takes whole numbers only.

    Example:
        >>> axis = ParameterAxis("agent.learning_rate", None, low=1e-4, high=1e-2, log=True)
        >>> places, texts = axis.ticks()
        >>> np.round(places, 2).tolist(), texts
        ([0.0, 0.5, 1.0], ['0.0001', '0.001', '0.01'])
    """

    name: str
    choices: tuple[str, ...] | None
    low: float
    high: float
    log: bool = False
    integer: bool = False

    def numbers(self, trials: Sequence[FrozenTrial]) -> FloatArray:
        """Return (n_trials,) values, or indices of choices; NaN where a trial has none."""
        return np.array([self._number(trial) for trial in trials], dtype=np.float64)

    def positions(self, trials: Sequence[FrozenTrial]) -> FloatArray:
        """Return (n_trials,) places on the axis, from 0 to 1; NaN where a trial has none."""
        return self._scaled(self.numbers(trials))

    def ticks(self) -> tuple[list[float], list[str]]:
        """Return where ticks go, from 0 to 1, and what they say.

        Round numbers, or the choices; of many choices every second, third, ...
        """
        if self.choices is not None:
            step = math.ceil(len(self.choices) / _MOST_CHOICES)
            numbers = [float(place) for place in range(0, len(self.choices), step)]
            return self._scaled(np.array(numbers)).tolist(), list(self.choices[::step])
        numbers = [self.low]
        if self.low < self.high:
            numbers = self._logarithmic() if self.log else self._linear()
            numbers = numbers if len(numbers) > 1 else [self.low, self.high]
        texts = number_texts(numbers)
        return self._scaled(np.array(numbers)).tolist(), texts if self.log else _aligned(texts)

    def _number(self, trial: FrozenTrial) -> float:
        if self.name not in trial.params:
            return math.nan
        value = trial.params[self.name]
        if self.choices is not None:
            return float(self.choices.index(str(value)))
        number = float(value)
        drawable = abs(number) <= LARGEST_DRAWN and not (self.log and number <= 0)
        return number if drawable else math.nan

    def _scaled(self, numbers: FloatArray) -> FloatArray:
        low, high = self.low, self.high
        if low == high:
            return np.where(np.isnan(numbers), np.nan, 0.5)
        if self.log:
            low, high, numbers = math.log(low), math.log(high), np.log(numbers)
        scaled: FloatArray = (numbers - low) / (high - low)
        return scaled

    def _linear(self) -> list[float]:
        locator = MaxNLocator(_MOST_TICKS - 1, steps=[1, 2, 2.5, 5, 10], integer=self.integer)
        return self._within(locator.tick_values(self.low, self.high))

    def _logarithmic(self) -> list[float]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1,), (1, 3), (1, 2, 5)):
            ticks = self._within(float(f"{digit}e{power}") for power in powers for digit in digits)
            if len(ticks) >= 3:
                return ticks[:: math.ceil(len(ticks) / _MOST_TICKS)]
        # Less than a decade.
        return self._linear()

    def _within(self, ticks: Iterable[float]) -> list[float]:
        return [float(tick) for tick in ticks if self.low <= tick <= self.high]


def parameter_axes(trials: Sequence[FrozenTrial]) -> tuple[ParameterAxis, ...]:
    """Return an axis for every parameter of the trials, those that most trials have first.

    Where a parameter's search space differs between trials, its axis spans all of them; where it
    is categorical in some, it is so in all.
    """
    # Optuna's base class knows neither bounds nor choices.
    spaces: dict[str, list[Any]] = {}
    values: dict[str, list[Any]] = {}
    for trial in trials:
        for name, value in trial.params.items():
            values.setdefault(name, []).append(value)
            if name in trial.distributions:
                spaces.setdefault(name, []).append(trial.distributions[name])
    names = sorted(values, key=lambda name: -len(values[name]))
    return tuple(_axis(name, spaces.get(name, []), values[name]) for name in names)


def _axis(name: str, spaces: Sequence[Any], values: Sequence[Any]) -> ParameterAxis:
    categorical = [space for space in spaces if isinstance(space, CategoricalDistribution)]
    if categorical or not all(isinstance(value, int | float) for value in values):
        offered = [choice for space in categorical for choice in space.choices]
        choices = tuple(dict.fromkeys(str(choice) for choice in [*offered, *values]))
        return ParameterAxis(name, choices, 0.0, len(choices) - 1.0)
    bounds = [bound for space in spaces for bound in (space.low, space.high)]
    numbers = [float(bound) for bound in [*bounds, *values]]
    log = bool(spaces) and all(_is_log(space) for space in spaces)
    numbers = [
        number for number in numbers if abs(number) <= LARGEST_DRAWN and not (log and number <= 0)
    ]
    integer = bool(spaces) and all(type(space).__name__.startswith("Int") for space in spaces)
    low, high = (min(numbers), max(numbers)) if numbers else (1.0, 1.0)
    return ParameterAxis(name, None, low, high, log, integer)


def _is_log(space: Any) -> bool:
    # Optuna 2 has classes for log scales, later versions an attribute.
    return "Log" in type(space).__name__ or bool(getattr(space, "log", False))


def number_texts(numbers: Sequence[float]) -> list[str]:
    """Write numbers with just enough digits that no two different ones read the same."""
    for digits in range(4, 18):
        texts = [re.sub(r"e\+?(-?)0*", r"e\1", f"{number:.{digits}g}") for number in numbers]
        if len(set(texts)) == len(set(numbers)):
            break
    return texts


def _aligned(texts: Sequence[str]) -> list[str]:
    """Format plain numbers with as many decimals as the one with most has."""
    if any("e" in text for text in texts):
        return list(texts)
    decimals = [len(text.partition(".")[2]) for text in texts]
    return [f"{float(text):.{max(decimals)}f}" for text in texts]

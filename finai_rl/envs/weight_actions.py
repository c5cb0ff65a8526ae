"""Between the actions of a portfolio environment and the weights that they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.envs.terms import SOFTMAX
from finai_rl.type_aliases import FloatArray

LARGEST = 0.75
"""Share of an action's range that the largest weight gets: room to ask for more, and for less."""


@dataclass(frozen=True)
class WeightActions:
    """How a portfolio environment reads actions (n, n_stocks + 1), cash last.

    Attributes:
        allow_short: Whether a stock's entry keeps its sign.
        temperature: Of the softmax; None for the linear reading.

    Example:
        >>> linear = WeightActions()
        >>> linear.weights_of(np.array([[1.0, 0.0, -1.0]])).round(3)
        array([[0.667, 0.333, 0.   ]])
        >>> linear.actions_for(np.array([[0.5, 0.25, 0.25]]))
        array([[ 0.5 , -0.25, -0.25]])
        >>> WeightActions(temperature=0.2).actions_for(np.array([[0.5, 0.25, 0.25]])).round(3)
        array([[0.5  , 0.361, 0.361]])
    """

    allow_short: bool = False
    temperature: float | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> WeightActions:
        """Return how an environment of these settings reads actions."""
        softmax = settings.get("weights") == SOFTMAX
        temperature = float(settings["temperature"]) if softmax else None
        return cls(bool(settings.get("allow_short")), temperature)

    def weights_of(self, actions: NDArray[Any]) -> FloatArray:
        """Return the (n, n_stocks + 1) weights that actions ask for; they are clipped to [-1, 1].

        With ``allow_short`` the last column is what stays in cash, short proceeds included.
        """
        actions = np.clip(np.asarray(actions, dtype=np.float64), -1.0, 1.0)
        parts = self._parts(actions)
        total = np.abs(parts).sum(axis=1, keepdims=True)
        weights: FloatArray = np.divide(parts, total, out=np.zeros_like(parts), where=total > 0)
        if self.allow_short:
            weights[:, -1] = 1 - weights[:, :-1].sum(axis=1)
        weights[total[:, 0] == 0, -1] = 1.0
        return weights

    def actions_for(self, weights: FloatArray) -> FloatArray:
        """Return actions that ask for weights, of all that do those whose largest is `LARGEST`.

        A softmax has no weight of nothing: the least that an action can ask for stands in for it.

        Args:
            weights: (n, n_stocks + 1), cash last, each row adding up to 1; those of stocks may be
                negative with ``allow_short``, where sizes of stocks add up to at most 1.
        """
        parts = np.array(weights, dtype=np.float64)
        if self.allow_short:
            # The last column has the proceeds of short sales, too, which no entry asks for.
            parts[:, -1] = np.maximum(1 - np.abs(parts[:, :-1]).sum(axis=1), 0.0)
        parts /= np.abs(parts).max(axis=1, keepdims=True)
        top = 2 * LARGEST - 1
        if self.temperature is None:
            actions: FloatArray = 2 * LARGEST * parts - 1
            if self.allow_short:
                actions[:, :-1] = LARGEST * parts[:, :-1]
            return actions
        least = np.exp(-(1 + top) / self.temperature)
        actions = top + self.temperature * np.log(np.maximum(parts, least))
        if self.allow_short:
            largest, stocks = np.exp(top / self.temperature), parts[:, :-1]
            sizes = self.temperature * np.log1p(largest * np.abs(stocks))
            actions[:, :-1] = np.sign(stocks) * sizes
        return np.clip(actions, -1.0, 1.0)

    def _parts(self, actions: FloatArray) -> FloatArray:
        if self.temperature is None:
            parts = (actions + 1) / 2
            signed = actions[:, :-1]
        else:
            parts = np.exp((actions - 1) / self.temperature)
            stocks = actions[:, :-1]
            sizes = np.exp((np.abs(stocks) - 1) / self.temperature) - np.exp(-1 / self.temperature)
            signed = np.sign(stocks) * sizes
        if self.allow_short:
            parts[:, :-1] = signed
        return parts


def distance(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return (n,) shares of the account to trade to get from one row of weights to another's.

    Args:
        one: (n, n_stocks + 1), cash last.
        other: The same.
    """
    apart: FloatArray = np.abs(one - other).sum(axis=1) / 2
    return apart

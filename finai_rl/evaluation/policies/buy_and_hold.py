"""What trades once or always the same, and what an index would have made of the money."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from finai_rl.data.market import MarketData
from finai_rl.type_aliases import FloatArray


def bought_once(weights: ArrayLike, n_days: int) -> FloatArray:
    """Return the target weights of a portfolio that is bought on the first day and held.

    Args:
        weights: (n_stocks,) of the first day.
        n_days: In the episode.

    Returns:
        (n_days, n_stocks), NaN on all days but the first.
    """
    first = np.asarray(weights, dtype=np.float64)
    targets = np.full((n_days, len(first)), np.nan)
    targets[0] = first
    return targets


def index_account_value(data: MarketData, initial_amount: float) -> FloatArray | None:
    """Return what the initial amount would be worth in the data's index.

    Args:
        data: The market; its ``benchmark`` is a price index, without costs.
        initial_amount: Worth on the first day.

    Returns:
        (n_days,) account value, or None where the data has no benchmark.
    """
    if data.benchmark is None:
        return None
    value: FloatArray = data.benchmark / data.benchmark[0] * initial_amount
    return value


class ConstantAction:
    """Takes the same action every day. A `Policy`.

    What an action does is the environment's: zeros trade nothing where actions are orders, and
    are a portfolio of some weights where they are target weights.

    Args:
        action: One environment's action, in the shape of its action space.

    Example:
        >>> actions, state = ConstantAction([0.5, -0.5]).predict(np.zeros((3, 11)))
        >>> actions
        array([[ 0.5, -0.5],
               [ 0.5, -0.5],
               [ 0.5, -0.5]])
    """

    def __init__(self, action: ArrayLike) -> None:
        self._action = np.asarray(action)

    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Return the action for every environment, n_envs of them on axis 0, and ``state``."""
        batch = np.asarray(observation).shape[:-1]
        return np.broadcast_to(self._action, (*batch, *self._action.shape)).copy(), state

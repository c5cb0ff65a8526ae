"""Trained agents that decide together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.envs.weight_actions import WeightActions
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from finai_rl.evaluation.backtest import Policy


@dataclass(frozen=True, eq=False)
class Member:
    """A trained agent with its own normalization: a `Policy` on raw observations.

    Attributes:
        agent: The agent.
        normalization: SB3's ``VecNormalize`` of its training, frozen; None for none.
        deterministic: False draws actions from its distribution, as FinRL's ensemble does.

    Example:
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> Member(ConstantAction(np.ones(2)), None).predict(np.zeros((1, 5)))[0]
        array([[1., 1.]])
    """

    agent: Any
    normalization: Any
    deterministic: bool = True

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[Any], Any]:
        """Return the agent's actions; whether they are drawn says `deterministic` of the member."""
        if self.normalization is not None:
            observation = self.normalization.normalize_obs(observation)
        actions, state = self.agent.predict(
            observation,
            state=state,
            episode_start=episode_start,
            deterministic=deterministic and self.deterministic,
        )
        return actions, state


@dataclass(frozen=True, eq=False)
class Weighted:
    """The weighted mean of what several policies ask for: share orders, or target weights.

    Attributes:
        policies: They.
        parts: (n_policies,) adding up to 1.
        reading: How a portfolio environment reads actions; None where they are share orders.

    Example:
        >>> from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
        >>> buys, sells = ConstantAction(np.ones(2)), ConstantAction(-np.ones(2))
        >>> both = Weighted([buys, sells], np.array([0.75, 0.25]))
        >>> both.predict(np.zeros((1, 5)))[0]
        array([[0.5, 0.5]])
    """

    policies: Sequence[Policy]
    parts: FloatArray
    reading: WeightActions | None = None

    def predict(
        self,
        observation: Any,
        state: tuple[Any, ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[Any], Any]:
        """Return the mean actions and the state of each policy."""
        states = [None] * len(self.policies) if state is None else state
        found = [
            policy.predict(observation, own, episode_start, deterministic=deterministic)
            for policy, own in zip(self.policies, states, strict=True)
        ]
        reading = self.reading
        asked = [np.clip(a, -1, 1) if reading is None else reading.weights_of(a) for a, _ in found]
        mean = np.tensordot(self.parts, np.array(asked), axes=1)
        actions = mean if reading is None else reading.actions_for(mean)
        return actions, tuple(after for _, after in found)

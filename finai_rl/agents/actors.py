"""The deterministic action of an agent as a function that gradients flow through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy
from torch import Tensor, nn

BATCH = 512
LEARNING_RATE = 1e-3


def actor_of(agent: BaseAlgorithm) -> Callable[[Tensor], Tensor] | None:
    """Return what gives (n, n_actions) actions for (n, n_observations), None where none is known.

    It is there for the policies of A2C, PPO, TRPO, DDPG, TD3, SAC and TQC.
    """
    from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
    from sb3_contrib.tqc.policies import TQCPolicy

    policy: Any = agent.policy
    if isinstance(policy, ActorCriticPolicy) and not isinstance(policy, RecurrentActorCriticPolicy):
        return lambda observations: policy.get_distribution(observations).mode()
    if isinstance(policy, TD3Policy):
        return lambda observations: policy.actor(observations)
    if isinstance(policy, SACPolicy | TQCPolicy):
        return lambda observations: policy.actor(observations, deterministic=True)
    return None


class ActorFit:
    """Fits an agent's deterministic actions to given ones by least squares.

    The agent's own optimizers are not used; its target networks follow after every epoch.

    Args:
        agent: One that `actor_of` knows.
        seed: Of the order of the rows.

    Example:
        >>> import numpy as np
        >>> from stable_baselines3 import A2C
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=6, n_stocks=2))
        >>> fit = ActorFit(A2C("MlpPolicy", env, seed=0), seed=0)
        >>> rows, wanted = np.ones((4, 11), np.float32), np.full((4, 2), 0.5, np.float32)
        >>> errors = [fit.epoch(rows, wanted) for _ in range(50)]
        >>> errors[-1] < errors[0]
        True
    """

    def __init__(self, agent: BaseAlgorithm, seed: int) -> None:
        actor = actor_of(agent)
        assert actor is not None
        self._actor, self._device = actor, agent.device
        self._policy: Any = agent.policy
        own = getattr(self._policy, "actor", None)
        trained: nn.Module = self._policy if own is None else own
        self._optimizer = torch.optim.Adam(trained.parameters(), lr=LEARNING_RATE)
        self._order = torch.Generator().manual_seed(seed)

    def epoch(self, observations: NDArray[Any], actions: NDArray[Any]) -> float:
        """Go through all rows once, in random order, and return the mean squared error.

        Args:
            observations: (n, n_observations) float32 as the policy sees them.
            actions: (n, n_actions) float32 in [-1, 1].
        """
        inputs = torch.as_tensor(observations, device=self._device)
        wanted = torch.as_tensor(actions, device=self._device)
        policy, squares = self._policy, 0.0
        policy.set_training_mode(True)
        for part in torch.split(torch.randperm(len(inputs), generator=self._order), BATCH):
            rows = part.to(self._device)
            loss = nn.functional.mse_loss(self._actor(inputs[rows]), wanted[rows])
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            squares += float(loss.detach()) * len(rows)
        policy.set_training_mode(False)
        if getattr(policy, "actor_target", None) is not None:
            policy.actor_target.load_state_dict(policy.actor.state_dict())
        return squares / len(inputs)

"""Policies that read ElegantRL's actors, or rebuild them with nothing but torch.

The layers are either those of an ElegantRL agent in training or, in a process without ElegantRL,
plain copies under the same names. What is computed from them is the code below in both cases,
so predictions are equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from torch import Tensor, nn
from torch.distributions.normal import Normal

LOG_STD_RANGE = (-16.0, 2.0)
"""Bounds on SAC's log standard deviation, as in ElegantRL's ``ActorSAC``."""


class ElegantRLPolicy(BasePolicy):
    """An ElegantRL actor as SB3 sees it: raw actions whose tanh spans the action space.

    Args:
        observation_space: A flat Box.
        action_space: A flat, bounded Box.
        actor: Layers named as in ElegantRL's actor of this kind.
        critic: ElegantRL's critic, where rollouts need state values; None for prediction alone.

    Example:
        >>> space, action = spaces.Box(-1.0, 1.0, (11,)), spaces.Box(-1.0, 1.0, (2,))
        >>> actor = ElegantRLPolicy.actor_layers([16], state_dim=11, action_dim=2)
        >>> ElegantRLPolicy(space, action, actor).predict(np.zeros((3, 11)))[0].shape
        (3, 2)
    """

    actor: Any
    """Layers whose names mypy cannot know."""

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        actor: nn.Module,
        critic: nn.Module | None = None,
    ) -> None:
        super().__init__(observation_space, action_space, squash_output=True)
        self.actor = actor
        self.critic = critic

    @staticmethod
    def actor_layers(net_dims: Sequence[int], state_dim: int, action_dim: int) -> nn.Module:
        """Return untrained layers named as in ElegantRL's actor."""
        return _Layers(state_dim, net=_mlp([state_dim, *net_dims, action_dim]))

    def mean_and_std(self, observation: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return mean and standard deviation of raw actions; None where there is no noise."""
        mean: Tensor = self.actor.net(self._normalized(observation))
        return mean, None

    def unscale_action(self, scaled_action: NDArray[Any]) -> NDArray[Any]:
        """Return (n, n_actions) actions of the environment for raw ones."""
        return self.to_action_space(torch.as_tensor(scaled_action).tanh().numpy())

    def env_actions(self, raw: Tensor) -> Tensor:
        """Return (n, n_actions) actions of the environment for raw ones, on their device."""
        space = self.action_space
        assert isinstance(space, spaces.Box)
        low, high = (torch.as_tensor(one, device=raw.device) for one in (space.low, space.high))
        return low + 0.5 * (raw.tanh() + 1.0) * (high - low)

    def to_action_space(self, squashed: NDArray[Any]) -> NDArray[Any]:
        """Return (n, n_actions) actions of the environment for actions in [-1, 1]."""
        return super().unscale_action(squashed)

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        mean, std = self.mean_and_std(observation)
        if deterministic or std is None:
            return mean
        gaussian: Any = Normal(mean, std)
        action: Tensor = gaussian.sample()
        return action

    def _normalized(self, observation: Tensor) -> Tensor:
        normalized: Tensor = (observation.float() - self.actor.state_avg) / self.actor.state_std
        return normalized


class DeterministicPolicy(ElegantRLPolicy):
    """The actor of DDPG and TD3; exploration adds its noise elsewhere.

    Example:
        >>> space, action = spaces.Box(-1.0, 1.0, (11,)), spaces.Box(-1.0, 1.0, (2,))
        >>> actor = DeterministicPolicy.actor_layers([16], state_dim=11, action_dim=2)
        >>> mean, std = DeterministicPolicy(space, action, actor).mean_and_std(torch.zeros(3, 11))
        >>> mean.shape, std
        (torch.Size([3, 2]), None)
    """


class GaussianPolicy(ElegantRLPolicy):
    """The actor of PPO and A2C: a standard deviation that does not depend on the state.

    Example:
        >>> space, action = spaces.Box(-1.0, 1.0, (11,)), spaces.Box(-1.0, 1.0, (2,))
        >>> actor = GaussianPolicy.actor_layers([16], state_dim=11, action_dim=2)
        >>> mean, std = GaussianPolicy(space, action, actor).mean_and_std(torch.zeros(3, 11))
        >>> mean.shape, std.tolist()
        (torch.Size([3, 2]), [[1.0, 1.0]])
    """

    @staticmethod
    def actor_layers(net_dims: Sequence[int], state_dim: int, action_dim: int) -> nn.Module:
        """Return untrained layers named as in ElegantRL's ``ActorPPO``."""
        layers = ElegantRLPolicy.actor_layers(net_dims, state_dim, action_dim)
        layers.action_std_log = nn.Parameter(torch.zeros((1, action_dim)))
        return layers

    def mean_and_std(self, observation: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return mean and standard deviation of raw actions."""
        mean, _ = super().mean_and_std(observation)
        return mean, self.actor.action_std_log.exp()

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return raw actions (n, n_actions), state values (n,) and log-probabilities (n,)."""
        mean, std = self.mean_and_std(observation)
        assert std is not None
        gaussian: Any = Normal(mean, std)
        actions = gaussian.sample()
        log_probs = gaussian.log_prob(actions).sum(1)
        return actions, self.predict_values(observation), log_probs

    def predict_values(self, observation: Tensor) -> Tensor:
        """Return (n,) state values."""
        assert self.critic is not None
        values: Tensor = self.critic(observation.float())
        return values


class SquashedGaussianPolicy(ElegantRLPolicy):
    """The actor of SAC: mean and standard deviation both depend on the state.

    Example:
        >>> space, action = spaces.Box(-1.0, 1.0, (11,)), spaces.Box(-1.0, 1.0, (2,))
        >>> actor = SquashedGaussianPolicy.actor_layers([16], state_dim=11, action_dim=2)
        >>> policy = SquashedGaussianPolicy(space, action, actor)
        >>> mean, std = policy.mean_and_std(torch.zeros(3, 11))
        >>> mean.shape, std.shape
        (torch.Size([3, 2]), torch.Size([3, 2]))
    """

    @staticmethod
    def actor_layers(net_dims: Sequence[int], state_dim: int, action_dim: int) -> nn.Module:
        """Return untrained layers named as in ElegantRL's ``ActorSAC``."""
        encoder = _mlp([state_dim, *net_dims])
        encoder.append(nn.ReLU())
        return _Layers(state_dim, net_s=encoder, net_a=_mlp([net_dims[-1], 2 * action_dim]))

    def mean_and_std(self, observation: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return mean and standard deviation of raw actions."""
        encoded = self.actor.net_s(self._normalized(observation))
        mean, log_std = self.actor.net_a(encoded).chunk(2, dim=1)
        return mean, log_std.clamp(*LOG_STD_RANGE).exp()


class _Layers(nn.Module):
    def __init__(self, state_dim: int, **networks: nn.Module) -> None:
        super().__init__()
        self.state_avg = nn.Parameter(torch.zeros(state_dim), requires_grad=False)
        self.state_std = nn.Parameter(torch.ones(state_dim), requires_grad=False)
        for name, network in networks.items():
            self.add_module(name, network)


def _mlp(sizes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def check_flat(observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
    """Refuse spaces that ElegantRL's networks do not take.

    Raises:
        ValueError: If one is not a Box of one dimension, or actions are unbounded.
    """
    for name, space in (("observations", observation_space), ("actions", action_space)):
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise ValueError(f"ElegantRL needs {name} in a Box of one dimension, got {space}")
    assert isinstance(action_space, spaces.Box)
    if not (np.isfinite(action_space.low).all() and np.isfinite(action_space.high).all()):
        raise ValueError(f"ElegantRL needs bounded actions, got {action_space}")

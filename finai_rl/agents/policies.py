"""Policies whose heads are shared across stocks, for features that hold one embedding per action.

They take any :class:`~finai_rl.agents.networks.StockEncoder` as features extractor. Actions are
permutation-equivariant and values permutation-invariant: the same network, applied to each
embedding, gives each action; values pool over embeddings (Deep Sets, Zaheer et al., 2017). The
networks are those that Stable-Baselines3 builds from ``net_arch`` for a single stock.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy, ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, MlpExtractor
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import Actor as TD3Actor
from stable_baselines3.td3.policies import TD3Policy
from torch import nn

from finai_rl.agents.networks import StockEncoder

ONE_ACTION = spaces.Box(-1.0, 1.0, (1,))


class PerToken(nn.Module):
    """Applies a network to each of the embeddings that a row holds one after the other.

    Args:
        network: (rows, d_model) to (rows, n_outputs).
        n_tokens: Embeddings in a row.

    Example:
        >>> PerToken(nn.Linear(4, 1), n_tokens=3)(torch.zeros(5, 3 * 4)).shape
        torch.Size([5, 3])
    """

    def __init__(self, network: nn.Module, n_tokens: int) -> None:
        super().__init__()
        self.network, self.n_tokens = network, n_tokens

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (batch, n_tokens * n_outputs) of (batch, n_tokens * d_model)."""
        outputs: torch.Tensor = self.network(rows.reshape(len(rows) * self.n_tokens, -1))
        return outputs.view(len(rows), -1)


class Pooled(nn.Module):
    """Applies a network's first layer to each embedding and the others to the mean of these.

    Args:
        layers: A multilayer perceptron from (rows, d_model), or (rows, d_model + 1) with actions.
        n_tokens: Embeddings in a row.
        d_model: Length of an embedding. What follows the embeddings in a row is one action each.

    Example:
        >>> layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        >>> Pooled(layers, n_tokens=3, d_model=4)(torch.zeros(5, 3 * 4)).shape
        torch.Size([5, 1])
    """

    def __init__(self, layers: nn.Sequential, n_tokens: int, d_model: int) -> None:
        super().__init__()
        self.n_tokens, self.d_model = n_tokens, d_model
        linear = [n for n, layer in enumerate(layers) if isinstance(layer, nn.Linear)]
        first = linear[0] + 2 if linear else 0
        self.each, self.all = layers[:first], layers[first:]

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (batch, n_outputs) of (batch, n_tokens * d_model [+ n_tokens])."""
        end = self.n_tokens * self.d_model
        embeddings, actions = rows[:, :end], rows[:, end:]
        tokens = embeddings.reshape(len(rows) * self.n_tokens, self.d_model)
        if actions.shape[1]:
            tokens = torch.cat([tokens, actions.reshape(-1, 1)], dim=1)
        pooled = self.each(tokens).view(len(rows), self.n_tokens, -1).mean(dim=1)
        values: torch.Tensor = self.all(pooled)
        return values


class SharedDiagGaussian(DiagGaussianDistribution):
    """Independent Gaussian actions, whose means one layer gives and whose deviation is one.

    Example:
        >>> means, log_std = SharedDiagGaussian(3).proba_distribution_net(latent_dim=4)
        >>> means(torch.zeros(5, 3 * 4)).shape, log_std.shape
        (torch.Size([5, 3]), torch.Size([1]))
    """

    def proba_distribution_net(
        self, latent_dim: int, log_std_init: float = 0.0
    ) -> tuple[nn.Module, nn.Parameter]:
        """Return the layer for the means, and the logarithm of the deviation."""
        means = PerToken(nn.Linear(latent_dim, 1), self.action_dim)
        return means, nn.Parameter(torch.full((1,), float(log_std_init)))


class SharedMlpExtractor(MlpExtractor):
    """``MlpExtractor`` of one embedding: the actor's for each of them, the critic's pooled.

    Example:
        >>> from finai_rl.agents.networks import PerStockExtractor
        >>> space = spaces.Box(-1.0, 1.0, (1 + 2 * 3,))  # Cash, closes and shares of three.
        >>> encoder = PerStockExtractor(space, n_stocks=3, d_model=8)
        >>> heads = SharedMlpExtractor(encoder, net_arch=[16], activation_fn=nn.ReLU)
        >>> actor, critic = heads(encoder(torch.zeros(5, 7)))
        >>> actor.shape, critic.shape  # Sixteen numbers of each stock, and of all together.
        (torch.Size([5, 48]), torch.Size([5, 16]))
    """

    def __init__(self, encoder: StockEncoder, **settings: Any) -> None:
        super().__init__(encoder.d_model, **settings)
        self.policy_net = PerToken(self.policy_net, encoder.n_tokens)  # type: ignore[assignment]
        self.value_net = Pooled(self.value_net, encoder.n_tokens, encoder.d_model)  # type: ignore[assignment]


class SharedActorCriticPolicy(ActorCriticPolicy):
    """The policy of A2C, PPO and TRPO with heads shared across stocks.

    Raises:
        ValueError: With ``use_sde``, whose noise is not shared.

    Example:
        >>> from stable_baselines3 import PPO
        >>> from finai_rl.agents.networks import PerStockExtractor
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=6, n_stocks=2))
        >>> network = {"features_extractor_class": PerStockExtractor}
        >>> network["features_extractor_kwargs"] = {"n_stocks": 2}
        >>> agent = PPO(SharedActorCriticPolicy, env, policy_kwargs=network)
        >>> agent.predict(env.reset())[0].shape
        (1, 2)
    """

    def _build(self, lr_schedule: Schedule) -> None:
        refuse_sde(self.use_sde)
        self.action_dist = SharedDiagGaussian(encoder_of(self.features_extractor).n_tokens)
        super()._build(lr_schedule)

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = SharedMlpExtractor(
            encoder_of(self.features_extractor),
            net_arch=self.net_arch,
            activation_fn=self.activation_fn,
            device=self.device,
        )


class SharedHeads:
    """Makes the actors and critics of an off-policy algorithm share their heads across stocks.

    Actor and critic are built for a single stock, with the library's own networks, and then
    applied to all. Comes before the library's policy among the bases of a class.

    Example:
        >>> from finai_rl.agents.networks import PerStockExtractor
        >>> space, actions = spaces.Box(-1.0, 1.0, (7,)), spaces.Box(-1.0, 1.0, (3,))
        >>> policy = SharedTD3Policy(
        ...     space, actions, lambda _: 1e-3, features_extractor_class=PerStockExtractor,
        ...     features_extractor_kwargs={"n_stocks": 3},
        ... )
        >>> type(policy.actor.mu).__name__, type(policy.critic.qf0).__name__
        ('PerToken', 'Pooled')
    """

    actor_layers: ClassVar[tuple[str, ...]] = ("latent_pi", "mu", "log_std")
    """The actor's networks, each from embeddings to one output per embedding."""

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Any:
        """Build an actor whose networks are applied to each embedding."""
        policy: Any = self
        refuse_sde(policy.actor_kwargs.get("use_sde", False))
        actor = self._for_one(super().make_actor, policy.actor_kwargs, features_extractor)  # type: ignore[misc]
        n_tokens = encoder_of(actor.features_extractor).n_tokens
        for name in self.actor_layers:
            setattr(actor, name, PerToken(getattr(actor, name), n_tokens))
        return actor.to(policy.device)

    def make_critic(self, features_extractor: BaseFeaturesExtractor | None = None) -> Any:
        """Build a critic whose networks pool over embeddings and actions."""
        policy: Any = self
        critic = self._for_one(super().make_critic, policy.critic_kwargs, features_extractor)  # type: ignore[misc]
        encoder = encoder_of(critic.features_extractor)
        for number, network in enumerate(critic.q_networks):
            critic.q_networks[number] = Pooled(network, encoder.n_tokens, encoder.d_model)
            setattr(critic, f"qf{number}", critic.q_networks[number])
        return critic.to(policy.device)

    def _for_one(
        self, make: Any, settings: dict[str, Any], features_extractor: BaseFeaturesExtractor | None
    ) -> Any:
        """Build a network as for one embedding and one action, and give it all of them back."""
        policy: Any = self
        extractor = features_extractor or policy.make_features_extractor()
        whole = extractor._features_dim
        extractor._features_dim = encoder_of(extractor).d_model
        action_space, settings["action_space"] = settings["action_space"], ONE_ACTION
        try:
            made = make(extractor)
        finally:
            settings["action_space"], extractor._features_dim = action_space, whole
        made.action_space = action_space
        return made


class SharedTD3Policy(SharedHeads, TD3Policy):
    """The policy of TD3 and DDPG with heads shared across stocks.

    Example:
        >>> from finai_rl.agents.networks import PerStockExtractor
        >>> space, actions = spaces.Box(-1.0, 1.0, (7,)), spaces.Box(-1.0, 1.0, (3,))
        >>> policy = SharedTD3Policy(
        ...     space, actions, lambda _: 1e-3, features_extractor_class=PerStockExtractor,
        ...     features_extractor_kwargs={"n_stocks": 3},
        ... )
        >>> policy.predict(space.sample())[0].shape
        (3,)
    """

    actor_layers = ("mu",)
    actor: TD3Actor
    critic: ContinuousCritic


class SharedSACPolicy(SharedHeads, SACPolicy):
    """The policy of SAC with heads shared across stocks.

    Example:
        >>> from finai_rl.agents.networks import PerStockExtractor
        >>> space, actions = spaces.Box(-1.0, 1.0, (7,)), spaces.Box(-1.0, 1.0, (3,))
        >>> policy = SharedSACPolicy(
        ...     space, actions, lambda _: 1e-3, features_extractor_class=PerStockExtractor,
        ...     features_extractor_kwargs={"n_stocks": 3},
        ... )
        >>> policy.predict(space.sample())[0].shape
        (3,)
    """


def encoder_of(extractor: nn.Module) -> StockEncoder:
    """Return a features extractor that gives one embedding per action.

    Raises:
        ValueError: If it is another one.
    """
    if not isinstance(extractor, StockEncoder):
        raise ValueError(
            f"heads shared across stocks need a StockEncoder, got {type(extractor).__name__}"
        )
    return extractor


def refuse_sde(use_sde: bool) -> None:
    """Refuse state-dependent exploration, whose noise is drawn for all stocks together."""
    if use_sde:
        raise ValueError("use_sde=true does not go with heads shared across stocks")

"""ElegantRL's TD3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from stable_baselines3.common.type_aliases import GymEnv

from finai_rl.agents.elegantrl.off_policy import ElegantRLOffPolicy


class ElegantRLTD3(ElegantRLOffPolicy):
    """Twin delayed DDPG (Fujimoto et al., 2018) by ElegantRL 0.3.6's ``AgentTD3``.

    Differences from SB3's TD3: the twin critics share their hidden layers; AdamW with a weight
    decay of 0.01; a smooth L1 critic loss; the actor climbs the mean of the target critics;
    target critics follow at every update; gradients are clipped; exploration noise is its own
    setting. Time limits are told from terminations, and the replay buffer is normalized at
    sampling, as in SB3.

    Logged: ``train/critic_loss`` (the sum of both smooth L1 losses), ``train/actor_loss`` (the
    negative mean Q value).

    Args:
        env: The vectorized environment to learn in; None only inside `load`.
        learning_rate: Of both networks.
        buffer_size: Transitions in the replay buffer, all environments together.
        learning_starts: Random steps, over all environments, before the first update.
        batch_size: Transitions per update.
        tau: Weight of the network in each update of its target.
        gamma: Discount factor.
        train_freq: Steps of every environment between trainings, or ``(1, "episode")``.
        gradient_steps: Updates per training; -1 for as many as transitions were collected.
        action_noise_std: Standard deviation of exploration noise, of actions in [-1, 1], clipped at
            0.5 (ElegantRL: 0.05).
        target_policy_noise: Standard deviation of the noise on target actions, clipped at 0.5
            (ElegantRL: 0.1).
        policy_delay: Critic updates per actor update. ElegantRL counts anew at each training, so
            ``gradient_steps`` must be a multiple.
        max_grad_norm: Bound on the gradient's norm, per network (ElegantRL's; SB3 has none).
        net_dims: Hidden layers of actor and critic, separate networks.
        device: ``cpu``, ``cuda`` or ``auto``.
        seed: Of Python, NumPy, torch, the environment and the action space; None for none.
        verbose: 0 for nothing, 1 for SB3's messages.
        _init_setup_model: Whether to build the networks at once.

    Raises:
        InputError: If ElegantRL 0.3.6 is not installed.
        ValueError: If a space or a hyperparameter cannot be used.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=20, n_stocks=2))
        >>> agent = ElegantRLTD3(env, buffer_size=100, learning_starts=8, net_dims=[16], seed=0)
        >>> agent.learn(12).num_timesteps, agent.predict(env.reset())[0].shape
        (12, (1, 2))
    """

    elegantrl_class = "AgentTD3"

    def __init__(
        self,
        env: GymEnv | None,
        learning_rate: float = 1e-3,
        buffer_size: int = 1_000_000,
        learning_starts: int = 100,
        batch_size: int = 256,
        tau: float = 0.005,
        gamma: float = 0.99,
        train_freq: int | tuple[int, str] = 1,
        gradient_steps: int = 2,
        action_noise_std: float = 0.1,
        target_policy_noise: float = 0.2,
        policy_delay: int = 2,
        max_grad_norm: float = 3.0,
        net_dims: Sequence[int] = (400, 300),
        device: torch.device | str = "auto",
        seed: int | None = None,
        verbose: int = 0,
        _init_setup_model: bool = True,
    ) -> None:
        self.action_noise_std = action_noise_std
        self.target_policy_noise = target_policy_noise
        self.policy_delay = policy_delay
        self._start(
            env,
            learning_rate=learning_rate,
            buffer_size=buffer_size,
            learning_starts=learning_starts,
            batch_size=batch_size,
            tau=tau,
            gamma=gamma,
            train_freq=train_freq,
            gradient_steps=gradient_steps,
            max_grad_norm=max_grad_norm,
            net_dims=net_dims,
            device=device,
            seed=seed,
            verbose=verbose,
            _init_setup_model=_init_setup_model,
        )

    def elegantrl_settings(self) -> dict[str, Any]:
        """Return this agent's hyperparameters in ElegantRL's names."""
        for name in ("action_noise_std", "target_policy_noise"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: must not be negative, got {getattr(self, name)}")
        own = {
            "explore_noise_std": self.action_noise_std,
            "policy_noise_std": self.target_policy_noise,
            "update_freq": self.policy_delay,
        }
        return super().elegantrl_settings() | own

    def _setup_model(self) -> None:
        super()._setup_model()
        steps = self.gradient_steps
        steps = self.train_freq.frequency * self.n_envs if steps < 0 else steps  # type: ignore[union-attr]
        if self.policy_delay < 1 or steps % self.policy_delay:
            raise ValueError(
                f"policy_delay: must be at least 1 and divide the {steps} gradient steps of a "
                f"training, got {self.policy_delay}; ElegantRL counts the delay anew at each"
            )

    def _log(self, gradient_steps: int, critic_loss: float, objective: float) -> None:
        # ElegantRL divides the sum over the actor's updates by the number of the critic's.
        super()._log(gradient_steps, critic_loss, objective * self.policy_delay)

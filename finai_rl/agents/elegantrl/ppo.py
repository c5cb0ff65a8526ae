"""ElegantRL's PPO."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from stable_baselines3.common.type_aliases import GymEnv

from finai_rl.agents.elegantrl.on_policy import ElegantRLOnPolicy


class ElegantRLPPO(ElegantRLOnPolicy):
    """Proximal policy optimization (Schulman et al., 2017) by ElegantRL 0.3.6's ``AgentPPO``.

    Differences from SB3's PPO: actions are the tanh of a Gaussian (SB3 clips one); AdamW with a
    weight decay of 0.01; a smooth L1 value loss with an optimizer of its own, so no ``vf_coef``;
    ReLU networks; advantages divided by the standard deviation of each environment; minibatches
    drawn with replacement, from all but the last step of a rollout. At a time limit the value of
    the last state is added to the reward, as in SB3.

    Logged: ``train/value_loss`` (smooth L1), ``train/policy_gradient_loss`` (the negative clipped
    surrogate, minus the entropy bonus if there is one), ``train/std`` (of actions before the
    tanh), and ``train/n_updates`` in epochs, as SB3 counts them.

    Args:
        env: The vectorized environment to learn in; None only inside `load`.
        learning_rate: Of both networks.
        n_steps: Steps per environment and rollout, at least 2.
        batch_size: Transitions per minibatch, at most a rollout's.
        n_epochs: Passes over a rollout: ``ceil(n_steps * n_envs / batch_size)`` minibatches each.
        gamma: Discount factor.
        gae_lambda: Weight of generalized advantage estimation.
        clip_range: Bound on the change of the probability ratio (ElegantRL: 0.25).
        ent_coef: Weight of the entropy bonus (ElegantRL: 0.01).
        max_grad_norm: Bound on the gradient's norm, per network (ElegantRL: 3).
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
        >>> env = StockTradingVecEnv(synthetic_market(n_days=20, n_stocks=2), n_envs=4)
        >>> agent = ElegantRLPPO(env, n_steps=8, batch_size=16, n_epochs=2, seed=0).learn(32)
        >>> agent.num_timesteps, agent.predict(env.reset())[0].shape
        (32, (4, 2))
    """

    elegantrl_class = "AgentPPO"
    policy_loss_key = "train/policy_gradient_loss"

    def __init__(
        self,
        env: GymEnv | None,
        learning_rate: float = 3e-4,
        n_steps: int = 2048,
        batch_size: int = 64,
        n_epochs: int = 10,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        clip_range: float = 0.2,
        ent_coef: float = 0.0,
        max_grad_norm: float = 0.5,
        net_dims: Sequence[int] = (64, 64),
        device: torch.device | str = "auto",
        seed: int | None = None,
        verbose: int = 0,
        _init_setup_model: bool = True,
    ) -> None:
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.clip_range = clip_range
        self._start(
            env,
            learning_rate=learning_rate,
            n_steps=n_steps,
            gamma=gamma,
            gae_lambda=gae_lambda,
            ent_coef=ent_coef,
            max_grad_norm=max_grad_norm,
            net_dims=net_dims,
            device=device,
            seed=seed,
            verbose=verbose,
            _init_setup_model=_init_setup_model,
        )

    def _setup_model(self) -> None:
        rollout = self.n_steps * self.n_envs
        if not 1 <= self.batch_size <= rollout:
            raise ValueError(
                f"batch_size: must be from 1 to the {rollout} transitions of a rollout, "
                f"got {self.batch_size}"
            )
        if self.n_epochs < 1:
            raise ValueError(f"n_epochs: must be at least 1, got {self.n_epochs}")
        super()._setup_model()

    def transitions_per_update(self) -> int:
        """Return the size of a minibatch."""
        return self.batch_size

    def updates_per_rollout(self) -> int:
        """Return the minibatches of all epochs."""
        return self.n_epochs * math.ceil(self.n_steps * self.n_envs / self.batch_size)

    def elegantrl_settings(self) -> dict[str, Any]:
        """Return this agent's hyperparameters in ElegantRL's names."""
        own = {"ratio_clip": self.clip_range, "lambda_entropy": self.ent_coef}
        return super().elegantrl_settings() | own

    def _epochs(self) -> int:
        return self.n_epochs

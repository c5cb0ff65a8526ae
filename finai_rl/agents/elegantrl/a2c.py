"""ElegantRL's A2C."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from stable_baselines3.common.type_aliases import GymEnv

from finai_rl.agents.elegantrl.on_policy import ElegantRLOnPolicy


class ElegantRLA2C(ElegantRLOnPolicy):
    """Advantage actor-critic (Mnih et al., 2016) by ElegantRL 0.3.6's ``AgentA2C``.

    One update per rollout, on as many transitions as it has: more of them, which ElegantRL's
    defaults ask for, reuse data without a correction and diverge. Differences from SB3's A2C are
    those of `ElegantRLPPO`, AdamW in place of RMSProp, and that there is no entropy bonus and
    that advantages are always normalized.

    Logged: ``train/value_loss`` (smooth L1), ``train/policy_loss`` (the negative mean of advantage
    times log-probability), ``train/std`` (of actions before the tanh).

    Args:
        env: The vectorized environment to learn in; None only inside `load`.
        learning_rate: Of both networks.
        n_steps: Steps per environment and rollout, at least 2; the last one is not learned from.
        gamma: Discount factor.
        gae_lambda: Weight of generalized advantage estimation.
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
        >>> agent = ElegantRLA2C(env, n_steps=8, seed=0).learn(32)
        >>> agent.num_timesteps, agent.predict(env.reset())[0].shape
        (32, (4, 2))
    """

    elegantrl_class = "AgentA2C"
    policy_loss_key = "train/policy_loss"

    def __init__(
        self,
        env: GymEnv | None,
        learning_rate: float = 7e-4,
        n_steps: int = 8,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        max_grad_norm: float = 0.5,
        net_dims: Sequence[int] = (64, 64),
        device: torch.device | str = "auto",
        seed: int | None = None,
        verbose: int = 0,
        _init_setup_model: bool = True,
    ) -> None:
        self._start(
            env,
            learning_rate=learning_rate,
            n_steps=n_steps,
            gamma=gamma,
            gae_lambda=gae_lambda,
            ent_coef=0.0,
            max_grad_norm=max_grad_norm,
            net_dims=net_dims,
            device=device,
            seed=seed,
            verbose=verbose,
            _init_setup_model=_init_setup_model,
        )

    def transitions_per_update(self) -> int:
        """Return the transitions of a rollout."""
        return self.n_steps * self.n_envs

    def updates_per_rollout(self) -> int:
        """Return one."""
        return 1

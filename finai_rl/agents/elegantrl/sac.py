"""ElegantRL's SAC."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.utils import update_learning_rate

from finai_rl.agents.elegantrl.off_policy import ElegantRLOffPolicy
from finai_rl.agents.elegantrl.policy import ElegantRLPolicy, SquashedGaussianPolicy

ALPHA_LEARNING_RATE = 4
"""ElegantRL learns the entropy coefficient this many times faster than the networks."""
LOG_PROB_EXCESS = 0.5
"""Per action: ElegantRL's log-probability takes the mean of a Gaussian for the sampled action."""


class ElegantRLSAC(ElegantRLOffPolicy):
    """Soft actor-critic (Haarnoja et al., 2018) by ElegantRL 0.3.6's ``AgentSAC``.

    Differences from SB3's SAC: the twin critics share their hidden layers, and the actor climbs
    the mean of the target critics (SB3: the smaller of the current ones); AdamW with a weight
    decay of 0.01; a smooth L1 critic loss; gradients are clipped; the entropy coefficient learns
    four times faster and stays in [1e-7, 7.4]. ElegantRL's log-probabilities are too high by 0.5
    per action, which the target entropy given to it makes up for. Time limits are told from
    terminations, and the replay buffer is normalized at sampling, as in SB3.

    Logged: ``train/critic_loss`` (the sum of both smooth L1 losses), ``train/actor_loss`` (the
    negative of Q value minus weighted log-probability), ``train/ent_coef``.

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
        ent_coef: Entropy coefficient: a positive number, ``auto`` to learn it from ElegantRL's
            start of 0.37, or ``auto_0.1`` to learn it from 0.1.
        target_entropy: Entropy that the coefficient is learned for, ``auto`` for minus the number
            of actions, in SB3's sign.
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
        >>> agent = ElegantRLSAC(env, buffer_size=100, learning_starts=8, net_dims=[16], seed=0)
        >>> agent.learn(12).num_timesteps, agent.predict(env.reset())[0].shape
        (12, (1, 2))
    """

    elegantrl_class = "AgentSAC"
    network_policy: ClassVar[type[ElegantRLPolicy]] = SquashedGaussianPolicy

    def __init__(
        self,
        env: GymEnv | None,
        learning_rate: float = 3e-4,
        buffer_size: int = 1_000_000,
        learning_starts: int = 100,
        batch_size: int = 256,
        tau: float = 0.005,
        gamma: float = 0.99,
        train_freq: int | tuple[int, str] = 1,
        gradient_steps: int = 1,
        ent_coef: str | float = "auto",
        target_entropy: str | float = "auto",
        max_grad_norm: float = 3.0,
        net_dims: Sequence[int] = (256, 256),
        device: torch.device | str = "auto",
        seed: int | None = None,
        verbose: int = 0,
        _init_setup_model: bool = True,
    ) -> None:
        self.ent_coef = ent_coef
        self.target_entropy = target_entropy
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
        n_actions = self._dimensions()["action_dim"]
        entropy = -float(n_actions)
        if self.target_entropy != "auto":
            entropy = _number("target_entropy", self.target_entropy)
        # Its sign is that of a log-probability.
        log_prob = LOG_PROB_EXCESS * n_actions - entropy
        return super().elegantrl_settings() | {"target_entropy": log_prob}

    def _setup_model(self) -> None:
        start = str(self.ent_coef).removeprefix("auto").removeprefix("_")
        coefficient = _number("ent_coef", start) if start else None
        if coefficient is not None and coefficient <= 0:
            raise ValueError(f"ent_coef: must be positive, got {self.ent_coef}")
        super()._setup_model()
        if coefficient is not None:
            with torch.no_grad():
                self.elegantrl_agent.alpha_log.fill_(math.log(coefficient))

    def _set_learning_rates(self) -> None:
        super()._set_learning_rates()
        learned = str(self.ent_coef).startswith("auto")
        rate = ALPHA_LEARNING_RATE * self.learning_rate if learned else 0.0  # type: ignore[operator]
        update_learning_rate(self.elegantrl_agent.alpha_optimizer, rate)

    def _log(self, gradient_steps: int, *outcome: float) -> None:
        critic_loss, objective, ent_coef = outcome
        super()._log(gradient_steps, critic_loss, objective)
        self.logger.record("train/ent_coef", ent_coef)


def _number(name: str, value: str | float) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{name}: must be a number or auto, got {value}") from None

"""What DDPG, TD3 and SAC share: ElegantRL's networks and updates in SB3's rollouts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv, TrainFreq, TrainFrequencyUnit

from finai_rl.agents.elegantrl.algorithm import ElegantRLAlgorithm
from finai_rl.agents.elegantrl.library import gpu_id
from finai_rl.agents.elegantrl.policy import (
    DeterministicPolicy,
    ElegantRLPolicy,
)


class ElegantRLOffPolicy(ElegantRLAlgorithm, OffPolicyAlgorithm):
    """What DDPG, TD3 and SAC share.

    Example:
        >>> from finai_rl.agents.elegantrl import ElegantRLDDPG
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=20, n_stocks=2))
        >>> agent = ElegantRLDDPG(env, buffer_size=100, learning_starts=8, net_dims=[16], seed=0)
        >>> isinstance(agent, ElegantRLOffPolicy), agent.learn(12).replay_buffer.cur_size
        (True, 12)
    """

    network_policy: ClassVar[type[ElegantRLPolicy]] = DeterministicPolicy

    def _start(
        self,
        env: GymEnv | None,
        *,
        learning_rate: float,
        buffer_size: int,
        learning_starts: int,
        batch_size: int,
        tau: float,
        gamma: float,
        train_freq: int | tuple[int, str],
        gradient_steps: int,
        max_grad_norm: float,
        net_dims: Sequence[int],
        device: torch.device | str,
        seed: int | None,
        verbose: int,
        _init_setup_model: bool,
    ) -> None:
        self.net_dims = list(net_dims)
        self.max_grad_norm = max_grad_norm
        OffPolicyAlgorithm.__init__(
            self,
            self.network_policy,
            env,  # type: ignore[arg-type]
            learning_rate=learning_rate,
            buffer_size=buffer_size,
            learning_starts=learning_starts,
            batch_size=batch_size,
            tau=tau,
            gamma=gamma,
            train_freq=train_freq,
            gradient_steps=gradient_steps,
            device=device,
            seed=seed,
            verbose=verbose,
            support_multi_env=True,
            sde_support=False,
            supported_action_spaces=(spaces.Box,),
        )
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        if self.buffer_size < self.n_envs:
            raise ValueError(
                f"buffer_size: {self.buffer_size} transitions are less than one of each of "
                f"{self.n_envs} environments"
            )
        super()._setup_model()
        frequency: Any = self.train_freq
        self.train_freq = tuple(frequency) if isinstance(frequency, list) else frequency
        self._convert_train_freq()
        from finai_rl.agents.elegantrl.replay_buffer import ReplayBuffer

        # ElegantRL counts rows, each of which holds a transition of every environment.
        self.replay_buffer = ReplayBuffer(
            self.buffer_size // self.n_envs,
            **self._dimensions(),
            n_envs=self.n_envs,
            gpu_id=gpu_id(self.device),
        )

    def elegantrl_settings(self) -> dict[str, Any]:
        """Return this agent's hyperparameters in ElegantRL's names."""
        return {
            "gamma": self.gamma,
            "soft_update_tau": self.tau,
            "clip_grad_norm": self.max_grad_norm,
            "batch_size": self.batch_size,
        }

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return actions of the environment and the same in [-1, 1]: random ones, then the actor's.

        Exploration is ElegantRL's own, noise included.
        """
        policy = self.policy
        assert isinstance(policy, ElegantRLPolicy)
        if self.num_timesteps < learning_starts:
            squashed = policy.scale_action(
                np.array([self.action_space.sample() for _ in range(n_envs)])
            )
        else:
            states = self._tensor(self._last_obs)
            with torch.no_grad():
                squashed = self.elegantrl_agent.act.get_action(states).cpu().numpy()
        return policy.to_action_space(squashed), squashed

    def train(self, gradient_steps: int, batch_size: int) -> None:
        """Update the networks from the replay buffer, by ElegantRL's own code.

        Args:
            gradient_steps: Number of updates.
            batch_size: Transitions per update.
        """
        agent, buffer = self.elegantrl_agent, self.replay_buffer
        buffer.vec_normalize = self._vec_normalize_env  # type: ignore[union-attr]
        agent.last_state = self._tensor(self._last_obs)
        agent.batch_size = batch_size
        # ElegantRL updates int(added_rows * repeat_times) times, and one row is added at a time.
        agent.repeat_times = gradient_steps + 0.5
        self._set_learning_rates()
        self.policy.set_training_mode(True)
        # Rollouts are free of gradients by SB3's own guard; ElegantRL expects the caller's here.
        with torch.enable_grad():
            outcome = agent.update_net(buffer)
        self._n_updates += gradient_steps
        self._log(gradient_steps, *outcome)

    def _log(self, gradient_steps: int, critic_loss: float, objective: float) -> None:
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/critic_loss", critic_loss)
        self.logger.record("train/actor_loss", -objective)

    def _hyperparameter(self, name: str) -> Any:
        value = super()._hyperparameter(name)
        if not isinstance(value, TrainFreq):
            return value
        by_step = value.unit is TrainFrequencyUnit.STEP
        return value.frequency if by_step else [value.frequency, value.unit.value]

    def save_replay_buffer(self, path: str | Path | io.BufferedIOBase) -> None:
        """Write the replay buffer as plain tensors."""
        self._in_training()
        self.replay_buffer.save(path)  # type: ignore[union-attr]

    def load_replay_buffer(
        self, path: str | Path | io.BufferedIOBase, truncate_last_traj: bool = True
    ) -> None:
        """Read a replay buffer.

        Args:
            path: What `save_replay_buffer` wrote.
            truncate_last_traj: Of no effect: a next state is never read from the row that follows.

        Raises:
            ValueError: If it does not fit into this agent's buffer.
        """
        self._in_training()
        self.replay_buffer.load(path)  # type: ignore[union-attr]

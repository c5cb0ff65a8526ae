"""What PPO and A2C share: ElegantRL's networks and updates in SB3's rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.utils import explained_variance

from finai_rl.agents.elegantrl.algorithm import ElegantRLAlgorithm
from finai_rl.agents.elegantrl.policy import ElegantRLPolicy, GaussianPolicy


class ElegantRLOnPolicy(ElegantRLAlgorithm, OnPolicyAlgorithm):
    """What PPO and A2C share.

    Example:
        >>> from finai_rl.agents.elegantrl import ElegantRLPPO
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=20, n_stocks=2), n_envs=4)
        >>> agent = ElegantRLPPO(env, n_steps=8, batch_size=16, n_epochs=5)
        >>> isinstance(agent, ElegantRLOnPolicy), agent.updates_per_rollout()
        (True, 10)
    """

    network_policy: ClassVar[type[ElegantRLPolicy]] = GaussianPolicy
    policy_loss_key: ClassVar[str]

    def _start(
        self,
        env: GymEnv | None,
        *,
        learning_rate: float,
        n_steps: int,
        gamma: float,
        gae_lambda: float,
        ent_coef: float,
        max_grad_norm: float,
        net_dims: Sequence[int],
        device: torch.device | str,
        seed: int | None,
        verbose: int,
        _init_setup_model: bool,
    ) -> None:
        self.net_dims = list(net_dims)
        OnPolicyAlgorithm.__init__(
            self,
            self.network_policy,  # type: ignore[arg-type]
            env,  # type: ignore[arg-type]
            learning_rate=learning_rate,
            n_steps=n_steps,
            gamma=gamma,
            gae_lambda=gae_lambda,
            ent_coef=ent_coef,
            vf_coef=1.0,
            max_grad_norm=max_grad_norm,
            use_sde=False,
            sde_sample_freq=-1,
            device=device,
            seed=seed,
            verbose=verbose,
            supported_action_spaces=(spaces.Box,),
            _init_setup_model=_init_setup_model,
        )

    def _setup_model(self) -> None:
        if self.n_steps < 2:
            raise ValueError(
                "n_steps: must be at least 2, since ElegantRL does not learn from the last step of "
                f"a rollout; got {self.n_steps}"
            )
        super()._setup_model()
        self.rollout_buffer = RolloutBuffer(
            self.n_steps,
            self.observation_space,
            self.action_space,
            device=self.device,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            n_envs=self.n_envs,
        )

    def updates_per_rollout(self) -> int:
        """Return how many minibatches an update of the networks goes through."""
        raise NotImplementedError

    def transitions_per_update(self) -> int:
        """Return the size of a minibatch."""
        raise NotImplementedError

    def elegantrl_settings(self) -> dict[str, Any]:
        """Return this agent's hyperparameters in ElegantRL's names."""
        batch_size = self.transitions_per_update()
        # ElegantRL updates int(n_steps * repeat_times / batch_size) times, whatever the number of
        # environments; the half keeps the truncation from losing an update to rounding.
        repeat_times = (self.updates_per_rollout() + 0.5) * batch_size / self.n_steps
        return {
            "gamma": self.gamma,
            "lambda_gae_adv": self.gae_lambda,
            "clip_grad_norm": self.max_grad_norm,
            "batch_size": batch_size,
            "repeat_times": repeat_times,
        }

    def train(self) -> None:
        """Update the networks from SB3's rollout buffer, by ElegantRL's own code."""
        agent, rollout = self.elegantrl_agent, self.rollout_buffer
        assert self._last_episode_starts is not None
        ended = np.concatenate([rollout.episode_starts[1:], self._last_episode_starts[np.newaxis]])
        items = (
            rollout.observations,
            rollout.actions,
            rollout.log_probs,
            # SB3 has added the discounted value of the last state where a time limit struck.
            rollout.rewards,
            1 - ended,
        )
        agent.last_state = self._tensor(self._last_obs)  # type: ignore[arg-type]
        self._set_learning_rates()
        self.policy.set_training_mode(True)
        # Rollouts are free of gradients by SB3's own guard; ElegantRL expects the caller's here.
        with torch.enable_grad():
            value_loss, objective, _ = agent.update_net([self._tensor(item) for item in items])
        self._n_updates += self._epochs()
        self.logger.record("train/value_loss", value_loss)
        self.logger.record(self.policy_loss_key, -objective)
        self.logger.record("train/std", agent.act.action_std_log.detach().exp().mean().item())
        explained = explained_variance(rollout.values.flatten(), rollout.returns.flatten())
        self.logger.record("train/explained_variance", explained)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    def _epochs(self) -> int:
        return 1

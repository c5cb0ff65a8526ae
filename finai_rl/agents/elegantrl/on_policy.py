"""What PPO and A2C share: ElegantRL's networks and updates in SB3's rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from finai_rl.agents.elegantrl.algorithm import ElegantRLAlgorithm
from finai_rl.agents.elegantrl.device_rollout import DeviceSteps, TensorRollout, tensor_env
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

    rollout_buffer: Any
    """SB3's `RolloutBuffer`, or a `TensorRollout` where the environment is on tensors."""

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
        self.rollout_buffer = self._new_buffer()

    def _new_buffer(self) -> RolloutBuffer:
        return RolloutBuffer(
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

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Collect a rollout, on the device where the environment is on it; else as SB3 does."""
        inner = tensor_env(env)
        if inner is None:
            if isinstance(self.rollout_buffer, TensorRollout):
                self.rollout_buffer = self._new_buffer()
            return super().collect_rollouts(env, callback, self.rollout_buffer, n_rollout_steps)
        steps = DeviceSteps(env, inner)
        try:
            return self._collect(steps, callback, n_rollout_steps)
        finally:
            steps.write_back()

    def _collect(self, steps: DeviceSteps, callback: BaseCallback, n_steps: int) -> bool:
        policy: Any = self.policy
        policy.set_training_mode(False)
        seen = self._tensor(self._last_obs)
        starts = self._tensor(self._last_episode_starts)
        rollout = self.rollout_buffer
        if not isinstance(rollout, TensorRollout):
            actions = seen.new_zeros((self.n_envs, *(self.action_space.shape or ())))
            self.rollout_buffer = rollout = TensorRollout(n_steps, seen, actions)
        callback.on_rollout_start()
        none_done = np.zeros(self.n_envs, dtype=bool)
        for step in range(n_steps):
            with torch.no_grad():
                actions, values, log_probs = policy(seen)
                after, rewards, done, ended = steps.step(policy.env_actions(actions))
            # SB3's callbacks count these with NumPy.
            dones = none_done if ended is None else done.cpu().numpy()
            infos = [] if ended is None else ended.infos
            self.num_timesteps += self.n_envs
            callback.update_locals(locals())
            if not callback.on_step():
                self._last_obs, self._last_episode_starts = _on_host(after, done)
                return False
            if ended is not None:
                self._update_info_buffer(infos)
                rewards = self._with_last_values(steps, rewards, ended)
            rollout.add(step, seen, actions, rewards, starts, values, log_probs)
            seen, starts = after, done.float()
        with torch.no_grad():
            last_values = policy.predict_values(seen)
        rollout.compute_returns(last_values, done, self.gamma, self.gae_lambda)
        self._last_obs, self._last_episode_starts = _on_host(seen, done)
        steps.write_back()
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _with_last_values(self, steps: DeviceSteps, rewards: Tensor, ended: Any) -> Tensor:
        """Add the discounted value of the last state where a time limit struck, as SB3 does."""
        policy: Any = self.policy
        with torch.no_grad():
            further = self.gamma * policy.predict_values(steps.last(ended))
        further = torch.where(ended.truncated, further, 0.0)
        return rewards.index_add(0, ended.envs, further)

    def train(self) -> None:
        """Update the networks from the rollout buffer, by ElegantRL's own code."""
        agent: Any = self.elegantrl_agent
        rollout = self.rollout_buffer
        assert self._last_episode_starts is not None
        ended = self._tensor(rollout.episode_starts).roll(-1, dims=0)
        ended[-1] = self._tensor(self._last_episode_starts)
        items = (
            rollout.observations,
            rollout.actions,
            rollout.log_probs,
            # SB3 has added the discounted value of the last state where a time limit struck.
            rollout.rewards,
            1.0 - ended,
        )
        agent.last_state = self._tensor(self._last_obs)
        self._set_learning_rates()
        self.policy.set_training_mode(True)
        # Rollouts are free of gradients by SB3's own guard; ElegantRL expects the caller's here.
        with torch.enable_grad():
            value_loss, objective, _ = agent.update_net([self._tensor(item) for item in items])
        self._n_updates += self._epochs()
        self.logger.record("train/value_loss", value_loss)
        self.logger.record(self.policy_loss_key, -objective)
        self.logger.record("train/std", agent.act.action_std_log.detach().exp().mean().item())
        values, returns = (
            one.cpu().numpy() if isinstance(one, Tensor) else one
            for one in (rollout.values, rollout.returns)
        )
        explained = explained_variance(values.flatten(), returns.flatten())
        self.logger.record("train/explained_variance", explained)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    def _epochs(self) -> int:
        return 1


def _on_host(observations: Tensor, dones: Tensor) -> tuple[NDArray[Any], NDArray[Any]]:
    return observations.cpu().numpy(), dones.cpu().numpy()

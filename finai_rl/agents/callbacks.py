"""What happens while an agent learns: account statistics, checkpoints, a stop after episodes."""

from __future__ import annotations

import inspect
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm


class AccountStatistics(BaseCallback):
    """Logs the mean over finished episodes of what the environment says of its accounts.

    Every number under ``account`` in the info at an episode's end becomes ``account/<name>``.
    """

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            for name, value in info.get("account", {}).items():
                self.logger.record_mean(f"account/{name}", value)
        return True


class StopAfterEpisodes(BaseCallback):
    """Stops learning once so many episodes have ended, counted over all environments.

    Args:
        n_episodes: Number of episodes.
    """

    def __init__(self, n_episodes: int) -> None:
        super().__init__()
        self.n_episodes = n_episodes
        self.ended = 0

    def _on_step(self) -> bool:
        self.ended += int(self.locals["dones"].sum())
        return self.ended < self.n_episodes


def training_callbacks(
    agent: BaseAlgorithm, folder: Path, *, checkpoint_every: int | None, total_episodes: int | None
) -> list[BaseCallback]:
    """Return the callbacks of a training run.

    Args:
        agent: The agent about to learn.
        folder: Where checkpoints go, as ``model_<steps>_steps.zip``.
        checkpoint_every: Environment steps between checkpoints; None for no checkpoints.
        total_episodes: Episodes after which to stop; None for no such stop.
    """
    callbacks: list[BaseCallback] = [AccountStatistics()]
    if checkpoint_every is not None:
        calls = max(checkpoint_every // agent.n_envs, 1)
        callbacks.append(
            CheckpointCallback(calls, str(folder), name_prefix="model", save_vecnormalize=True)
        )
    if total_episodes is not None:
        callbacks.append(StopAfterEpisodes(total_episodes))
    return callbacks


def default_log_interval(agent: BaseAlgorithm) -> int:
    """Return how often an agent logs by default, in SB3's unit for its kind.

    That is the default of the agent's own ``learn``; off-policy agents count episodes, and since
    batched episodes end together, they log once a batch.
    """
    own: int = inspect.signature(type(agent).learn).parameters["log_interval"].default
    return max(own, agent.n_envs) if isinstance(agent, OffPolicyAlgorithm) else own

"""What happens while an agent learns: account statistics and checkpoints."""

from __future__ import annotations

from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from finai_rl.agents.model_file import make_reproducible
from finai_rl.agents.whole_file import written_whole


class AccountStatistics(BaseCallback):
    """Logs the mean over finished episodes of what the environment says of its accounts.

    Every number under ``account`` in the info at an episode's end becomes ``account/<name>``.

    Example:
        >>> from stable_baselines3 import A2C
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=6, n_stocks=2))
        >>> agent = A2C("MlpPolicy", env, n_steps=5).learn(5, AccountStatistics(), log_interval=10)
        >>> [name for name in sorted(agent.logger.name_to_value) if name.startswith("account")]
        ['account/account_value', 'account/cost', 'account/trades', 'account/turnover']
    """

    def _on_step(self) -> bool:
        # ARS steps its environments without saying what came back.
        for info in self.locals.get("infos", ()):
            for name, value in info.get("account", {}).items():
                self.logger.record_mean(f"account/{name}", value)
        return True


class ModelCheckpoint(CheckpointCallback):
    """SB3's `CheckpointCallback` under the suffix of the agent's own file format.

    A file is there whole or not at all. Replay buffers are not saved.
    Equal agents are equal files, see `finai_rl.agents.model_file`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from stable_baselines3 import A2C
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=6, n_stocks=2))
        >>> with TemporaryDirectory() as folder:
        ...     agent = A2C("MlpPolicy", env).learn(10, ModelCheckpoint(5, folder))
        ...     sorted(file.name for file in Path(folder).iterdir())
        ['rl_model_10_steps.zip', 'rl_model_5_steps.zip']
    """

    def _on_step(self) -> bool:
        # Not by its calls, which it would have to count on from where a training goes on.
        if self.num_timesteps // self.model.n_envs % self.save_freq == 0:
            suffix = model_suffix(self.model).removeprefix(".")
            with written_whole(Path(self._checkpoint_path(extension=suffix))) as beside:
                self.model.save(beside)
                make_reproducible(beside)
            statistics = self.model.get_vec_normalize_env()
            if self.save_vecnormalize and statistics is not None:
                path = self._checkpoint_path("vecnormalize_", extension="pkl")
                with written_whole(Path(path)) as beside:
                    statistics.save(str(beside))
        return True


def model_suffix(agent: BaseAlgorithm) -> str:
    """Return the suffix of an agent's model file: its own ``model_suffix``, or SB3's ``.zip``."""
    return str(getattr(agent, "model_suffix", ".zip"))


def training_callbacks(
    agent: BaseAlgorithm, folder: Path, checkpoint_every: int | None
) -> list[BaseCallback]:
    """Return the callbacks of a training run.

    Args:
        agent: The agent about to learn.
        folder: Where checkpoints go, as ``model_<steps>_steps`` with the agent's
            `model_suffix`.
        checkpoint_every: Environment steps between checkpoints; None for no checkpoints.
    """
    callbacks: list[BaseCallback] = [AccountStatistics()]
    if checkpoint_every is not None:
        calls = max(checkpoint_every // agent.n_envs, 1)
        callbacks.append(
            ModelCheckpoint(calls, str(folder), name_prefix="model", save_vecnormalize=True)
        )
    return callbacks


def default_log_interval(agent: BaseAlgorithm, steps: int) -> int:
    """Return how often an agent logs by default, in SB3's unit for its kind.

    On-policy agents log after every rollout, small rollouts about a hundred times a run (SB3
    logs A2C every 100 rollouts, which is ten times a run with batched environments). Off-policy
    agents count episodes; since batched episodes end together, they log once a batch. Others,
    such as ARS, log after every update.

    Args:
        agent: The agent about to learn.
        steps: Environment steps it will train for.
    """
    if isinstance(agent, OnPolicyAlgorithm):
        return max(1, steps // (100 * agent.n_steps * agent.n_envs))
    return max(4, agent.n_envs) if isinstance(agent, OffPolicyAlgorithm) else 1

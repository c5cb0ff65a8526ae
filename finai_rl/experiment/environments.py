"""Build the environments of a run: to train in, to be evaluated in, and for baselines."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.config.build import build, plain
from finai_rl.config.env_schemas import EPISODE, WRAPPER, baseline_rules, settings_with
from finai_rl.envs.wrappers.observations import frozen, normalized, windowed
from finai_rl.envs.wrappers.segments import SegmentedVecEnv, environments_per_segment
from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.market import MarketData

DEFAULT_GAMMA = 0.99


class Environments:
    """Builds every environment of a run from its config, whose settings are resolved once.

    Args:
        cfg: A checked run config.

    Raises:
        ConfigError: If ``evaluation.env`` changes a setting that the environment does not have.

    Example:
        >>> import hydra
        >>> from finai_rl.config.command import CONFIG_DIR
        >>> from finai_rl.data import synthetic_market
        >>> with hydra.initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        ...     cfg = hydra.compose("train", ["agent=a2c", "env.n_envs=4"])
        >>> market = synthetic_market(n_days=20, n_stocks=2)
        >>> environments = Environments(cfg)
        >>> environments.training(market).num_envs, environments.evaluation(market).num_envs
        (4, 1)
    """

    def __init__(self, cfg: DictConfig) -> None:
        self.cfg = cfg
        settings = plain(cfg.env)
        self._wrappers = {
            name: settings.pop(name) for name in settings_with(WRAPPER) if name in settings
        }
        self._settings = settings
        self.window = int(self._wrappers.pop("window", 1))
        self.evaluation_settings = settings | self._evaluation_changes()

    @property
    def starts_alike(self) -> bool:
        """Whether a seeded environment starts anew as if it were new; another's may not."""
        return str(self._settings["_target_"]).startswith(f"{__package__.partition('.')[0]}.")

    def training(self, *blocks: MarketData) -> VecEnv:
        """Build the environment to learn in: monitored, seeded, and in its config's wrappers.

        Args:
            *blocks: What to learn on; of several, every account stays in one.

        Raises:
            ConfigError: If a setting is unknown or refused, or there are fewer environments than
                blocks.
        """
        env = self._market(self._settings, blocks[0]) if len(blocks) == 1 else self._batch(blocks)
        gamma = self.cfg.agent.get("gamma", DEFAULT_GAMMA)
        return normalized(windowed(env, self.window), gamma=gamma, **self._wrappers)

    def evaluation(self, block: MarketData, trained: VecEnv | None = None) -> VecEnv:
        """Build the environment of a backtest: the training one with the evaluation's changes.

        Args:
            block: The days to trade.
            trained: The environment learned in, whose normalization is frozen; None for none.

        Raises:
            ConfigError: If a setting is unknown or refused.
        """
        changed = set(self.cfg.evaluation.env) - set(settings_with(EPISODE))
        key = "evaluation.env" if changed else "env"
        env = windowed(self._market(self.evaluation_settings, block, key), self.window)
        return env if trained is None else frozen(env, trained)

    def baseline(
        self, block: MarketData, *, initial_amount: float, hmax: int, **changes: Any
    ) -> VecEnv:
        """Build the environment that a baseline trades in, whatever the agent's actions mean.

        Args:
            block: The days to trade.
            initial_amount: Cash at the start, in the currency of the prices.
            hmax: Most shares to trade per stock and day.
            changes: Further settings, which overrule all others.

        Raises:
            ConfigError: If a setting is refused.
        """
        settings = self.baseline_settings(initial_amount=initial_amount, hmax=hmax, **changes)
        return self._market(settings, block)

    def baseline_settings(self, **changes: Any) -> dict[str, Any]:
        """Return the settings of a baseline's environment, ``_target_`` included.

        It is a `StockTradingVecEnv`, whose actions are share orders, with the agent's settings of
        an evaluation where it has them too (costs, slippage, market impact, fills) and
        `baseline_rules`.

        Args:
            changes: Settings that overrule all others.
        """
        from finai_rl.envs.stock_trading import StockTradingVecEnv

        known = inspect.signature(StockTradingVecEnv).parameters
        settings = self.evaluation_settings | baseline_rules() | changes
        node = {name: value for name, value in settings.items() if name in known}
        node["_target_"] = f"{StockTradingVecEnv.__module__}.{StockTradingVecEnv.__qualname__}"
        return node

    def _evaluation_changes(self) -> dict[str, Any]:
        changes, known = plain(self.cfg.evaluation.env), self._settings
        allowed = {*known, *settings_with(EPISODE)}
        unknown = [name for name in changes if name not in allowed]
        if unknown:
            raise ConfigError(
                f"evaluation.env.{name}: no such setting of this environment; there are "
                f"{', '.join(list(known)[1:])}"
                for name in unknown
            )
        return {name: value for name, value in changes.items() if name in known}

    def _batch(self, blocks: Sequence[MarketData]) -> VecEnv:
        days = [block.n_days for block in blocks]
        try:
            counts = environments_per_segment(self._settings.get("n_envs", 1), days)
        except ValueError as error:
            raise ConfigError([f"env.{error}"]) from None
        env = SegmentedVecEnv(
            [
                self._market({**self._settings, "n_envs": count}, block)
                for block, count in zip(blocks, counts, strict=True)
            ]
        )
        env.seed(self.cfg.seed)
        return env

    def _market(self, settings: dict[str, Any], block: MarketData, key: str = "env") -> VecEnv:
        from stable_baselines3.common.vec_env import VecMonitor

        env = VecMonitor(build(settings, key, block))
        env.seed(self.cfg.seed)
        return env

"""Build the environments of a run: to train in, to be evaluated in, and for baselines."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig

from finai_rl.config.build import build, plain
from finai_rl.config.env_schemas import EPISODE, WRAPPER, baseline_rules, settings_with
from finai_rl.envs.wrappers.observations import frozen, normalized, windowed
from finai_rl.envs.wrappers.segments import SegmentedVecEnv, environments_per_segment
from finai_rl.errors import ConfigError
from finai_rl.evaluation.policies.sizing import OrderLimit
from finai_rl.evaluation.policies.target_weights import ORDER_LIMIT
from finai_rl.experiment.device_env import TORCH, edition_of, on_device
from finai_rl.experiment.rewards import check_takes_reward, new_reward
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.market import MarketData
    from finai_rl.evaluation.result import BacktestResult

DEFAULT_GAMMA = 0.99
_FINRLS_OWN = "finai_rl.envs.finrl."


def in_finrls_arithmetic(settings: Mapping[str, Any]) -> bool:
    """Return whether an environment of these settings trades as FinRL's class does."""
    finrls_own = str(settings["_target_"]).startswith(_FINRLS_OWN)
    return finrls_own or bool(settings.get("finrl_compat"))


@dataclass(frozen=True)
class Opening:
    """What an account opens with.

    Attributes:
        cash: In the currency of the prices.
        shares: Of each stock, negative where short.

    Example:
        >>> Opening(1_000.0, (2.0, 0.0)).worth(np.array([50.0, 80.0]))
        1100.0
    """

    cash: float
    shares: tuple[float, ...]

    @classmethod
    def of(cls, result: BacktestResult) -> Opening:
        """Return what a backtest's account opened with."""
        return cls(float(result.cash[0]), tuple(result.shares[0].tolist()))

    def worth(self, price: FloatArray) -> float:
        """Return what the account is worth at (n_stocks,) prices."""
        return self.cash + float(np.asarray(self.shares) @ price)

    def settings(self, price: FloatArray) -> dict[str, Any]:
        """Return the settings of an environment that opens so at (n_stocks,) prices."""
        if min(self.shares) < 0:
            state = [self.cash, *price.tolist(), *self.shares]
            return {"previous_state": state, "allow_short": True}
        held = list(self.shares) if any(self.shares) else None
        return {"initial_amount": self.cash, "num_stock_shares": held}


BACKTEST = {"n_envs": 1, "episode_days": None, "random_start": False, "record": True}
"""What a backtest asks of an environment that has these settings."""


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
        >>> with hydra.initialize_config_dir(str(CONFIG_DIR)):
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
        self._edition = edition_of(settings)
        self.evaluation_settings = settings | self._evaluation_changes()

    @property
    def starts_alike(self) -> bool:
        """Whether a seeded environment starts anew as if it were new; another's may not."""
        return str(self._settings["_target_"]).startswith(f"{__package__.partition('.')[0]}.")

    def training(self, *blocks: MarketData) -> VecEnv:
        """Build the environment to learn in: monitored, seeded, and in its config's wrappers.

        It alone is told of the run's reward: what is measured elsewhere are accounts. And it
        alone may be on tensors, by ``env.backend``.

        Args:
            *blocks: What to learn on; of several, every account stays in one.

        Raises:
            ConfigError: If a setting is unknown or refused, the environment takes no reward, or
                there are fewer environments than blocks.
        """
        from finai_rl.experiment.learning.curriculum import staged

        env = staged(self.cfg, self._over({}, blocks), blocks, self._over)
        gamma = self.cfg.agent.get("gamma", DEFAULT_GAMMA)
        return normalized(windowed(env, self.window), gamma=gamma, **self._wrappers)

    def evaluation(
        self, block: MarketData, trained: VecEnv | None = None, **further: Any
    ) -> VecEnv:
        """Build the environment of a backtest: the training one with the evaluation's changes.

        Args:
            block: The days to trade.
            trained: The environment learned in, whose normalization is frozen; None for none.
            further: Settings that overrule all others, such as more accounts.

        Raises:
            ConfigError: If a setting is unknown or refused.
        """
        changes = plain(self.cfg.evaluation.env).items()
        changed = any(name not in BACKTEST or value != BACKTEST[name] for name, value in changes)
        key = "evaluation.env" if changed else "env"
        env = windowed(self._market(self.evaluation_settings | further, block, key), self.window)
        return env if trained is None else frozen(env, trained)

    def baseline(self, block: MarketData, opening: Opening, **changes: Any) -> VecEnv:
        """Build the environment that a baseline trades in, whatever the agent's actions mean.

        Args:
            block: The days to trade.
            opening: What the agent's account opens with.
            changes: Settings, which overrule all others.

        Raises:
            ConfigError: If a setting is refused.
        """
        return self._market(self.baseline_settings(block, opening) | changes, block)

    def baseline_settings(self, block: MarketData, opening: Opening) -> dict[str, Any]:
        """Return the settings of a baseline's environment, ``_target_`` included.

        It is a `StockTradingVecEnv` whose actions are share orders of any size, with the agent's
        settings of an evaluation where it has them too (costs, slippage, market impact, fills,
        fractions of shares, FinRL's arithmetic), its opening account and `baseline_rules`.

        Args:
            block: The days to trade.
            opening: What the agent's account opens with.
        """
        from finai_rl.envs.stock_trading import StockTradingVecEnv

        agents = self.evaluation_settings
        fixed = baseline_rules()
        opens = opening.settings(block.close[0])
        if in_finrls_arithmetic(agents):
            fixed["finrl_compat"] = True
            # FinRL forbids trades by the first feature, and fails without one; and it opens with
            # shares, short ones and those of a single stock, by rules of its own.
            del fixed["sentiment"], fixed["num_stock_shares"], fixed["previous_state"]
            opens = {}
        if self.order_limit is None:
            fixed["pro_rata"] = True
        known = inspect.signature(StockTradingVecEnv).parameters
        settings = agents | fixed | {"hmax": ORDER_LIMIT} | opens
        node = {name: value for name, value in settings.items() if name in known}
        node["_target_"] = f"{StockTradingVecEnv.__module__}.{StockTradingVecEnv.__qualname__}"
        return node

    @property
    def order_limit(self) -> OrderLimit | None:
        """The largest order per stock and day; None where actions are weights."""
        shares = self.evaluation_settings.get("hmax")
        if shares is None:
            return None
        of_value = self.evaluation_settings.get("max_order")
        return OrderLimit(int(shares)) if of_value is None else OrderLimit(of_value=of_value)

    @property
    def may_trade_fractions(self) -> bool:
        """Whether there is a setting by which fractions of shares are traded."""
        settings = self.evaluation_settings
        return "fractional_shares" in settings and not settings.get("finrl_compat")

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
        # An environment that has no such setting does what a backtest needs by itself.
        unmet = [
            f"evaluation.env.{name}: {known['_target_']} has no such setting, got {value}; leave "
            "it as it is"
            for name, value in changes.items()
            if name not in known and value != BACKTEST.get(name, value)
        ]
        if unmet:
            raise ConfigError(unmet)
        return {name: value for name, value in changes.items() if name in known}

    def _over(self, changes: dict[str, Any], blocks: tuple[MarketData, ...]) -> VecEnv:
        settings = self._settings | changes
        single = len(blocks) == 1
        return self._rewarded(settings, blocks[0]) if single else self._batch(settings, blocks)

    def _batch(self, settings: dict[str, Any], blocks: Sequence[MarketData]) -> VecEnv:
        days = [block.n_days for block in blocks]
        try:
            counts = environments_per_segment(settings.get("n_envs", 1), days)
        except ValueError as error:
            raise ConfigError([f"env.{error}"]) from None
        env = SegmentedVecEnv(
            [
                self._rewarded({**settings, "n_envs": count}, block)
                for block, count in zip(blocks, counts, strict=True)
            ]
        )
        env.seed(self.cfg.seed)
        return env

    def _rewarded(self, settings: dict[str, Any], block: MarketData) -> VecEnv:
        reward = new_reward(self.cfg)
        if reward is None:
            return self._market(settings, block, edition=self._edition)
        finrls = in_finrls_arithmetic(settings)
        check_takes_reward(settings, self.cfg.reward["_target_"], finrls=finrls)
        return self._market(settings, block, edition=self._edition, reward=reward)

    def _market(
        self,
        settings: dict[str, Any],
        block: MarketData,
        key: str = "env",
        edition: Mapping[str, Any] = MappingProxyType({}),
        **objects: Any,
    ) -> VecEnv:
        from stable_baselines3.common.vec_env import VecMonitor

        batch = build(settings, key, block, **objects)
        if edition.get("backend") == TORCH:
            batch = on_device(batch, self.cfg, edition.get("precision", "float64"))
        env = VecMonitor(batch)
        env.seed(self.cfg.seed)
        return env

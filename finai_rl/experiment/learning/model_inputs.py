"""What a trained model's inputs mean, by name: a file beside it, read by who starts from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from finai_rl.agents.saved_agent import algorithm_of
from finai_rl.agents.saved_files import SavedFileError
from finai_rl.config.build import plain
from finai_rl.envs.observations import FINRL

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

    from finai_rl.data.market import MarketData

INPUTS_FILE = "model_inputs.json"
"""In the run folder and in ``model_dir``, and among the run's artifacts."""


SCALES = ("temperature", "hmax", "max_order")
"""Settings that say how much the same action trades: another value can be learned from there."""


@dataclass(frozen=True)
class ModelInputs:
    """Which stocks and features a model's observations hold, and what it has learned from.

    Attributes:
        algorithm: Class of the agent, with its module.
        tickers: Of the stocks, in the order of the observations and actions.
        features: Names of the features and sentiment columns, in their order.
        window: Days in an observation.
        trained_until: Last day that it has learned from, ISO text; of an agent that started from
            another one also of that one.
        run_id: The MLflow run of its training; None without tracking.
        last_close: Of each stock on that day; empty for models of earlier versions.
        sha256: Of the files that the model is loaded from, by name; of earlier versions empty.
        settings: Those of the environment that say what observations and actions mean; of earlier
            versions empty.
        rewards: Those that say how large a reward is, by key; of earlier versions empty.
        seen_from: First of the days that its backtest could look back on, ISO text; of earlier
            versions empty.

    Example:
        >>> one = ModelInputs("PPO", ("AAPL", "JPM"), ("macd",), 1, "2020-12-31")
        >>> list(replace(one, tickers=("AAPL", "KO")).differences(one))
        ['tickers: JPM is missing here, KO is missing there']
    """

    algorithm: str
    tickers: tuple[str, ...]
    features: tuple[str, ...]
    window: int
    trained_until: str
    run_id: str | None = None
    last_close: tuple[float, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    rewards: Mapping[str, Any] = field(default_factory=dict)
    seen_from: str = ""

    @classmethod
    def of(cls, cfg: DictConfig, agent: BaseAlgorithm, data: MarketData) -> ModelInputs:
        """Describe what an agent sees of a market.

        Args:
            cfg: The run's checked config.
            agent: The agent.
            data: The last days that it learns from.
        """
        env = plain(cfg.env)
        chosen = env.get("indicators")
        sentiment = data.sentiment_names if env.get("sentiment") else ()
        kind = algorithm_of(agent)
        return cls(
            f"{kind.__module__}.{kind.__qualname__}",
            data.tickers,
            (*(data.feature_names if chosen is None else chosen), *sentiment),
            int(env.get("window", 1)),
            data.day_names[-1],
            last_close=tuple(data.close[-1].tolist()),
            settings=_meaning(env),
            rewards=_reward_unit(cfg),
        )

    def after(self, source: ModelInputs | None) -> ModelInputs:
        """Return these inputs of an agent that started from another one."""
        if source is None:
            return self
        if source.trained_until <= self.trained_until:
            return self
        return replace(self, trained_until=source.trained_until, last_close=source.last_close)

    def backtested_on(self, data: MarketData) -> ModelInputs:
        """Return these inputs of an agent that was backtested on some days.

        Args:
            data: The days, with those before them as their ``past``.
        """
        return replace(self, seen_from=(data if data.past is None else data.past).day_names[0])

    def differences(self, source: ModelInputs) -> Iterator[str]:
        """Yield what another model's inputs mean otherwise, one line each."""
        if self.algorithm != source.algorithm:
            yield f"algorithm: {source.algorithm} there, {self.algorithm} here"
        for name in ("tickers", "features"):
            there, here = getattr(source, name), getattr(self, name)
            if there != here:
                yield f"{name}: {_apart(there, here)}"
        if self.window != source.window:
            yield f"env.window: {source.window} there, {self.window} here"
        yield from self._set_otherwise(
            source, [name for name in self.settings if name not in SCALES]
        )

    def scales(self, source: ModelInputs) -> Iterator[str]:
        """Yield how much more or less the same action trades than another model's."""
        yield from self._set_otherwise(source, SCALES)

    def reward_units(self, source: ModelInputs) -> Iterator[str]:
        """Yield what makes rewards larger or smaller here than where another model was trained."""
        if not source.rewards:
            return
        for key in sorted(self.rewards.keys() | source.rewards.keys()):
            there, here = (own.rewards.get(key, "not set") for own in (source, self))
            if there != here:
                yield f"{key}: {there} there, {here} here"

    def _set_otherwise(self, source: ModelInputs, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            if name not in self.settings or name not in source.settings:
                continue
            there, here = source.settings[name], self.settings[name]
            if there != here:
                yield f"env.{name}: {there} there, {here} here"

    def save(self, file: Path) -> None:
        """Write the file."""
        file.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> ModelInputs | None:
        """Read the file; None where it is not there, as beside models of earlier versions.

        Raises:
            SavedFileError: If it is damaged.
        """
        if not file.is_file():
            return None
        try:
            return cls.of_values(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            said = f"is damaged or not of this version ({type(error).__name__}: {error})"
            raise SavedFileError(file, said) from error

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> ModelInputs:
        """Make them of what JSON has kept of their fields."""
        lists = {name: tuple(values[name]) for name in ("tickers", "features")}
        return cls(**{**values, **lists, "last_close": tuple(values.get("last_close", ()))})


def _meaning(env: Mapping[str, Any]) -> dict[str, Any]:
    """Return what observations and actions of equal shapes may differ by."""
    named = ("observation", "weights", "allow_short", *SCALES)
    found = {name: env[name] for name in named if name in env}
    if found.get("observation", FINRL) != FINRL:
        found["horizons"] = list(env["horizons"])
    return found


def _reward_unit(cfg: DictConfig) -> dict[str, Any]:
    """Return what the size of discounted rewards depends on, but for the market itself."""
    own = plain(cfg.reward) if cfg.get("reward") is not None else {}
    found = {f"reward.{name}": value for name, value in own.items()}
    env = plain(cfg.env)
    sizes = ("reward_scaling", "initial_amount", "num_stock_shares", "previous_state")
    found |= {f"env.{name}": env[name] for name in sizes if env.get(name) is not None}
    if cfg.agent.get("gamma") is not None:
        found["agent.gamma"] = cfg.agent.gamma
    return found


def _apart(there: tuple[str, ...], here: tuple[str, ...]) -> str:
    missing = [name for name in there if name not in here]
    added = [name for name in here if name not in there]
    said = [
        f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} missing {where}"
        for names, where in ((missing, "here"), (added, "there"))
        if names
    ]
    return ", ".join(said) or f"the order is {', '.join(there)} there, {', '.join(here)} here"

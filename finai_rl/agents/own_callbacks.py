"""Callbacks of the user beside those of a training: who stopped it, who failed."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from finai_rl.errors import InputError


class CallbackError(InputError):
    """A callback of the user has failed; the message names it and the line."""


class TrainingStopped(Exception):
    """Ends the training of an algorithm that does not ask its callbacks whether to go on."""


class OwnCallbacks(BaseCallback):
    """Calls callbacks of the user as SB3 does, and knows which one stopped the training.

    Where one returns False the others are still called for that step. Algorithms of SB3's two
    families stop when they are told so; any other, such as ARS, is ended by `TrainingStopped`.

    Args:
        callbacks: By what messages call them.

    Attributes:
        stopped_by: Names of those that stopped the training; empty where none did.

    Example:
        >>> from stable_baselines3 import A2C
        >>> from stable_baselines3.common.callbacks import StopTrainingOnMaxEpisodes
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=6, n_stocks=2))
        >>> own = OwnCallbacks({"callbacks[0]": StopTrainingOnMaxEpisodes(2)})
        >>> A2C("MlpPolicy", env, n_steps=5).learn(100, own).num_timesteps
        10
        >>> own.stopped_by
        ['callbacks[0]']
    """

    def __init__(self, callbacks: Mapping[str, BaseCallback]) -> None:
        super().__init__()
        self.callbacks = dict(callbacks)
        self.stopped_by: list[str] = []

    def _init_callback(self) -> None:
        for name, callback in self.callbacks.items():
            _call(name, callback.init_callback, self.model)

    def _on_training_start(self) -> None:
        for name, callback in self.callbacks.items():
            _call(name, callback.on_training_start, self.locals, self.globals)

    def _on_rollout_start(self) -> None:
        for name, callback in self.callbacks.items():
            _call(name, callback.on_rollout_start)

    def _on_step(self) -> bool:
        self.stopped_by = [
            name for name, callback in self.callbacks.items() if not _call(name, callback.on_step)
        ]
        asks = isinstance(self.model, OnPolicyAlgorithm | OffPolicyAlgorithm)
        if self.stopped_by and not asks:
            raise TrainingStopped
        return not self.stopped_by

    def _on_rollout_end(self) -> None:
        for name, callback in self.callbacks.items():
            _call(name, callback.on_rollout_end)

    def _on_training_end(self) -> None:
        for name, callback in self.callbacks.items():
            _call(name, callback.on_training_end)

    def update_child_locals(self, locals_: dict[str, Any]) -> None:
        """Pass the local variables of a rollout on."""
        for callback in self.callbacks.values():
            callback.update_locals(locals_)


@contextmanager
def ended_by(callback: BaseCallback) -> Iterator[None]:
    """End a training where `TrainingStopped` is raised, as where an algorithm ends by itself."""
    try:
        yield
    except TrainingStopped:
        callback.on_training_end()


def _call(name: str, method: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return method(*arguments)
    except Exception as error:
        raise CallbackError(
            f"{name} failed in {method.__name__}: {type(error).__name__}: {error} "
            f"({_line(error, method)})"
        ) from error


def _line(error: Exception, method: Callable[..., Any]) -> str:
    """Return the line of the callback's own file that failed, or the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = getattr(sys.modules.get(type(method.__self__).__module__), "__file__", None)  # type: ignore[attr-defined]
    frame = [frame for frame in frames if frame.filename == own][-1:] or frames[-1:]
    return f"{Path(frame[0].filename).name}, line {frame[0].lineno}"

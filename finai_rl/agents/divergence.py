"""Training that has diverged: found where it happens, and ended with one message."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from finai_rl.errors import Diverged, InputError

log = logging.getLogger(__name__)

LARGEST_WEIGHT = 1e10
"""A weight beyond it has exploded: no network that learns comes near."""
LARGEST_LOSS = 1e30
"""A loss beyond it has exploded: squares of accounts in any currency stay below."""
UNDEFINED = ("train/explained_variance",)
"""What is logged as NaN of a training that is well."""
WEIGHTS_EVERY = 16
"""Updates from one look at weights that nothing else draws attention to, to the next.

Weights that are no numbers make actions and losses that are none, which is seen at once.
"""
LARGEST_SEEN = 1e30
"""An observation beyond it is none that a network of 32 bits can compute with."""
FROM_THE_MARKET = {
    "observations": "look at env.initial_amount, and at the largest values of the data's columns",
    "rewards": "look at the settings of reward and at env.reward_scaling",
}
"""What to look at where it is not the agent that makes numbers that are none."""
SHOWN = 3
OPENING = "Training diverged at step "
INVALID = "found invalid values"
"""What PyTorch's distributions say of parameters that are no numbers."""


class DivergenceWatch(BaseCallback):
    """Ends a training whose losses, weights, actions or rewards are no finite numbers any more.

    Losses are looked at once an update, actions and rewards at every step; weights where one of
    them is no number, and now and then by themselves.

    Args:
        advice: What to lower, for the message.
        goes_on: True warns once, and lets the training go on while it can.

    Example:
        >>> from stable_baselines3 import A2C
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=6, n_stocks=2))
        >>> agent = A2C("MlpPolicy", env, n_steps=5, seed=0)
        >>> agent.learn(10, DivergenceWatch("lower it")).num_timesteps
        10
        >>> with torch.no_grad():
        ...     _ = agent.policy.value_net.bias.fill_(torch.nan)
        >>> agent.learn(10, DivergenceWatch("lower it"))
        Traceback (most recent call last):
            ...
        finai_rl.errors.Diverged: Training diverged at step 0: value_net.bias nan; lower it
    """

    def __init__(self, advice: str, *, goes_on: bool = False) -> None:
        super().__init__()
        self._advice, self._goes_on, self._told = advice, goes_on, False
        self._n_updates = 0

    def _on_rollout_start(self) -> None:
        found = [*self._logged()]
        if not found and self._n_updates % WEIGHTS_EVERY == 0:
            found += self._weights()
        self._n_updates += 1
        self._look(found)

    def _on_training_end(self) -> None:
        self._look([*self._logged(), *self._weights()])

    def _on_step(self) -> bool:
        found = []
        # ARS steps its environments without saying what came back.
        for name in ("actions", "rewards"):
            values = self.locals.get(name)
            if isinstance(values, np.ndarray) and not np.isfinite(values).all():
                found.append(f"{name} {_odd(values)}")
        if found:
            self._look(found)
        return True

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Tell of what a library raises over numbers that are none as of a divergence.

        Raises:
            Diverged: Instead of that.
        """
        try:
            yield
        except (ArithmeticError, AssertionError, RuntimeError, ValueError) as error:
            said = str(error).partition("\n")[0]
            diverged = isinstance(error, Diverged)
            if said.startswith(OPENING) or (isinstance(error, InputError) and not diverged):
                raise
            if "model" not in vars(self):  # What raised had not begun to train.
                raise
            found = [*self._logged(), *self._weights()]
            if not found and INVALID in said:
                found = [f"{self._largest()}, of which no distribution of actions can be made"]
            elif not found and diverged:
                found = [said]
            if not found:
                raise
            raise Diverged(self._message(found)) from error

    def _look(self, found: list[str]) -> None:
        if not found or self._told:
            return
        message = self._message(found)
        if not self._goes_on:
            raise Diverged(message)
        log.warning("%s; it goes on, by on_divergence=continue", message)
        self._told = True

    def _message(self, found: list[str]) -> str:
        # What no network can compute with makes all else that is none.
        found = [*self._seen()] or found
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        step = f"{self.model.num_timesteps:,}"
        # What comes from the market is no matter of how the agent learns.
        kind = found[0].partition(" ")[0]
        advice = FROM_THE_MARKET.get(kind, self._advice)
        return f"{OPENING}{step}: {', '.join(found[:SHOWN])}{more}; {advice}"

    def _seen(self) -> Iterator[str]:
        """Yield what the agent saw last, where it is too large for 32 bits."""
        seen = getattr(self.model, "_last_obs", None)
        values = seen.cpu().numpy() if isinstance(seen, torch.Tensor) else seen
        if not isinstance(values, np.ndarray):
            return
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        if not (np.abs(values) <= LARGEST_SEEN).all():
            yield f"observations {_odd(values)}"

    def _logged(self) -> Iterator[str]:
        """Yield what was logged since the last dump and is no loss of a training that is well."""
        for name, value in self.model.logger.name_to_value.items():
            watched = name.startswith("train/") or name == "account/account_value"
            if not watched or name in UNDEFINED or not isinstance(value, int | float | np.number):
                continue
            if not abs(value) <= LARGEST_LOSS:
                yield f"{name} {value:.3g}"

    def _weights(self) -> Iterator[str]:
        named = self._named_weights()
        largest = torch.nn.utils.get_total_norm(list(named.values()), norm_type=math.inf).item()
        if largest <= LARGEST_WEIGHT:
            return
        for name, tensor in named.items():
            values = tensor.cpu().numpy()
            if not (np.abs(values) <= LARGEST_WEIGHT).all():
                yield f"{name} {_odd(values)}"

    def _largest(self) -> str:
        named = {name: tensor.cpu().numpy() for name, tensor in self._named_weights().items()}
        largest = max(named, key=lambda name: float(np.abs(named[name]).max()))
        return f"{largest} {_odd(named[largest])}"

    def _named_weights(self) -> dict[str, torch.Tensor]:
        named = {name: part.detach() for name, part in self.model.policy.named_parameters()}
        # ARS searches around a vector of its own.
        own = vars(self.model).get("weights")
        return {**named, "weights": own} if isinstance(own, torch.Tensor) else named


def _odd(values: NDArray[np.floating]) -> str:
    """Return the first value that is no finite number, or the largest."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    odd = flat[~np.isfinite(flat)]
    return f"{odd[0] if len(odd) else flat[np.argmax(np.abs(flat))]:.3g}"

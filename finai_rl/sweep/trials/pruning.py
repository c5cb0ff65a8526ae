"""Looks at validation while an agent learns, for a pruner to judge by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stable_baselines3.common.callbacks import BaseCallback


class ValidationLooks(BaseCallback):
    """Calls a function when training has come to given steps.

    A look takes nothing from the generators that training draws from and leaves the agent as it
    was: training with looks gives the same model, bit for bit, as training without.

    Args:
        steps: Environment steps, increasing; where several are passed at once, one look is made.
        look: Called with the number of the step in ``steps``, from 1. May raise
            :class:`~finai_rl.errors.StoppedEarly` to end the training.

    Example:
        >>> from stable_baselines3 import A2C
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=20, n_stocks=2))
        >>> seen = []
        >>> agent = A2C("MlpPolicy", env).learn(15, ValidationLooks(looks_at(15, 2), seen.append))
        >>> looks_at(15, 2), seen
        ([5, 10], [1, 2])
    """

    def __init__(self, steps: Sequence[int], look: Callable[[int], None]) -> None:
        super().__init__()
        self._steps, self._look, self._done = list(steps), look, 0

    def _on_step(self) -> bool:
        passed = sum(step <= self.num_timesteps for step in self._steps)
        if passed > self._done:
            self._done = passed
            self._look(passed)
        return True


def looks_at(total_steps: int, n_looks: int) -> list[int]:
    """Return ``n_looks`` steps evenly within a training, neither its start nor its end."""
    return [total_steps * number // (n_looks + 1) for number in range(1, n_looks + 1)]

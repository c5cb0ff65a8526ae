"""Augmented random search that counts the steps of its environments, as every other agent does."""

from __future__ import annotations

import sys
from typing import Any

import sb3_contrib
from stable_baselines3.common.callbacks import BaseCallback


class ARS(sb3_contrib.ARS):
    """sb3-contrib's ARS, for which a step of n environments is n steps and one call of callbacks.

    sb3-contrib's own asks once for each environment that has not yet ended its episode, and counts
    n steps each time: with 64 environments up to 64 times too many. It is otherwise the same, and
    its files are the same.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=9, n_stocks=2), n_envs=4)
        >>> agent = ARS("LinearPolicy", env, n_delta=1, n_eval_episodes=4, seed=0)
        >>> agent.learn(1).num_timesteps  # Two candidates, four environments, eight days.
        64
    """

    _last_asked = sys.maxsize

    def _trigger_callback(
        self,
        _locals: dict[str, Any],
        _globals: dict[str, Any],
        callback: BaseCallback,
        n_envs: int,
    ) -> None:
        # Within a step environments come in their order, and those of the next step are of these.
        is_new, self._last_asked = _locals["i"] <= self._last_asked, _locals["i"]
        if is_new:
            super()._trigger_callback(_locals, _globals, callback, n_envs)

"""The part of SB3's ``VecEnv`` that asks for single environments, of a batch that is one object."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import VecEnv


class WholeBatchVecEnv(VecEnv):
    """A batch of environments that share every attribute, and none of which stands alone.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=4, n_stocks=2), n_envs=3)
        >>> isinstance(env, WholeBatchVecEnv), env.get_attr("n_stocks"), env.env_is_wrapped(object)
        (True, [2, 2, 2], [False, False, False])
    """

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute once per environment; all environments share it."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the whole batch; there is none of a single environment.

        Raises:
            ValueError: If ``indices`` names fewer than all environments.
        """
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError(f"{attr_name} belongs to the whole batch: leave indices=None")
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the batch once; every environment gets the same answer."""
        answer = getattr(self, method_name)(*method_args, **method_kwargs)
        return [answer for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: Any = None) -> list[bool]:
        """Return False for each: no single environment is wrapped, there is only the batch."""
        return [False for _ in self._get_indices(indices)]

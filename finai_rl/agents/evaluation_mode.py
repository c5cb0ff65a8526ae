"""An agent's networks in evaluation mode, set once for many predictions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def predicting(agent: object) -> Iterator[None]:
    """Put an agent's networks in evaluation mode, for as long as it predicts only.

    Stable-Baselines3 does so before every prediction, by a walk through all modules of the network.

    Args:
        agent: Any policy; one that is no agent of that library is left as it is.

    Example:
        >>> from stable_baselines3 import A2C
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=6, n_stocks=2))
        >>> agent = A2C("MlpPolicy", env, seed=0)
        >>> with predicting(agent):
        ...     agent.policy.training
        False
    """
    networks: Any = getattr(agent, "policy", None)
    set_mode = getattr(networks, "set_training_mode", None)
    if set_mode is None or _NAME in vars(networks):
        yield
        return
    set_mode(False)
    networks.set_training_mode = _nothing
    try:
        yield
    finally:
        del networks.set_training_mode


_NAME = "set_training_mode"


def _nothing(mode: bool) -> None:
    assert not mode, "networks that only predict now cannot be trained"

"""Policies that read one thing of what they see, and a market in which it pays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from finai_rl.data.market import MarketData
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.wrappers.observations import windowed
from finai_rl.evaluation.observation_layout import ObservationLayout
from tests.markets import generated_market

N_STOCKS = 3


class Reader:
    """Asks for more of the stocks in which one block of the observation is high."""

    def __init__(self, layout: ObservationLayout, name: str, slope: float = 3.0) -> None:
        self.columns, self.slope = layout.today(name), slope

    def predict(self, observation: Any, state: Any = None, **_: Any) -> tuple[Any, None]:
        return np.tanh(self.slope * observation[:, self.columns]), None


class OnceBuyer:
    """Buys on the first day of an episode, whatever it sees; counts the days in its state."""

    def predict(self, observation: Any, state: Any = None, **_: Any) -> tuple[Any, Any]:
        day = 0 if state is None else int(state[0])
        shape = (len(observation), N_STOCKS)
        return np.full(shape, 1.0 if day == 0 else 0.0), (np.array(day + 1),)


class Chooser(Reader):
    """As `Reader`, for an environment of target weights: the last entry is cash."""

    def predict(self, observation: Any, state: Any = None, **_: Any) -> tuple[Any, None]:
        actions, _ = super().predict(observation)
        return np.hstack([actions, np.zeros((len(actions), 1))]), None


def foreseen_market(n_days: int = 150) -> MarketData:
    """A market whose feature_1 is tomorrow's return, standardised."""
    data = generated_market(n_days=n_days, n_stocks=N_STOCKS)
    ahead = np.vstack([np.diff(np.log(data.close), axis=0), np.zeros((1, N_STOCKS))])
    features = data.features.copy()
    features[:, 1] = ahead / ahead.std()
    return replace(data, features=features)


def shares_env(data: MarketData, n_envs: int, window: int = 1, **settings: Any) -> VecEnv:
    defaults: dict[str, Any] = {"record": True, "hmax": 2000, "sentiment": True}
    return windowed(StockTradingVecEnv(data, n_envs=n_envs, **defaults | settings), window)


def weights_env(data: MarketData, n_envs: int, **settings: Any) -> PortfolioVecEnv:
    return PortfolioVecEnv(data, n_envs=n_envs, sentiment=True, **settings)


def layout_of(env: VecEnv, window: int = 1) -> ObservationLayout:
    return ObservationLayout(env.get_attr("observation_names")[0], N_STOCKS, window)

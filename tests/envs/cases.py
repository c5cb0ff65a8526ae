"""Random markets, settings and actions for tests of the environments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.markets import generated_market

MARKETS: tuple[type[MarketVecEnv], ...] = (StockTradingVecEnv, PortfolioVecEnv)


SETTINGS: dict[str, Any] = {
    "initial_amount": 1e6,
    "buy_cost_pct": 0.001,
    "sell_cost_pct": 0.001,
    "slippage_bps": 0.0,
    "impact": 0.0,
    "fill": "same_close",
    "fractional_shares": False,
    "allow_short": False,
    "borrow_rate": 0.01,
    "initial_margin": 0.5,
    "maintenance_margin": 0.3,
    "turbulence_threshold": None,
    "num_stock_shares": None,
}
"""The settings that both markets have."""


@dataclass(frozen=True)
class Case:
    """A market, settings, and actions (n_days - 1, n_envs, n_actions) for one episode."""

    market: type[MarketVecEnv]
    data: MarketData
    settings: dict[str, Any]
    actions: NDArray[Any]

    def __repr__(self) -> str:
        shape, dtype = self.actions.shape, self.actions.dtype
        return f"{self.market.__name__}({self.data!r}, {self.settings}), {dtype} actions {shape}"

    def env(self, **changed: Any) -> Any:
        """Make the environment, with other settings than the case's if any are given."""
        make: Any = self.market
        settings = {"n_envs": self.actions.shape[1], "record": True, **self.settings, **changed}
        return make(self.data, **settings)


def volatile_market(
    n_days: int, n_stocks: int, seed: int, volatility: float = 1.0, volume: float = 1.0
) -> MarketData:
    """Make a generated market whose moves and volumes are multiplied, with days without trading."""
    data = generated_market(n_days=n_days, n_stocks=n_stocks, n_features=1, seed=seed)
    assert data.open is not None
    assert data.volume is not None
    rng = np.random.default_rng(seed)
    close = data.close[0] * (data.close / data.close[0]) ** volatility
    previous = np.concatenate([data.close[:1], data.close[:-1]])
    gap = (data.open / previous) ** volatility
    return replace(
        data,
        dates=data.dates[0] + np.cumsum(rng.integers(1, 5, n_days)),
        close=close,
        open=np.concatenate([close[:1], close[:-1]]) * gap,
        volume=data.volume * volume,
    )


@st.composite
def settings_of(draw: st.DrawFn, n_stocks: int) -> dict[str, Any]:
    """Draw the settings that both markets have, in all combinations."""

    def cost() -> Any:
        return draw(st.sampled_from([0.0, 0.001, 0.03, (np.arange(n_stocks) % 7 * 1e-3).tolist()]))

    maintenance = draw(st.sampled_from([0.0, 0.3, 0.5]))
    return {
        "initial_amount": draw(st.sampled_from([30.0, 5_000.0, 123_456.78, 5e7])),
        "buy_cost_pct": cost(),
        "sell_cost_pct": cost(),
        "slippage_bps": draw(st.sampled_from([0.0, 5.0])),
        "impact": draw(st.sampled_from([0.0, 1.0])),
        "fill": draw(st.sampled_from(["same_close", "next_open", "next_close"])),
        "fractional_shares": draw(st.booleans()),
        "allow_short": draw(st.booleans()),
        "borrow_rate": draw(st.sampled_from([0.0, 0.05, np.linspace(0, 1, n_stocks).tolist()])),
        "maintenance_margin": maintenance,
        "initial_margin": maintenance + draw(st.sampled_from([0.0, 0.2, 0.5])),
        "turbulence_threshold": draw(st.sampled_from([None, 45.0])),
        "num_stock_shares": draw(
            st.sampled_from([None, [20] * n_stocks, (np.arange(n_stocks) * 3.7 % 11).tolist()])
        ),
    }


def listed_between(
    data: MarketData, first: NDArray[np.int64], last: NDArray[np.int64]
) -> MarketData:
    """Let each stock be listed from one day to another only, and nothing be known outside."""
    days = np.arange(data.n_days)[:, np.newaxis]
    listed = (days >= first) & (days <= last)
    before = np.ones(data.n_stocks)

    def carried(values: NDArray[np.float64]) -> NDArray[np.float64]:
        gone = np.take_along_axis(data.close, np.minimum(last, data.n_days - 1)[np.newaxis], axis=0)
        return np.where(listed, values, np.where(days < first, before, gone))

    changes: dict[str, Any] = {"close": carried(data.close), "listed": listed}
    if data.open is not None:
        changes["open"] = carried(data.open)
    if data.volume is not None:
        changes["volume"] = np.where(listed, data.volume, 1.0)
    changes["features"] = np.where(listed[:, np.newaxis], data.features, 0.0)
    return replace(data, **changes)


@st.composite
def cases_with_listings(draw: st.DrawFn, market: type[MarketVecEnv]) -> Case:
    """Draw a case in which most stocks are listed late, delisted, or both."""
    case = draw(cases(market))
    n_days, n_stocks = case.data.close.shape
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    first = np.where(rng.random(n_stocks) < 0.4, rng.integers(0, n_days, n_stocks), 0)
    last = np.where(rng.random(n_stocks) < 0.6, rng.integers(0, n_days, n_stocks), n_days)
    last = np.maximum(first, last)
    chosen = {**case.settings, "num_stock_shares": None}
    # Few kinds of arguments: each is compiled on its own.
    chosen["turbulence_threshold"] = draw(st.sampled_from([1e9, 45.0]))
    chosen["delisting_loss"] = draw(st.sampled_from([0.0, 0.3, 1.0]))
    if market is PortfolioVecEnv:
        chosen |= {"weights": "linear"}
    data, actions = listed_between(case.data, first, last), case.actions.astype("f8")
    return replace(case, data=data, settings=chosen, actions=actions)


def actions_of(
    rng: np.random.Generator, shape: tuple[int, ...], scale: float, coarse: bool
) -> NDArray[np.float64]:
    """Draw actions beyond [-1, 1] too; coarse ones have many ties, zeros and whole tenths."""
    actions = rng.normal(0, scale, shape)
    return np.round(actions, 1) if coarse else actions


@st.composite
def cases(draw: st.DrawFn, market: type[MarketVecEnv], n_envs: int = 2) -> Case:
    """Draw a market, settings over all options, and an episode's actions."""
    seed = draw(st.integers(0, 2**32 - 1))
    # Orders of more than 64 stocks are ranked in another way.
    n_stocks = draw(st.sampled_from([1, 2, 3, 4, 5, 9, 40, 80]))
    n_days = draw(st.integers(2, 16))
    data = volatile_market(
        n_days,
        n_stocks,
        seed,
        volatility=draw(st.sampled_from([1.0, 5.0, 15.0])),
        volume=draw(st.sampled_from([1.0, 1e-2, 1e-5])),
    )
    settings = draw(settings_of(n_stocks))
    if market is StockTradingVecEnv:
        settings["hmax"] = draw(st.sampled_from([1, 100, 10_000]))
    shape = (n_days - 1, n_envs, n_stocks + (market is PortfolioVecEnv))
    scale = draw(st.sampled_from([0.3, 3.0]))
    actions = actions_of(np.random.default_rng(seed), shape, scale, draw(st.booleans()))
    return Case(market, data, settings, actions.astype(draw(st.sampled_from(["f4", "f8"]))))

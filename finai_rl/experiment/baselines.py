"""Backtest baselines on a block, at the costs, fills and calendar of the agent's market."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from finai_rl.data.cache.code import code_hash
from finai_rl.data.market import MarketData
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.settings import cost_of_trading
from finai_rl.errors import ConfigError
from finai_rl.evaluation.backtest import BacktestResult, Policy, backtest
from finai_rl.evaluation.policies import weight_rules as weights
from finai_rl.evaluation.policies.buy_and_hold import (
    ConstantAction,
    EqualWeightBuyAndHold,
    equal_weight_shares,
)
from finai_rl.evaluation.policies.target_weights import ORDER_LIMIT, TargetWeights
from finai_rl.evaluation.random_band import RandomBand, random_band
from finai_rl.evaluation.result_cache import backtest_cache
from finai_rl.experiment.environments import Environments
from finai_rl.statistics.benchmark import EQUAL_WEIGHT
from finai_rl.type_aliases import FloatArray

log = logging.getLogger(__name__)

CASH = "cash"
RULES: dict[str, tuple[str, weights.Rule]] = {
    "equal_weight_rebalanced": ("Equal weight, rebalanced", weights.equal_weight),
    "inverse_volatility": ("Inverse volatility", weights.inverse_volatility),
    "minimum_variance": ("Minimum variance", weights.minimum_variance),
    "maximum_sharpe": ("Maximum Sharpe ratio", weights.maximum_sharpe),
    "hierarchical_risk_parity": ("Hierarchical risk parity", weights.hierarchical_risk_parity),
    "momentum": ("12-1 momentum", weights.momentum),
}
LABELS = {
    CASH: "Cash",
    EQUAL_WEIGHT: "Equal weight, buy and hold",
    **{name: label for name, (label, _) in RULES.items()},
}
"""What reports call each baseline, by the name a config gives it."""

BUY_COST = "buy_cost_pct"
"""The one setting that every environment needs, for equal weight to pay the agent's costs."""

CACHE_FOLDER = Path("cache", "baselines")
"""Where baselines are kept, below ``output_root``."""

CODE = (
    "envs", "evaluation", "statistics", "experiment/baselines.py", "experiment/environments.py",
    "config/build.py", "config/env_schemas.py", "config/bounds.py", "data/market.py",
)  # fmt: skip
"""Rooms and files whose change may change a baseline's result."""


def equal_weight(
    environments: Environments, data: MarketData, initial_amount: float
) -> BacktestResult:
    """Backtest equal weight, bought on the first day and held.

    Args:
        environments: Builds the run's environments.
        data: The block.
        initial_amount: What the agent's account opens with, all of it cash here.

    Raises:
        ConfigError: If a setting is refused, or the money does not buy one share of any stock.
    """
    cost = cost_of_buying(environments, data)
    try:
        hmax = int(equal_weight_shares(data, initial_amount, cost).max())
        policy = EqualWeightBuyAndHold(data, initial_amount, cost, hmax)
    except ValueError as error:
        raise ConfigError([f"env: {error}"]) from error
    # Bought at once, for what the agent's account opens with: its order limit does not hold.
    env = environments.baseline(data, initial_amount=initial_amount, hmax=hmax)
    return backtest(policy, env, data, LABELS[EQUAL_WEIGHT])


def cost_of_buying(environments: Environments, data: MarketData) -> FloatArray:
    """Return what the agent's evaluation pays to buy, slippage included: (n_stocks,) fractions.

    Raises:
        ConfigError: If the environment does not say what buying costs, or says it wrongly.
    """
    settings = environments.evaluation_settings
    if BUY_COST not in settings:
        raise ConfigError([f"env: the equal-weight baseline needs the settings {[BUY_COST]}"])
    slippage = settings.get("slippage_bps", 0.0)
    try:
        return cost_of_trading(BUY_COST, settings[BUY_COST], slippage, data)
    except ValueError as error:
        raise ConfigError([f"env: {error}"]) from error


def run_baselines(
    environments: Environments,
    data: MarketData,
    history: MarketData | None,
    names: Sequence[str],
    *,
    initial_amount: float,
    every: int = weights.MONTH,
    window: int = 252,
    cache_folder: Path | None = None,
) -> dict[str, BacktestResult]:
    """Backtest baselines on a block, each in an environment of its own as the agent's.

    Args:
        environments: Builds the run's environments, on the terms that the agent trades on.
        data: The block.
        history: The same stocks on days before the block, for the rules with a window; None or
            a short one leaves them at equal weight at first, which a log line says.
        names: Of `LABELS`, in the order wanted.
        initial_amount: What the agent's account opens with, all of it cash here.
        every: Days between rebalancings.
        window: Trailing returns that a rule is given.
        cache_folder: Where results are kept, usually ``output_root / CACHE_FOLDER``; None for
            nowhere. A result is found again only for the same prices, terms, settings and code.

    Returns:
        Backtests by name.

    Raises:
        ConfigError: If a name is unknown, or a baseline cannot be run on these settings.
    """
    unknown = [name for name in names if name not in LABELS]
    if unknown:
        raise ConfigError(
            f"evaluation.baselines: no baseline {name!r}; choose from {list(LABELS)}"
            for name in unknown
        )
    _say_what_is_missing(data, history, names, window)
    kept = backtest_cache(cache_folder)
    market = {
        "prices": _fingerprint(data, None if history is None else history.close[-window:]),
        "terms": environments.baseline_settings(initial_amount=initial_amount),
        "code": _code(),
    }
    results = {}
    for name in names:
        windowed = {"every": every, "window": window} if name in RULES else {}
        compute = _backtest_of(name, environments, data, history, initial_amount, windowed)
        try:
            results[name] = kept.get({"name": name, **windowed, **market}, compute)
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError([f"evaluation.baselines: {name}: {error}"]) from error
    return results


def run_random_band(
    environments: Environments,
    data: MarketData,
    agent: BacktestResult,
    *,
    n_draws: int = 200,
    seed: int = 0,
) -> RandomBand:
    """Backtest agents of the same turnover in random stocks, on its terms and from its account.

    Args:
        environments: Builds the run's environments.
        data: The block that the agent was backtested on.
        agent: Its backtest, long only.
        n_draws: Random agents, all stepped as one batch.
        seed: Of the draws.

    Raises:
        ValueError: If the agent was ever short.
        ConfigError: If a setting is refused.
    """
    evaluation = environments.cfg.evaluation
    env = environments.baseline(
        data,
        initial_amount=float(agent.cash[0]),
        hmax=ORDER_LIMIT,
        n_envs=n_draws,
        num_stock_shares=agent.shares[0].tolist(),
        fractional_shares=True,
        record=False,
    )
    return random_band(
        agent,
        _market(env),
        seed=seed,
        periods_per_year=evaluation.periods_per_year,
        risk_free=evaluation.risk_free,
    )


def _backtest_of(
    name: str,
    environments: Environments,
    data: MarketData,
    history: MarketData | None,
    initial_amount: float,
    windowed: dict[str, int],
) -> Callable[[], BacktestResult]:
    def compute() -> BacktestResult:
        if name == EQUAL_WEIGHT:
            return equal_weight(environments, data, initial_amount)
        env = environments.baseline(data, initial_amount=initial_amount, hmax=ORDER_LIMIT)
        policy: Policy = ConstantAction(np.zeros(data.n_stocks))
        if name != CASH:
            targets = weights.target_weights(RULES[name][1], data, history, **windowed)
            policy = TargetWeights(targets, _market(env).terms.rates)
        return backtest(policy, env, data, LABELS[name])

    return compute


def _market(env: VecEnv) -> MarketVecEnv:
    # `unwrapped` is typed as the wrapper's own class.
    return cast(MarketVecEnv, env.unwrapped)


def _say_what_is_missing(
    data: MarketData, history: MarketData | None, names: Sequence[str], window: int
) -> None:
    short = weights.days_without_window(window, history)
    rules = [name for name in names if name in RULES and name != "equal_weight_rebalanced"]
    if short and rules:
        log.warning(
            "%s: equal weight on the first %d of %d days, which have no %d returns before them",
            ", ".join(rules),
            min(short, data.n_days),
            data.n_days,
            window,
        )


def _fingerprint(data: MarketData, past: Any) -> dict[str, Any]:
    """Identify all of the data that a baseline's trades and their prices can depend on.

    The file's hash alone does not say which stocks, days and price scale were taken from it.
    """
    content = hashlib.sha256(repr(data.tickers).encode())
    for array in (data.dates.astype("datetime64[ns]"), data.close, data.open, data.volume, past):
        content.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return {
        "source": data.source.sha256,
        "first_day": data.day_names[0],
        "last_day": data.day_names[-1],
        "content": content.hexdigest(),
    }


def _code() -> dict[str, str]:
    """Identify the code whose change may change a result."""
    libraries = {name: version(name) for name in ("numpy", "scipy", "scikit-learn", "skfolio")}
    return {"finai_rl": code_hash(CODE), **libraries}

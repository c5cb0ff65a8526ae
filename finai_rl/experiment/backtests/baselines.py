"""Backtest baselines on a block, at the costs, fills and calendar of the agent's market."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from finai_rl.data.cache.code import code_hash
from finai_rl.data.market import MarketData
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.settings import cost_of_trading, per_stock
from finai_rl.errors import ConfigError
from finai_rl.evaluation.backtest import BacktestResult, backtest, backtests
from finai_rl.evaluation.coverage import Coverage
from finai_rl.evaluation.policies import weight_rules as weights
from finai_rl.evaluation.policies.buy_and_hold import bought_once
from finai_rl.evaluation.policies.target_weights import TargetWeights
from finai_rl.evaluation.random_band import RandomBand, random_band
from finai_rl.evaluation.result_cache import backtest_cache
from finai_rl.experiment.environments import Environments, Opening
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

KNOWING = "Knows the signal"
"""What reports call the account that knows what is planted in a generated market."""

BUY_COST = "buy_cost_pct"
"""The one setting that every environment needs, for equal weight to pay the agent's costs."""

CACHE_FOLDER = Path("cache", "baselines")
"""Where baselines are kept, below ``output_root``."""

CODE = (
    "envs", "evaluation", "statistics", "experiment/backtests/baselines.py",
    "experiment/environments.py", "experiment/device_env.py", "experiment/rewards.py",
    "config/build.py", "config/env_schemas.py", "config/reward_schemas.py", "config/bounds.py",
    "config/companions.py", "config/hydra_versions.py", "config/tickers", "data/market.py",
    "agents/evaluation_mode.py",
)  # fmt: skip
"""Rooms and files whose change may change a baseline's result."""


def equal_weight(environments: Environments, data: MarketData, opening: Opening) -> BacktestResult:
    """Backtest equal weight, bought on the first day and held, in the agent's market.

    Args:
        environments: Builds the run's environments.
        data: The block.
        opening: What the agent's account opens with; shares that are too many are sold.

    Raises:
        ConfigError: If a setting is refused, or the money does not buy one share of any stock.
    """
    cost_of_buying(environments, data)
    env = environments.baseline(data, opening)
    targets = bought_once(weights.equal_weight_of(data, 0), data.n_days)
    policy = TargetWeights(targets, market_of(env), environments.order_limit)
    result = backtest(policy, env, data, LABELS[EQUAL_WEIGHT])
    if not result.shares.any():
        raise ConfigError([_buys_nothing(environments, data, opening)])
    return result


def remedy_of(environments: Environments, baseline: BacktestResult, coverage: Coverage) -> str:
    """Return what would put all of equal weight's money into the market, as a clause."""
    settings, limit = environments.evaluation_settings, environments.order_limit
    decided = baseline.account_value[:-1], baseline.close[:-1]
    limited = limit is not None and limit.reached_by(baseline.trades, *decided)
    remedies = [limit.remedy] if limit is not None and limited else []
    whole = not settings.get("fractional_shares")
    if whole and (coverage.left_out or not limited):
        remedies += ["env.fractional_shares=true"] if environments.may_trade_fractions else []
        remedies.append("a larger env.initial_amount")
    change = " or ".join(remedies) or "other data"
    return f"{change} would change that; the agent has the same limits"


def shares_at_first(environments: Environments, data: MarketData) -> FloatArray:
    """Return the (n_stocks,) shares that the agent's evaluation begins with.

    Raises:
        ConfigError: If there are not as many as stocks.
    """
    held = environments.evaluation_settings.get("num_stock_shares") or 0.0
    try:
        return per_stock("num_stock_shares", held, data)
    except ValueError as error:
        raise ConfigError([f"evaluation.env: {error}"]) from error


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
    opening: Opening,
    every: int = weights.MONTH,
    window: int = 252,
    cache_folder: Path | None = None,
) -> dict[str, BacktestResult]:
    """Backtest baselines on a block, each in an account of its own in the agent's market.

    Args:
        environments: Builds the run's environments, on the terms that the agent trades on.
        data: The block.
        history: The same stocks on days before the block, for the rules with a window; None or
            a short one leaves them at equal weight at first, which a log line says.
        names: Of `LABELS`, in the order wanted.
        opening: What the agent's account opens with.
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
            f"baselines: no baseline {name!r}; choose from {list(LABELS)}" for name in unknown
        )
    _say_what_is_missing(data, history, names, window)
    kept = backtest_cache(cache_folder)
    past = None if history is None else history.close[-window:]
    market = conditions(environments, data, opening, past)
    windowed = {"every": every, "window": window}
    keys = {name: {"name": name, **(windowed if name in RULES else {}), **market} for name in names}
    results = {name: kept.find(key) for name, key in keys.items()}
    lacking = [name for name, found in results.items() if found is None]
    targets = {
        name: _targets_of(name, data, history, windowed) for name in lacking if name != EQUAL_WEIGHT
    }
    made = _side_by_side(targets, environments, data, opening)
    if EQUAL_WEIGHT in lacking:
        made[EQUAL_WEIGHT] = equal_weight(environments, data, opening)
    for name, result in made.items():
        kept.keep(keys[name], result)
    return {name: made[name] if found is None else found for name, found in results.items()}


def conditions(
    environments: Environments,
    data: MarketData,
    opening: Opening,
    past: FloatArray | None = None,
    code: Sequence[str] = CODE,
) -> dict[str, Any]:
    """Return all that a backtest in the agent's market depends on but for what is backtested.

    Args:
        environments: Builds the run's environments.
        data: The block.
        opening: What the account opens with.
        past: Closes before the block that a rule is given.
        code: Rooms and files whose change may change the result.
    """
    terms = environments.baseline_settings(data, opening)
    return {
        "prices": _fingerprint(data, past),
        "terms": terms,
        # In FinRL's arithmetic a feature may forbid trades.
        "features": _of_features(data) if terms.get("finrl_compat") else None,
        "order_limit": repr(environments.order_limit),
        "code": _code(code),
    }


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
    env = environments.baseline(data, Opening.of(agent), n_envs=n_draws, record=False)
    return random_band(
        agent,
        market_of(env),
        seed=seed,
        periods_per_year=evaluation.periods_per_year,
        risk_free=evaluation.risk_free,
    )


def _targets_of(
    name: str, data: MarketData, history: MarketData | None, windowed: dict[str, int]
) -> FloatArray:
    """Return the (n_days, n_stocks) weights that a baseline asks for."""
    if name == CASH:
        return bought_once(np.zeros(data.n_stocks), data.n_days)
    try:
        return weights.target_weights(RULES[name][1], data, history, **windowed)
    except ValueError as error:
        raise ConfigError([f"baselines: {name}: {error}"]) from error


def _side_by_side(
    targets: dict[str, FloatArray], environments: Environments, data: MarketData, opening: Opening
) -> dict[str, BacktestResult]:
    """Backtest baselines by their weights, as accounts of one batch: each is as it is alone."""
    if not targets:
        return {}
    env = environments.baseline(data, opening, n_envs=len(targets))
    try:
        policy = TargetWeights(
            np.stack(list(targets.values())), market_of(env), environments.order_limit
        )
        found = backtests(policy, env, data, [LABELS[name] for name in targets])
    except ValueError as error:
        raise ConfigError([f"baselines: {', '.join(targets)}: {error}"]) from error
    return dict(zip(targets, found, strict=True))


def _buys_nothing(environments: Environments, data: MarketData, opening: Opening) -> str:
    money = opening.worth(data.close[0])
    there = True if data.listed is None else data.listed[0]
    cheapest = int(np.where(there, data.close[0], np.inf).argmin())
    fractions = ", or set env.fractional_shares=true"
    return (
        f"env.initial_amount: {money:,.2f} over {data.n_stocks} stock(s) does not buy one share of "
        f"any; the cheapest, {data.tickers[cheapest]}, costs {data.close[0, cheapest]:,.2f}: raise "
        f"it{fractions if environments.may_trade_fractions else ''}"
    )


def market_of(env: VecEnv) -> MarketVecEnv:
    """Return the market inside of a baseline's environment."""
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
    dates = data.dates.astype("datetime64[ns]")
    for array in (dates, data.close, data.open, data.volume, data.listed, past):
        content.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return {
        "source": data.source.sha256,
        "first_day": data.day_names[0],
        "last_day": data.day_names[-1],
        "content": content.hexdigest(),
    }


def _of_features(data: MarketData) -> str:
    content = hashlib.sha256(repr((data.feature_names, data.sentiment_names)).encode())
    for array in (data.features, data.sentiment):
        content.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def _code(rooms: Sequence[str]) -> dict[str, str]:
    """Identify the code whose change may change a result."""
    libraries = {name: version(name) for name in ("numpy", "scipy", "scikit-learn", "skfolio")}
    return {"finai_rl": code_hash(rooms), **libraries}

"""What can be earned on a block of a generated market by who knows what is planted in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from finai_rl.data.market import MarketData
from finai_rl.data.sources.expectations import Expectations, expectations
from finai_rl.data.sources.synthetic import synthetic_market
from finai_rl.errors import InputError
from finai_rl.evaluation.backtest import BacktestResult, backtest
from finai_rl.evaluation.policies.buy_and_hold import bought_once
from finai_rl.evaluation.policies.signal_weights import (
    RULES,
    SignalRule,
    SignalWeights,
    mean_variance_weights,
)
from finai_rl.evaluation.policies.target_weights import TargetWeights
from finai_rl.evaluation.result_cache import backtest_cache
from finai_rl.experiment.backtests.baselines import (
    CASH,
    CODE,
    KNOWING,
    LABELS,
    conditions,
    equal_weight,
    market_of,
)
from finai_rl.experiment.environments import Environments, Opening
from finai_rl.experiment.market import planted_settings
from finai_rl.statistics.benchmark import ATTAINABLE, EQUAL_WEIGHT
from finai_rl.statistics.returns import sharpe_ratio
from finai_rl.type_aliases import FloatArray

TUNING_DAYS = 5_000
"""Days of the market that rules are tuned on, in parts as long as the block that is judged."""

MOST_PARTS = 8

TUNING_SEED = 2**40
"""What is added to the seed: the tuning market shares no random number with the judged one."""

CODE_OF_SIGNALS = (
    *CODE,
    "experiment/backtests/attainable.py",
    "data/sources",
    "data/indicators.py",
)
"""Rooms and files whose change may change the result."""


def attainable(
    environments: Environments,
    block: MarketData,
    opening: Opening,
    cache_folder: Path | None = None,
) -> BacktestResult | None:
    """Backtest the best known rule that knows what is planted, in the agent's market.

    The rules follow mean-variance weights of the expected returns, which the source of the market
    tells and which know nothing of a later day. Of these, of equal weight and of cash the one is
    taken that has the highest Sharpe ratio on a tuning market: of the same settings, with other
    random numbers, at the agent's costs, fills and order limit, in parts as long as the block,
    each opening with the agent's account at the block's first prices. Nothing is fitted to the
    block. It is a lower bound: a better rule may exist.

    Args:
        environments: Builds the run's environments.
        block: The days that are judged.
        opening: What the agent's account opens with.
        cache_folder: Where the result is kept, usually ``output_root / CACHE_FOLDER``.

    Returns:
        The account, its name ending with the rule; None where nothing is planted, or the block is
        not of the config's market.

    Raises:
        ConfigError: If a setting is refused.
    """
    settings = planted_settings(environments.cfg)
    if settings is None:
        return None
    try:
        known = expectations(settings, block)
    except InputError:
        return None
    yearly = _yearly(environments)
    key = {
        "name": ATTAINABLE,
        "planted": settings,
        "yearly": list(yearly),
        "allow_short": _may_short(environments),
        **conditions(environments, block, opening, code=CODE_OF_SIGNALS),
    }

    def compute() -> BacktestResult:
        rule = Tuning(environments, block, opening, settings).best()
        return run_rule(environments, block, opening, known, rule)

    return backtest_cache(cache_folder).get(key, compute)


def rule_of(result: BacktestResult) -> str:
    """Return the rule that `attainable` has backtested, in words."""
    return result.name.removeprefix(f"{KNOWING}: ")


class Tuning:
    """Rules on a tuning market; see `attainable`.

    Args:
        environments: Builds the run's environments.
        block: The days that are judged.
        opening: What the agent's account opens with.
        settings: Of the generated market that the block is of.

    Example:
        >>> import hydra
        >>> from finai_rl.config.command import CONFIG_DIR
        >>> with hydra.initialize_config_dir(str(CONFIG_DIR)):
        ...     cfg = hydra.compose("train", ["data=synthetic", "data.kind=pair", "env=portfolio"])
        >>> block = synthetic_market(kind="pair", n_days=30).slice_days(10, 30)
        >>> tuning = Tuning(Environments(cfg), block, Opening(1e6, (0.0,) * 5), {"kind": "pair"})
        >>> len(tuning.parts), len(tuning.parts[0].dates)
        (8, 20)
    """

    def __init__(
        self,
        environments: Environments,
        block: MarketData,
        opening: Opening,
        settings: Mapping[str, Any],
    ) -> None:
        self._environments, self._opening = environments, opening
        n_parts = min(math.ceil(TUNING_DAYS / block.n_days), MOST_PARTS)
        tuning = {
            **settings,
            "n_days": n_parts * block.n_days,
            "start": "1970-01-05",
            "seed": int(settings.get("seed", 0)) + TUNING_SEED,
            "indicators": (),
        }
        whole = synthetic_market(**tuning)
        known = expectations(tuning, whole)
        spans = [(n * block.n_days, (n + 1) * block.n_days) for n in range(n_parts)]
        self.parts = [_at_prices(whole.slice_days(*span), block.close[0]) for span in spans]
        self._known = [known.days(*span) for span in spans]

    def best(self) -> SignalRule | str:
        """Return the rule of the highest Sharpe ratio, or the name of the baseline above it."""
        found = self.sharpe_ratios()
        return max(found, key=lambda rule: found[rule])

    def sharpe_ratios(self) -> dict[SignalRule | str, float]:
        """Return the Sharpe ratio of everything that is tried, of all parts together."""
        yearly = _yearly(self._environments)
        held = [equal_weight(self._environments, part, self._opening) for part in self.parts]
        pooled = np.concatenate([result.returns for result in held])
        found: dict[SignalRule | str, float] = {
            EQUAL_WEIGHT: sharpe_ratio(pooled, *yearly),
            CASH: sharpe_ratio(np.zeros(len(pooled)), *yearly),
        }
        values = [
            self._accounts(part, known) for part, known in zip(self.parts, self._known, strict=True)
        ]
        returns = np.concatenate([v[:, 1:] / v[:, :-1] - 1.0 for v in values], axis=1)
        for rule, earned, worth in zip(RULES, returns, np.concatenate(values, axis=1), strict=True):
            if (worth > 0).all():
                found[rule] = sharpe_ratio(earned, *yearly)
        return {rule: ratio for rule, ratio in found.items() if not math.isnan(ratio)}

    def _accounts(self, part: MarketData, known: Expectations) -> FloatArray:
        """Return (n_rules, n_days) account values."""
        env = market_of(_environment(self._environments, part, self._opening, len(RULES)))
        aims = aims_of(self._environments, known, RULES)
        policy = SignalWeights(aims, RULES, env, self._environments.order_limit)
        observation = env.reset()
        values = np.empty((len(RULES), part.n_days))
        values[:, 0] = env.accounts["value"]
        for day in range(1, part.n_days):
            observation = env.advance(policy.predict(observation)[0])[0]
            values[:, day] = env.accounts["value"]
        return values


def aims_of(
    environments: Environments, known: Expectations, rules: tuple[SignalRule, ...]
) -> FloatArray:
    """Return (n_rules, n_days, n_stocks) weights that rules aim at, those of like rules once.

    Args:
        environments: Says whether the agent may sell short, and when orders fill.
        known: Of the days.
        rules: To be followed.
    """
    left_out = int(environments.evaluation_settings.get("fill") == "next_close")
    made: dict[tuple[float, float], FloatArray] = {}
    for rule in rules:
        if (key := (rule.risk_aversion, rule.discount)) not in made:
            made[key] = mean_variance_weights(
                known.ahead(left_out, rule.discount),
                known.market_variance,
                known.own_variance,
                rule.risk_aversion,
                allow_short=_may_short(environments),
            )
    return np.stack([made[rule.risk_aversion, rule.discount] for rule in rules])


def run_rule(
    environments: Environments,
    block: MarketData,
    opening: Opening,
    known: Expectations,
    rule: SignalRule | str,
) -> BacktestResult:
    """Backtest a rule, or the baseline of a name, on a block.

    Args:
        environments: Builds the run's environments.
        block: The days.
        opening: What the agent's account opens with.
        known: What is expected on these days.
        rule: Or ``equal_weight``, or ``cash``.

    Raises:
        ConfigError: If a setting is refused.
    """
    if rule == EQUAL_WEIGHT:
        result = equal_weight(environments, block, opening)
        return replace(result, name=f"{KNOWING}: {LABELS[EQUAL_WEIGHT].lower()}")
    if isinstance(rule, str):
        env = environments.baseline(block, opening)
        nothing = bought_once(np.zeros(block.n_stocks), block.n_days)
        held = TargetWeights(nothing, market_of(env), environments.order_limit)
        return backtest(held, env, block, f"{KNOWING}: {LABELS[CASH].lower()}")
    env = _environment(environments, block, opening)
    aims = aims_of(environments, known, (rule,))
    policy = SignalWeights(aims, [rule], market_of(env), environments.order_limit)
    return backtest(policy, env, block, f"{KNOWING}: {rule.words}")


def _environment(
    environments: Environments, block: MarketData, opening: Opening, n_envs: int = 1
) -> Any:
    changes: dict[str, Any] = {"n_envs": n_envs, "record": n_envs == 1}
    if _may_short(environments):
        changes["allow_short"] = True
    return environments.baseline(block, opening, **changes)


def _may_short(environments: Environments) -> bool:
    return bool(environments.evaluation_settings.get("allow_short"))


def _yearly(environments: Environments) -> tuple[float, float]:
    settings = environments.cfg.evaluation
    return float(settings.periods_per_year), float(settings.risk_free)


def _at_prices(part: MarketData, first: FloatArray) -> MarketData:
    """Scale the prices of a part so that it opens at given ones: order limits are in shares."""
    return _scaled(part, first / part.close[0])


def _scaled(data: MarketData, scale: FloatArray) -> MarketData:
    opens = None if data.open is None else data.open * scale
    # The days before go with them: volatility begins there, and a jump would be part of it.
    past = None if data.past is None else _scaled(data.past, scale)
    return replace(data, close=data.close * scale, open=opens, past=past)

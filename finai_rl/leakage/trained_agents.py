"""Gates that train agents: one that is told the future, and one whose features mean nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from finai_rl.config.env_schemas import COST, settings_with
from finai_rl.data.market import MarketData
from finai_rl.data.split import Split
from finai_rl.evaluation.backtest import backtest
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.leakage.altered_rollout import trajectory
from finai_rl.leakage.finding import Finding, Verdict
from finai_rl.leakage.panel import altered, days_to_alter
from finai_rl.statistics.newey_west import newey_west_t
from finai_rl.type_aliases import FloatArray

ORACLE, SHUFFLED, TRAINED = "gate: oracle", "gate: shuffled features", "another future, agent"
ORACLE_T, LUCK_T = 4.0, 3.0
ORDER_SHARE = 0.2
"""Of the opening cash that an order of an oracle's agent may move, at the median price."""


def gate_findings(cfg: DictConfig, split: Split) -> Iterator[Finding]:
    """Yield what training shows; minutes, where everything else takes seconds.

    * Oracle: the only feature is the return that an order earns next, and trading is free. The
      agent must beat equal weight on validation (t of at least 4 for daily log returns), or
      observations, actions or rewards do not belong together: a warning about the plumbing, and
      about every agent that found nothing.
    * Shuffled features: an agent whose features, sentiment and risk come from other days must not
      do better on validation than one with the real ones (t below 3, paired by day). If it does,
      the features are worth less than none. One pair of agents: luck of the seed is not in t.
    * The agent with real features must act alike up to a day whatever follows, like the fixed
      policy.
    """
    yield _oracle(cfg, split)
    agent, env = _trained(cfg, split.train)
    yield _acts_alike(cfg, split.validation, agent, env)
    real = _log_returns(cfg, split.validation, agent, env)
    blind_split = [shuffled_in_time(block, cfg.seed) for block in (split.train, split.validation)]
    blind_agent, blind_env = _trained(cfg, blind_split[0])
    blind = _log_returns(cfg, blind_split[1], blind_agent, blind_env)
    t_value = _paired_t(blind, real)
    verdict = Verdict.PASSED if t_value < LUCK_T else Verdict.WARNING
    said = f"validation growth {_growth(real)} with real, {_growth(blind)} with shuffled ones"
    yield Finding(SHUFFLED, "agent", verdict, f"{said} (t of the difference {t_value:.1f})")


def with_oracle(data: MarketData, fill: str) -> MarketData:
    """Return a panel whose only feature is what an order of the day earns until the next close.

    Args:
        data: The panel.
        fill: When orders fill: with ``next_open`` it is the return from that open to its close,
            with ``next_close`` that of the day after.
    """
    foretold = np.zeros_like(data.close)
    if fill == "next_close":
        foretold[:-2] = data.close[2:] / data.close[1:-1] - 1.0
    elif fill == "next_open" and data.open is not None:
        foretold[:-1] = data.close[1:] / data.open[1:] - 1.0
    else:
        foretold[:-1] = data.close[1:] / data.close[:-1] - 1.0
    return replace(
        data,
        features=foretold[:, np.newaxis, :],
        feature_names=("oracle",),
        sentiment=None,
        sentiment_names=(),
        past=None,
    )


def shuffled_in_time(data: MarketData, seed: int) -> MarketData:
    """Return a panel whose features, sentiment and risk index are those of random other days."""
    order = np.random.default_rng(seed).permutation(data.n_days)
    return replace(
        data,
        features=data.features[order],
        sentiment=None if data.sentiment is None else data.sentiment[order],
        risk=None if data.risk is None else data.risk[order],
    )


def _oracle(cfg: DictConfig, split: Split) -> Finding:
    changed = copy.deepcopy(cfg)
    changes: dict[str, Any] = dict.fromkeys(settings_with(COST), 0.0)
    changes |= {"indicators": None, "sentiment": False, "sentiment_modulation": None}
    if "hmax" in cfg.env:
        cash, price = float(cfg.env.initial_amount), float(np.median(split.train.close))
        changes["hmax"] = max(int(ORDER_SHARE * cash / price), 1)
    for name, value in changes.items():
        if name in cfg.env:
            OmegaConf.update(changed, f"env.{name}", value)
    fill = str(cfg.env.get("fill", "same_close"))
    agent, env = _trained(changed, with_oracle(split.train, fill))
    told = _log_returns(changed, with_oracle(split.validation, fill), agent, env)
    close, listed = split.validation.close, split.validation.listed
    # Before its listing a stock has no price to grow from.
    close = close if listed is None else close[:, listed[0]]
    held = np.diff(np.log((close / close[0]).mean(axis=1)))
    t_value = _paired_t(told, held)
    said = (
        f"told the next return, validation growth {_growth(told)}, equal weight {_growth(held)} "
        f"(t of the difference {t_value:.1f})"
    )
    if t_value >= ORACLE_T:
        return Finding(ORACLE, "agent", Verdict.PASSED, said)
    said += ": it does not use what it is told; raise total_timesteps, then suspect the plumbing"
    return Finding(ORACLE, "agent", Verdict.WARNING, said)


def _acts_alike(cfg: DictConfig, data: MarketData, agent: BaseAlgorithm, env: VecEnv) -> Finding:
    days = days_to_alter(data.n_days, cfg.days)
    _, actions = trajectory(cfg, data, max(days) + 1, agent, env)
    for day in days:
        _, again = trajectory(cfg, altered(data, day, cfg.seed + day), day + 1, agent, env)
        if not np.array_equal(again, actions[: len(again)]):
            said = f"acts otherwise up to {data.day_names[day]} when later days are altered"
            return Finding(TRAINED, "actions", Verdict.LEAK, said)
    said = f"the trained agent's are bit-identical on {len(actions)} days of validation"
    return Finding(TRAINED, "actions", Verdict.PASSED, said)


def _trained(cfg: DictConfig, data: MarketData) -> tuple[BaseAlgorithm, VecEnv]:
    env = Environments(cfg).training(data)
    agent = new_agent(cfg, env)
    agent.learn(int(cfg.total_timesteps))
    return agent, env


def _log_returns(
    cfg: DictConfig, data: MarketData, agent: BaseAlgorithm, trained: VecEnv
) -> FloatArray:
    result = backtest(agent, Environments(cfg).evaluation(data, trained), data, "agent")
    # A ruined account is worth nothing: its logarithm is not, so it ends just above.
    values = np.maximum(result.account_value, 1e-6 * result.account_value[0])
    return np.asarray(np.diff(np.log(values)))


def _paired_t(first: FloatArray, second: FloatArray) -> float:
    days = min(len(first), len(second))
    return newey_west_t(first[:days] - second[:days])


def _growth(log_returns: FloatArray) -> str:
    return f"{np.expm1(log_returns.sum()):+.1%}"

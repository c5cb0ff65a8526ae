"""What ``env.backend=torch`` does not do, as far as a config says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from finai_rl.config.reward_schemas import PROFIT

REWARDS = {
    PROFIT: "profit",
    "finai_rl.envs.rewards.LogReturn": "log_return",
    "finai_rl.envs.rewards.ExcessReturn": "excess_return",
    "finai_rl.envs.rewards.MeanVariance": "mean_variance",
}
"""Targets of the rewards that are computed on tensors, by the choice of ``reward``."""

WITHOUT = {
    "allow_short": "short selling",
    "impact": "market impact",
    "finrl_compat": "FinRL's own arithmetic",
    "sentiment_modulation": "scaling of actions by sentiment",
    "record": "books for callbacks",
}
"""Settings of ``env`` that it has to be off beside, and what they ask for."""


def backend_problems(node: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """Yield what a config asks for and accounts on tensors do not have.

    Args:
        node: The groups of a config as plain containers.
    """
    env = node.get("env", {})
    if env.get("backend") != "torch":
        return
    ways_out = "or set env.backend=compiled"
    for name, what in WITHOUT.items():
        if env.get(name):
            off = "null" if name == "sentiment_modulation" else "0" if name == "impact" else "false"
            yield (
                f"env.{name}: env.backend=torch has no {what}, got {env[name]}; set env.{name}="
                f"{off}, {ways_out}"
            )
    if node.get("data", {}).get("universe") == "mask":
        yield (
            "data.universe: env.backend=torch trades every stock on every day; set "
            f"data.universe=common_period or common_tickers, {ways_out}"
        )
    target = node.get("reward", {}).get("_target_", PROFIT)
    if target not in REWARDS:
        yield (
            f"reward: env.backend=torch pays {', '.join(REWARDS.values())}, not {target}; choose "
            f"one of these, {ways_out}"
        )
    if node.get("clone", {}).get("rule"):
        yield f"clone: a rule is taught on compiled accounts; leave it out, {ways_out}"

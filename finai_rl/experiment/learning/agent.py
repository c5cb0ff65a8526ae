"""Build the agent of a config, with the network that its policy sees the market through."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig

from finai_rl.config.build import build, import_target, plain
from finai_rl.config.limits.agents import OF_SB3, PER_ACTION
from finai_rl.config.safety.targets import LOOKUPS
from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

SETTING = "init_from"
"""Setting of an agent's node that `experiment.learning.warm_start` reads, not the agent."""

PLAIN = "stable_baselines3.common.torch_layers.FlattenExtractor"
"""``network=mlp``: the agent's own policy, as it is."""

ARS_MODULE, COUNTING_ARS = "sb3_contrib.ars.ars", "finai_rl.agents.ars.ARS"
"""What counts steps its own way, and what counts them as all agents here do."""

SHARED_POLICIES = {
    "stable_baselines3.common.policies.ActorCriticPolicy": "policies.SharedActorCriticPolicy",
    "stable_baselines3.td3.policies.TD3Policy": "policies.SharedTD3Policy",
    "stable_baselines3.sac.policies.SACPolicy": "policies.SharedSACPolicy",
    "sb3_contrib.tqc.policies.TQCPolicy": "contrib_policies.SharedTQCPolicy",
    "sb3_contrib.crossq.policies.CrossQPolicy": "contrib_policies.SharedCrossQPolicy",
}
"""Which policy shares its heads across stocks, for each of the libraries' policies."""


def new_agent(cfg: DictConfig, env: VecEnv) -> BaseAlgorithm:
    """Build the agent with its network.

    Settings marked ``_partial_`` are completed with the number of actions, the network with the
    layout of the environment.

    Raises:
        ConfigError: If a setting is unknown or refused, or agent and network do not go together.
    """
    from finai_rl.agents.torch_compiler import compiler_on_use

    compiler_on_use()
    network = plain(cfg.network) if cfg.get("network") is not None else None
    settings = {name: value for name, value in plain(cfg.agent).items() if name != SETTING}
    node = with_network(settings, network, env, int(cfg.env.get("window", 1)))
    partial = [
        name for name, value in node.items() if isinstance(value, dict) and value.get("_partial_")
    ]
    n_actions = int(np.prod(env.action_space.shape or (1,)))
    objects = {
        name: build({**node.pop(name), "_partial_": False}, f"agent.{name}", n_actions=n_actions)
        for name in partial
    }
    if str((node.get("action_noise") or {}).get("_target_")).startswith(OF_SB3):
        objects["action_noise"] = _noise_of_sb3(node.pop("action_noise"), n_actions)
    if isinstance(node.get("train_freq"), list):
        objects["train_freq"] = tuple(node.pop("train_freq"))
    if _is_ars(node["_target_"]):
        node["_target_"] = COUNTING_ARS
    agent: BaseAlgorithm = build(node, "agent", env=env, **objects)
    return agent


def _is_ars(target: str) -> bool:
    return getattr(import_target("agent._target_", target), "__module__", "") == ARS_MODULE


def _noise_of_sb3(node: dict[str, Any], n_actions: int) -> Any:
    """Build noise of SB3's, whose numbers for each action have to be arrays."""
    lists = {name: node[name] for name in PER_ACTION if node.get(name) is not None}
    for name, values in lists.items():
        if len(values) != n_actions:
            raise ConfigError(
                [
                    f"agent.action_noise.{name}: must have one number for each of the {n_actions} "
                    f"actions, got {len(values)}"
                ]
            )
    arrays = {name: np.array(values, dtype=np.float64) for name, values in lists.items()}
    rest = {name: value for name, value in node.items() if name not in lists}
    return build(rest, "agent.action_noise", **arrays)


def with_network(
    agent: dict[str, Any], network: dict[str, Any] | None, env: VecEnv, window: int
) -> dict[str, Any]:
    """Return an agent's settings with a network as features extractor of its policy.

    The network is told what of ``n_stocks``, ``window`` and ``cash_action`` it takes. One that
    gives an embedding per stock gets a policy whose heads are shared across stocks.

    Args:
        agent: Plain settings of the agent.
        network: ``_target_``, a features extractor class, and its settings; None for ``PLAIN``.
        env: The environment that the agent will learn in.
        window: Days in an observation.

    Raises:
        ConfigError: If the agent cannot use the network, or the environment lacks its layout.
    """
    if network is None or network["_target_"] == PLAIN:
        return agent
    policy = _policy_class(agent)
    extractor = _extractor_class(network)
    kwargs = agent.get("policy_kwargs") or {}
    if "features_extractor_class" in kwargs:
        raise ConfigError(
            ["network: agent.policy_kwargs names a features extractor already; set network=mlp"]
        )
    _check_takes_extractor(agent, network, policy)
    settings = {name: value for name, value in network.items() if name != "_target_"}
    settings |= _layout(extractor, network["_target_"], env, window)
    agent = agent | {
        "policy_kwargs": kwargs
        | {
            "features_extractor_class": _class_node(network["_target_"]),
            "features_extractor_kwargs": settings,
        }
    }
    if _shares_heads(extractor):
        agent["policy"] = _class_node(_shared_policy(agent, network, policy))
    return agent


def _class_node(path: str) -> dict[str, str]:
    return {"_target_": "hydra.utils.get_class", "path": path}


def _policy_class(agent: dict[str, Any]) -> type | None:
    """Return the policy that an agent would have, None where it names none that is known."""
    policy = agent.get("policy")
    if isinstance(policy, dict):
        if policy.get("_target_") not in LOOKUPS:  # Nothing has held its path against the list.
            raise ConfigError([f"agent.policy: must be a name or name a class by {LOOKUPS[0]}"])
        found: type | None = import_target("agent.policy", policy.get("path", ""))
        return found
    algorithm = import_target("agent._target_", agent["_target_"])
    known: dict[str, type] = getattr(algorithm, "policy_aliases", {})
    return known.get(str(policy))


def _extractor_class(network: dict[str, Any]) -> type:
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

    extractor = import_target("network._target_", network["_target_"])
    if not (isinstance(extractor, type) and issubclass(extractor, BaseFeaturesExtractor)):
        raise ConfigError(
            [f"network._target_: {network['_target_']} is no BaseFeaturesExtractor class"]
        )
    return extractor


def _check_takes_extractor(
    agent: dict[str, Any], network: dict[str, Any], policy: type | None
) -> None:
    takes = policy and "features_extractor_class" in inspect.signature(policy).parameters
    if not takes:
        named = agent.get("policy")
        whose = f"the policy {named} of {agent['_target_']}" if named else str(agent["_target_"])
        raise ConfigError(
            [
                f"network: {whose} takes no features extractor such as {network['_target_']}; set "
                "network=mlp"
            ]
        )


def _layout(extractor: type, path: str, env: VecEnv, window: int) -> dict[str, Any]:
    wanted = inspect.signature(extractor).parameters
    layout: dict[str, Any] = {"window": window} if "window" in wanted else {}
    if "n_stocks" not in wanted and "cash_action" not in wanted:
        return layout
    try:
        n_stocks = int(env.get_attr("n_stocks")[0])
    except AttributeError:
        raise ConfigError(
            [f"network: {path} needs an environment with n_stocks; set network=mlp"]
        ) from None
    n_actions = (env.action_space.shape or (0,))[0]
    if n_actions not in (n_stocks, n_stocks + 1):
        raise ConfigError(
            [f"network: {path} needs an action per stock, got {n_actions} for {n_stocks} stocks"]
        )
    given = {"n_stocks": n_stocks, "cash_action": n_actions == n_stocks + 1}
    return layout | {name: value for name, value in given.items() if name in wanted}


def _shares_heads(extractor: type) -> bool:
    from finai_rl.agents.networks import StockEncoder

    return issubclass(extractor, StockEncoder)


def _shared_policy(agent: dict[str, Any], network: dict[str, Any], policy: type | None) -> str:
    name = f"{policy.__module__}.{policy.__qualname__}" if policy else ""
    if name not in SHARED_POLICIES:
        raise ConfigError(
            [
                f"network: {network['_target_']} needs a policy whose heads can be shared across "
                f"stocks, and {agent['_target_']} has {agent.get('policy')}; there are such for "
                "a2c, ppo, trpo, ddpg, td3, sac, tqc and crossq with policy=MlpPolicy"
            ]
        )
    return f"finai_rl.agents.{SHARED_POLICIES[name]}"

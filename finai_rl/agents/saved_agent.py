"""A saved agent, read again for its weights: to let another agent start from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import load_from_zip_file, recursive_getattr

from finai_rl.agents.elegantrl.checkpoint import SUFFIX, box, read_checkpoint

NAMED = 3
"""How many of the layers that differ a message names."""

LEARNED_COEFFICIENTS = ("log_ent_coef", "alpha_log")
"""Entropy coefficients: learned by some agents of a class, and a setting of others."""


@dataclass(frozen=True, eq=False)
class SavedAgent:
    """What a model file holds of a trained agent, its optimizers and its replay buffer left out.

    Reading a ``.zip`` unpickles its settings: trust it as you trust whoever wrote it.

    Attributes:
        algorithm: Name of the class where the file says it, as ElegantRL's do; else empty.
        settings: Names of what else the file holds; algorithms are told apart by them.
        policy: Name of the policy class and what it was given, as text.
        observation_space: What the agent sees.
        action_space: What it does.
        parameters: State of each network by name, and single tensors.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from stable_baselines3 import A2C
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> env = StockTradingVecEnv(synthetic_market(n_days=6, n_stocks=2))
        >>> trained, other = A2C("MlpPolicy", env, seed=0), A2C("MlpPolicy", env, seed=1)
        >>> with TemporaryDirectory() as folder:
        ...     trained.save(f"{folder}/model.zip")
        ...     saved = SavedAgent.read(Path(folder, "model.zip"))
        >>> saved.differences(other), saved.start(other)
        ([], None)
        >>> other.policy.value_net.bias.equal(trained.policy.value_net.bias)
        True
    """

    algorithm: str
    settings: frozenset[str]
    policy: Mapping[str, str]
    observation_space: Any
    action_space: Any
    parameters: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path) -> SavedAgent:
        """Read a model file: ``.pth`` of an ElegantRL agent, or ``.zip`` of any other.

        Raises:
            ValueError: If it is not the file of an agent.
        """
        return _read_elegantrl(file) if file.suffix == SUFFIX else _read_sb3(file)

    def differences(self, agent: BaseAlgorithm) -> list[str]:
        """Return what keeps an agent from starting with these weights, one line each.

        Args:
            agent: The agent that is to start, untrained.
        """
        own = _facts(agent)
        if found := [*self._of_algorithm(agent, own)]:
            return found
        for name in ("observation_space", "action_space"):
            there, here = getattr(self, name), getattr(own, name)
            if there.shape != here.shape or type(there) is not type(here):
                found.append(f"{name.replace('_', ' ')}: {there} there, {here} here")
        for name in sorted(self.policy.keys() | own.policy.keys()):
            there, here = self.policy.get(name, "not set"), own.policy.get(name, "not set")
            if there != here:
                found.append(f"network: {name} is {there} there, {here} here")
        return found or list(_network_differences(self.parameters, own.parameters))

    def start(self, agent: BaseAlgorithm) -> None:
        """Give an agent the weights, in place; its optimizers stay as new.

        Args:
            agent: One without `differences`.
        """
        own = agent.get_parameters()
        known = {name: self.parameters[name] for name in own if name in self.parameters}
        agent.set_parameters(own | known, exact_match=True, device=agent.device)
        for name, value in self.parameters.items():
            if name not in own and isinstance(tensor := vars(agent).get(name), torch.Tensor):
                with torch.no_grad():
                    tensor.copy_(value)
        if "weights" in vars(agent):  # ARS searches around a vector of its own.
            flat = torch.nn.utils.parameters_to_vector(agent.policy.parameters())
            vars(agent)["weights"] = flat.detach().to(vars(agent)["weights"])

    def _of_algorithm(self, agent: BaseAlgorithm, own: SavedAgent) -> Iterator[str]:
        here = type(agent).__name__
        if bool(self.algorithm) != bool(own.algorithm):
            library = "ElegantRL" if self.algorithm else "Stable-Baselines3"
            yield f"algorithm: one of {library} there, {here} here"
        elif self.algorithm != own.algorithm:
            yield f"algorithm: {self.algorithm} there, {here} here"
        elif own.settings and (apart := sorted(self.settings ^ own.settings)):
            yield f"algorithm: another one there than {here} here, by {', '.join(apart[:NAMED])}"


def algorithm_of(agent: object) -> type:
    """Return the class that reads an agent's files, which its library has."""
    own = type(agent)
    return own.__mro__[1] if own.__module__ == "finai_rl.agents.ars" else own


def _read_sb3(file: Path) -> SavedAgent:
    try:
        data, parameters, variables = load_from_zip_file(file, device="cpu")
    except Exception as error:
        raise ValueError(f"{file} is not the file of an agent: {error}") from error
    if data is None or "observation_space" not in data:
        raise ValueError(f"{file} is not the file of an agent: it names no observation space")
    return SavedAgent(
        "",
        frozenset(name for name in data if not name.startswith("_")),
        _policy_facts(data.get("policy_class"), data.get("policy_kwargs") or {}),
        data["observation_space"],
        data["action_space"],
        _weights(parameters) | (variables or {}),
    )


def _read_elegantrl(file: Path) -> SavedAgent:
    # A file that is not a checkpoint at all is refused where it is read below.
    content: Any = None
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{file} is not the file of an ElegantRL agent: {error}") from error
    named = content.get("algorithm", "") if isinstance(content, dict) else ""
    content = read_checkpoint(file, named, torch.device("cpu"))
    return SavedAgent(
        named,
        frozenset(),
        {},
        box(content["observation_space"]),
        box(content["action_space"]),
        _weights(content["parameters"]),
    )


def _facts(agent: BaseAlgorithm) -> SavedAgent:
    """Describe an agent in memory as its file would."""
    elegantrl = getattr(agent, "model_suffix", "") == SUFFIX
    unsaved = set(agent._excluded_save_params())
    tensors = [] if elegantrl else agent._get_torch_save_params()[1]
    return SavedAgent(
        type(agent).__name__ if elegantrl else "",
        frozenset()
        if elegantrl
        else frozenset(
            name
            for name in vars(agent)
            if not name.startswith("_")
            and name not in unsaved
            and name.partition(".")[0] not in {text.partition(".")[0] for text in _torch(agent)}
        ),
        {} if elegantrl else _policy_facts(agent.policy_class, agent.policy_kwargs),
        agent.observation_space,
        agent.action_space,
        _weights(agent.get_parameters())
        | {name: recursive_getattr(agent, name) for name in tensors},
    )


def _torch(agent: BaseAlgorithm) -> list[str]:
    states, tensors = agent._get_torch_save_params()
    return [*states, *tensors]


def _weights(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: state for name, state in parameters.items() if not name.endswith("optimizer")}


def _policy_facts(policy: Any, settings: Mapping[str, Any]) -> dict[str, str]:
    """Name what changes a policy and cannot be seen from the shapes of its layers."""
    named = {
        name: getattr(value, "__name__", str(value))
        for name, value in settings.items()
        if name in ("activation_fn", "features_extractor_class")
    }
    return {"policy": getattr(policy, "__name__", str(policy)), **named}


def _network_differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    first, second = dict(_shapes(there)), dict(_shapes(here))
    apart = [
        name
        for name in [*first, *(name for name in second if name not in first)]
        if first.get(name) != second.get(name)
        and name.partition(":")[0] not in (*LEARNED_COEFFICIENTS, "ent_coef_tensor")
    ]
    for name in apart[:NAMED]:
        yield (
            f"network: {name} is {first.get(name, 'not there')} there, "
            f"{second.get(name, 'not there')} here"
        )
    if len(apart) > NAMED:
        yield f"network: {len(apart) - NAMED} further layers differ"


def _shapes(parameters: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, state in parameters.items():
        if isinstance(state, Mapping):
            for layer, tensor in state.items():
                yield f"{name}: {layer}", tuple(getattr(tensor, "shape", ()))
        else:
            yield name, tuple(getattr(state, "shape", ()))

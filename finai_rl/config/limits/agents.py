"""Types and bounds of the settings of the libraries' agents, by the name that all of them use.

The libraries take most of these as they come, and learn nothing or fail in the middle of a
training. A class of the user has settings of its own, which are left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from finai_rl.config.bounds import BOUNDS, Bound, above, at_least, finite, within

LIBRARIES = ("stable_baselines3.", "sb3_contrib.", "finai_rl.agents.elegantrl.")
ELEGANTRL = "finai_rl.agents.elegantrl."
LEARN_ENTROPY = ("SAC", "TQC", "CrossQ", "ElegantRLSAC")
"""Classes whose entropy coefficient may be ``auto``, by the last part of their targets."""

COUNT, FROM_ZERO, POSITIVE = (metadata[BOUNDS] for metadata in (at_least(1), at_least(0), above(0)))
SHARE = within(0, 1)[BOUNDS]
COUNT_OR_ALL = [
    Bound(lambda value: value == -1 or value >= 1, "be at least 1, or -1 for as many as were taken")
]
"""For counts of which -1 means all there are."""


@dataclass(frozen=True)
class Setting:
    """What a setting of a library may be.

    Attributes:
        bounds: Of its numbers.
        kind: ``int``, ``float`` or ``bool``.
        null: Whether it may be null.
        endless: Whether it may be infinite.
        schedule: Whether an object that gives a number for each moment of the training will do.
        words: What else it may be: a pattern of texts, as messages show it, and in which classes.

    Example:
        >>> list(Setting(COUNT).problems("agent.n_steps", 0, "stable_baselines3.PPO"))
        ['agent.n_steps: must be at least 1, got 0']
    """

    bounds: list[Bound]
    kind: type = int
    null: bool = False
    endless: bool = False
    schedule: bool = False
    words: str = ""

    def problems(self, key: str, value: Any, target: str) -> Iterator[str]:
        """Yield what is wrong with a value.

        Args:
            key: Where it stands in the config, for messages.
            value: Plain.
            target: The agent's class.
        """
        if value is None:
            yield from () if self.null else [f"{key}: must not be null"]
        elif self._is_word(value, target):
            return
        elif isinstance(value, Mapping) and "_target_" in value and self._takes_schedules(target):
            yield from _schedule_problems(key, value)
        elif self.kind is bool:
            yield from () if isinstance(value, bool) else [_must(key, "true or false", value)]
        elif isinstance(value, bool) or not isinstance(value, int | float):
            yield _must(key, self._wanted(target), value)
        else:
            yield from self._number_problems(key, value)

    def meant(self, value: Any) -> Any:
        """Return a whole number as such where it is written as 1e5."""
        whole = self.kind is int and isinstance(value, float) and value.is_integer()
        return int(value) if whole else value

    def _number_problems(self, key: str, value: float) -> Iterator[str]:
        bounds = self.bounds if self.endless else [finite(), *self.bounds]
        broken = [bound for bound in bounds if not bound.holds(value)]
        if broken:
            yield f"{key}: must {broken[0].wording}, got {value!r}"
        elif self.kind is int and value != int(value):
            yield _must(key, "a whole number", value)

    def _is_word(self, value: Any, target: str) -> bool:
        known = self.words and target.rpartition(".")[2] in LEARN_ENTROPY
        return bool(known and isinstance(value, str) and re.fullmatch(self.words, value))

    def _takes_schedules(self, target: str) -> bool:
        return self.schedule and not target.startswith(ELEGANTRL)

    def _wanted(self, target: str) -> str:
        said = "a whole number" if self.kind is int else "a number"
        if self.words and target.rpartition(".")[2] in LEARN_ENTROPY:
            said += " or auto"
        return f"{said} or a schedule" if self._takes_schedules(target) else said


def number(bounds: list[Bound], **more: Any) -> Setting:
    """Return a setting that is any number within bounds."""
    return Setting(bounds, float, **more)


ANY_NUMBER, FLAG = number([]), Setting([], bool)
AUTO = r"auto(_\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)?"

SETTINGS: Mapping[str, Setting] = {
    "action_noise_std": number(FROM_ZERO),
    "alive_bonus_offset": ANY_NUMBER,
    "batch_size": Setting(COUNT),
    "buffer_size": Setting(COUNT),
    "cg_damping": number(FROM_ZERO),
    "cg_max_steps": Setting(COUNT),
    "clip_range": number(POSITIVE, schedule=True),
    "clip_range_vf": number(POSITIVE, schedule=True, null=True),
    "delta_std": number(POSITIVE),
    "ent_coef": number(FROM_ZERO, words=AUTO),
    "gae_lambda": number(SHARE),
    "gamma": number(SHARE),
    "gradient_steps": Setting(COUNT_OR_ALL),
    "learning_rate": number(FROM_ZERO, schedule=True),
    "learning_starts": Setting(FROM_ZERO),
    "line_search_max_iter": Setting(COUNT),
    "line_search_shrinking_factor": number(SHARE),
    "max_grad_norm": number(POSITIVE, endless=True),
    "n_critic_updates": Setting(COUNT),
    "n_delta": Setting(COUNT),
    "n_epochs": Setting(COUNT),
    "n_eval_episodes": Setting(COUNT),
    "n_steps": Setting(COUNT),
    "n_top": Setting(COUNT, null=True),
    "normalize_advantage": FLAG,
    "optimize_memory_usage": FLAG,
    "policy_delay": Setting(COUNT),
    "rms_prop_eps": number(FROM_ZERO),
    "sde_sample_freq": Setting(at_least(-1)[BOUNDS]),
    "stats_window_size": Setting(COUNT),
    "sub_sampling_factor": Setting(COUNT),
    "target_entropy": number([], words="auto"),
    "target_kl": number(POSITIVE, null=True),
    "target_noise_clip": number(FROM_ZERO, endless=True),
    "target_policy_noise": number(FROM_ZERO),
    "target_update_interval": Setting(COUNT),
    "tau": number(SHARE),
    "top_quantiles_to_drop_per_net": Setting(FROM_ZERO),
    "use_rms_prop": FLAG,
    "use_sde": FLAG,
    "use_sde_at_warmup": FLAG,
    "verbose": Setting(within(0, 2)[BOUNDS]),
    "vf_coef": number(FROM_ZERO),
    "zero_policy": FLAG,
}
"""Of an agent."""

IN_POLICY: Mapping[str, Setting] = {
    "alpha": number(SHARE),
    "batch_norm": FLAG,
    "batch_norm_eps": number(FROM_ZERO),
    "batch_norm_momentum": number(SHARE),
    "clip_mean": number(FROM_ZERO),
    "dropout": number(SHARE),
    "enable_critic_lstm": FLAG,
    "eps": number(FROM_ZERO),
    "full_std": FLAG,
    "log_std_init": ANY_NUMBER,
    "lr": number(FROM_ZERO),
    "lstm_hidden_size": Setting(COUNT),
    "momentum": number(FROM_ZERO),
    "n_critics": Setting(COUNT),
    "n_lstm_layers": Setting(COUNT),
    "n_quantiles": Setting(COUNT),
    "normalize_images": FLAG,
    "ortho_init": FLAG,
    "renorm_warmup_steps": Setting(FROM_ZERO),
    "share_features_extractor": FLAG,
    "shared_lstm": FLAG,
    "squash_output": FLAG,
    "use_expln": FLAG,
    "weight_decay": number(FROM_ZERO),
    "with_bias": FLAG,
}
"""Of its ``policy_kwargs``, and of the optimizer's settings among them."""

IN_NOISE: Mapping[str, Setting] = {
    "dt": number(POSITIVE),
    "mean": ANY_NUMBER,
    "sigma": number(FROM_ZERO),
    "theta": number(FROM_ZERO),
}
"""Of its ``action_noise``."""
PER_ACTION = ("mean", "sigma", "initial_noise")
OF_SB3 = "stable_baselines3.common.noise."

LAYERS = ("net_arch", "net_dims")


def _noise_problems(key: str, value: Any, target: str) -> Iterator[str]:
    """Yield what is wrong with action noise; SB3's own classes take a number for each action."""
    if not isinstance(value, dict) or not str(value.get("_target_")).startswith(OF_SB3):
        yield from _nested(key, value, IN_NOISE, target)
        return
    for name, setting in IN_NOISE.items():
        found = value.get(name)
        if name not in PER_ACTION:
            yield from () if found is None else setting.problems(f"{key}.{name}", found, target)
        elif isinstance(found, list):
            for place, number in enumerate(found):
                yield from setting.problems(f"{key}.{name}[{place}]", number, target)
        elif found is not None:
            yield _must(f"{key}.{name}", "a list of one number for each action", found)


def agent_problems(node: dict[str, Any]) -> Iterator[str]:
    """Convert the whole numbers of an agent's settings, in place; yield what is wrong with them.

    Args:
        node: ``agent`` of a config, plain.
    """
    target = str(node.get("_target_"))
    if not target.startswith(LIBRARIES):
        return
    yield from _checked("agent", node, SETTINGS, target)


def _checked(
    key: str, node: dict[str, Any], table: Mapping[str, Setting], target: str
) -> Iterator[str]:
    special: dict[str, Callable[[str, Any], Iterator[str]]] = {
        "policy_kwargs": lambda key, value: _nested(key, value, IN_POLICY, target),
        "optimizer_kwargs": lambda key, value: _nested(key, value, IN_POLICY, target),
        "lstm_kwargs": lambda key, value: _nested(key, value, IN_POLICY, target),
        "action_noise": lambda key, value: _noise_problems(key, value, target),
        "train_freq": _frequency_problems,
        **dict.fromkeys(LAYERS, _layer_problems),
    }
    for name, value in node.items():
        place = f"{key}.{name}"
        if name in special:
            yield from special[name](place, value)
        elif name in table:
            node[name] = table[name].meant(value)
            yield from table[name].problems(place, node[name], target)
        elif name != "device":
            yield from _finite(place, value)


def _nested(key: str, value: Any, table: Mapping[str, Setting], target: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _checked(key, value, table, target)
    elif value is not None:
        yield f"{key}: holds settings, got {value!r}"


def _layer_problems(key: str, value: Any) -> Iterator[str]:
    """Yield what is no size of a hidden layer, in a list or in lists by name such as pi, qf, vf."""
    if isinstance(value, dict):
        for name, sizes in value.items():
            yield from _layer_problems(f"{key}.{name}", sizes)
    elif isinstance(value, list):
        for place, size in enumerate(value):
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                yield _must(f"{key}[{place}]", "a whole number from 1, the size of a layer", size)
    elif value is not None:
        yield _must(key, "a list of the sizes of hidden layers", value)


def _frequency_problems(key: str, value: Any) -> Iterator[str]:
    """Yield what is wrong with how often an agent trains: in steps, or ``[1, episode]``."""
    count, unit = value if isinstance(value, list) and len(value) == 2 else (value, "step")
    if isinstance(count, bool) or not isinstance(count, int) or unit not in ("step", "episode"):
        yield _must(key, "a whole number of steps, or a list such as [1, episode]", value)
    elif count < 1:
        yield f"{key}: must be at least 1, got {value!r}"


def _schedule_problems(key: str, node: Mapping[str, Any]) -> Iterator[str]:
    for name, value in node.items():
        if isinstance(value, Mapping):
            yield from _schedule_problems(f"{key}.{name}", value)
        elif isinstance(value, int | float):
            yield from number(FROM_ZERO).problems(f"{key}.{name}", value, "")


def _finite(key: str, value: Any) -> Iterator[str]:
    """Yield every number below a node that is none or infinite."""
    items: Any = ()
    if isinstance(value, dict):
        items = [(f"{key}.{name}", item) for name, item in value.items()]
    elif isinstance(value, list):
        items = [(f"{key}[{place}]", item) for place, item in enumerate(value)]
    elif isinstance(value, float):
        yield from ANY_NUMBER.problems(key, value, "")
    for place, item in items:
        yield from _finite(place, item)


def _must(key: str, what: str, value: Any) -> str:
    return f"{key}: must be {what}, got {value!r}"

"""Settings of the libraries' agents that act only beside others, as their code has them."""

from __future__ import annotations

from finai_rl.config.companions import Condition, beside, never

EXPLORES_BY_STATE = beside(".use_sde", True)
LEARNS_ENTROPY = Condition(
    ".ent_coef",
    lambda coefficient: coefficient is None or str(coefficient).startswith("auto"),
    "without {key}=auto, for which it is learned",
)
NOISY_TARGETS = Condition(
    ".target_policy_noise", lambda deviation: deviation != 0, "without {key} above 0"
)
ARS = "sb3_contrib.ARS"

CONDITIONS: dict[str, tuple[Condition, ...]] = {
    "rms_prop_eps": (beside(".use_rms_prop", True),),
    "sde_sample_freq": (EXPLORES_BY_STATE,),
    "use_sde_at_warmup": (EXPLORES_BY_STATE,),
    "target_entropy": (LEARNS_ENTROPY,),
    "target_noise_clip": (NOISY_TARGETS,),
}
"""By the name that every library has for it."""

OF_CLASS: dict[str, dict[str, tuple[Condition, ...]]] = {
    ARS: {
        "stats_window_size": (never("in ARS, which logs the mean of the episodes of each update"),),
    },
}
"""By the agent's class."""


def conditions_in_agent(name: str, target: str) -> tuple[Condition, ...]:
    """Return what must hold for a setting of an agent to act.

    Args:
        name: The setting, within ``agent``.
        target: The agent's class.
    """
    return (*CONDITIONS.get(name, ()), *OF_CLASS.get(target, {}).get(name, ()))

"""What a run does about a training that diverges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from finai_rl.agents.divergence import DivergenceWatch

LOWERED = ("learning_rate", "max_grad_norm", "clip_range", "n_epochs")
"""Settings of agents that make updates smaller where they are lowered."""


def watch_of(cfg: DictConfig) -> DivergenceWatch:
    """Return the callback that watches a run's training, as ``on_divergence`` says.

    Args:
        cfg: A checked config.
    """
    from finai_rl.agents.divergence import DivergenceWatch

    goes_on = cfg.get("on_divergence") == "continue"
    advice = "; ".join(_advice(cfg))
    return DivergenceWatch(advice, goes_on=goes_on)


def _advice(cfg: DictConfig) -> Iterator[str]:
    agent = {name: cfg.agent.get(name) for name in LOWERED}
    known = [
        f"agent.{name}" if OmegaConf.is_config(value) else f"agent.{name} (now {value:g})"
        for name, value in agent.items()
        if value is not None
    ]
    yield f"lower {' or '.join(known)}" if known else "lower what the agent learns by"
    if cfg.env.get("normalize") is False:
        yield "set env.normalize=true"

"""One batch of environments that becomes another one in the middle of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, is_vecenv_wrapped

from finai_rl.envs.wrappers.segments import segment_seed


class StagedVecEnv(VecEnv):
    """Several batches, of which one is stepped; `enter_stage` goes on to another.

    Everything that stands above it (normalization, windows, the agent and its buffers) lives on. In
    the step after `enter_stage`, running episodes are cut off: they are truncated where they are,
    and each account opens an episode of the new stage.

    Args:
        stages: Batches of the same size with the same observation and action spaces, in order.
            What is asked of the whole, such as the length of an episode, is that of the stage.

    Raises:
        ValueError: If there is none, or they differ in size or spaces.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> market = synthetic_market(n_days=9, n_stocks=2)
        >>> free = StockTradingVecEnv(market, buy_cost_pct=0)
        >>> env = StagedVecEnv([free, StockTradingVecEnv(market, buy_cost_pct=0.01)])
        >>> observations = env.reset()
        >>> env.step(np.ones((1, 2)))[2]
        array([False])
        >>> env.enter_stage(1)
        >>> observations, rewards, dones, infos = env.step(np.ones((1, 2)))
        >>> dones, infos[0]["TimeLimit.truncated"], env.stage
        (array([ True]), True, 1)
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so by VecEnv
    render_mode: str | None = None

    def __init__(self, stages: Sequence[VecEnv]) -> None:
        if not stages:
            raise ValueError("there is no stage")
        self.stages = list(stages)
        self.stage = 0
        self._next: int | None = None
        last = self.stages[-1]
        for place, other in enumerate(self.stages):
            if difference := _difference(other, last):
                raise ValueError(f"stage {place + 1}: {difference}")
        super().__init__(last.num_envs, last.observation_space, last.action_space)

    @property
    def current(self) -> VecEnv:
        """The batch that is stepped."""
        return self.stages[self.stage]

    def enter_stage(self, stage: int) -> None:
        """Go on to a stage, by its place, as soon as the next step is done."""
        self._next = stage if stage != self.stage else None

    def reset(self) -> Any:
        """Start new episodes, in the stage to go on to where there is one."""
        if self._next is not None:
            self.stage, self._next = self._next, None
        observations = self.current.reset()
        self.reset_infos = self.current.reset_infos
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep (n_envs, n_actions) actions for the next `step_wait`."""
        self.current.step_async(actions)

    def step_wait(self) -> Any:
        """Return observations, rewards, dones and infos; all are done where the stage is left."""
        stepped: Any = self.current.step_wait()
        if self._next is None:
            return stepped
        seen, rewards, dones, infos = stepped
        for env in map(int, np.flatnonzero(~dones)):
            infos[env]["terminal_observation"] = seen[env].copy()
            infos[env]["TimeLimit.truncated"] = True
        return self.reset(), rewards, np.ones_like(dones), infos

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Seed every stage with a seed of its own; the last one's is the one given."""
        seeds: list[int | None] = []
        for place, stage in enumerate(reversed(self.stages)):
            own = seed if seed is None or place == 0 else segment_seed(seed, place)
            seeds = list(stage.seed(own))
        return seeds

    def close(self) -> None:
        """Close every stage."""
        for stage in self.stages:
            stage.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of each environment of the current stage."""
        return list(self.current.get_attr(attr_name, indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute in every stage."""
        for stage in self.stages:
            stage.set_attr(attr_name, value, indices)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of each environment of the current stage, or `enter_stage`."""
        if method_name == "enter_stage":
            self.enter_stage(*method_args, **method_kwargs)
            return [None for _ in self._get_indices(indices)]
        return list(
            self.current.env_method(method_name, *method_args, indices=indices, **method_kwargs)
        )

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return whether each environment of the current stage is wrapped so, or monitored."""
        monitored = wrapper_class is Monitor and is_vecenv_wrapped(self.current, VecMonitor)
        return [monitored or own for own in self.current.env_is_wrapped(wrapper_class, indices)]


def _difference(one: VecEnv, last: VecEnv) -> str | None:
    if one.num_envs != last.num_envs:
        return f"it has {one.num_envs} environments, the run {last.num_envs}"
    for name in ("observation", "action"):
        own, theirs = (getattr(env, f"{name}_space") for env in (one, last))
        if own != theirs:
            return f"its {name}s are {own}, the run's {theirs}"
    return None

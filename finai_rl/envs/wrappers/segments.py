"""One batch of environments over several stretches of days, of which no episode spans two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecMonitor, is_vecenv_wrapped


class SegmentedVecEnv(VecEnv):
    """Several vectorized environments, each of a stretch of its own, stepped as one.

    Where days in between are held out, an account must not be carried across the gap: each
    environment of the batch stays in its stretch, and its episodes start and end there.

    Args:
        segments: Environments with the same observation and action spaces, in order.

    Raises:
        ValueError: If there is none, or their spaces differ.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> from finai_rl.envs.stock_trading import StockTradingVecEnv
        >>> market = synthetic_market(n_days=30, n_stocks=2)
        >>> around = [market.slice_days(0, 10), market.slice_days(20, 30)]
        >>> env = SegmentedVecEnv([StockTradingVecEnv(block, n_envs=2) for block in around])
        >>> env.num_envs, env.reset().shape
        (4, (4, 11))
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so by VecEnv
    render_mode: str | None = None

    def __init__(self, segments: Sequence[VecEnv]) -> None:
        if not segments:
            raise ValueError("there is no segment")
        first = segments[0]
        for other in segments[1:]:
            if (other.observation_space, other.action_space) != (
                first.observation_space,
                first.action_space,
            ):
                raise ValueError("the segments' observation or action spaces differ")
        self.segments = list(segments)
        self._ends = np.cumsum([segment.num_envs for segment in self.segments])
        super().__init__(int(self._ends[-1]), first.observation_space, first.action_space)

    def reset(self) -> Any:
        """Start new episodes; returns (n_envs, n_observations) observations."""
        observations: list[Any] = [segment.reset() for segment in self.segments]
        self.reset_infos = [info for segment in self.segments for info in segment.reset_infos]
        return np.concatenate(observations)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep (n_envs, n_actions) actions for the next `step_wait`."""
        parts = np.split(np.asarray(actions), self._ends[:-1])
        for segment, part in zip(self.segments, parts, strict=True):
            segment.step_async(part)

    def step_wait(self) -> Any:
        """Return observations, rewards, dones and infos of all segments, one after the other."""
        stepped: list[Any] = [segment.step_wait() for segment in self.segments]
        observations, rewards, dones = (
            np.concatenate([part[place] for part in stepped]) for place in range(3)
        )
        return observations, rewards, dones, [info for part in stepped for info in part[3]]

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Seed every segment with a seed of its own; the first one's is the one given."""
        seeds: list[int | None] = []
        for place, segment in enumerate(self.segments):
            own = seed if seed is None or place == 0 else segment_seed(seed, place)
            seeds += segment.seed(own)
        return seeds

    def close(self) -> None:
        """Close every segment."""
        for segment in self.segments:
            segment.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of each environment."""
        return [
            value
            for segment, chosen in self._chosen(indices)
            for value in segment.get_attr(attr_name, chosen)
        ]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of each environment."""
        for segment, chosen in self._chosen(indices):
            segment.set_attr(attr_name, value, chosen)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of each environment."""
        return [
            value
            for segment, chosen in self._chosen(indices)
            for value in segment.env_method(
                method_name, *method_args, indices=chosen, **method_kwargs
            )
        ]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return whether each environment is wrapped so; each of a monitored batch is monitored.

        Stable-Baselines3 looks for a `VecMonitor` in the wrappers above this one alone, and would
        take the rewards that they change for those of an episode.
        """
        return [
            wrapped or (wrapper_class is Monitor and is_vecenv_wrapped(segment, VecMonitor))
            for segment, chosen in self._chosen(indices)
            for wrapped in segment.env_is_wrapped(wrapper_class, chosen)
        ]

    def _chosen(self, indices: Any) -> list[tuple[VecEnv, list[int]]]:
        wanted = list(self._get_indices(indices))
        starts = [0, *self._ends[:-1]]
        found = [
            (segment, [index - start for index in wanted if start <= index < end])
            for segment, start, end in zip(self.segments, starts, self._ends, strict=True)
        ]
        return [(segment, chosen) for segment, chosen in found if chosen]


def segment_seed(seed: int, place: int) -> int:
    """Return the seed of a segment, independent of those of the others."""
    return int(np.random.SeedSequence([seed, place]).generate_state(1)[0])


def environments_per_segment(n_envs: int, lengths: Sequence[int]) -> list[int]:
    """Divide a batch between segments by their days, at least one each (largest remainders).

    Args:
        n_envs: Environments of the batch, at least as many as segments.
        lengths: Days of each segment.

    Raises:
        ValueError: If there are fewer environments than segments.
    """
    if n_envs < len(lengths):
        raise ValueError(
            f"n_envs must be at least {len(lengths)}, as training has so many separate stretches "
            f"of days and an account stays in one, got {n_envs}"
        )
    days = np.asarray(lengths, dtype=np.float64)
    quota = (n_envs - len(lengths)) * days / days.sum()
    counts = np.floor(quota).astype(int)
    left = n_envs - len(lengths) - int(counts.sum())
    counts[np.argsort(counts - quota, kind="stable")[:left]] += 1
    return [int(count) + 1 for count in counts]

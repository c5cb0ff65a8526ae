"""What an agent sees and does in the environment, with and without another future."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig
from stable_baselines3.common.vec_env import VecEnv

from finai_rl.data.market import MarketData
from finai_rl.evaluation.backtest import Policy
from finai_rl.experiment.environments import Environments
from finai_rl.leakage.altered_source import Recomputations
from finai_rl.leakage.finding import Finding, Verdict
from finai_rl.leakage.panel import altered

CHECK = "another future, environment"
Array = NDArray[Any]


class FixedPolicy:
    """A network of one layer with fixed random weights: whatever moves in a state moves it.

    Args:
        n_observations: Length of a state.
        n_actions: Length of an action.
        seed: Of the weights.

    Example:
        >>> policy = FixedPolicy(n_observations=11, n_actions=2, seed=0)
        >>> actions, _ = policy.predict(np.ones((3, 11)))
        >>> actions.shape, bool((abs(actions) < 1).all())
        ((3, 2), True)
    """

    def __init__(self, n_observations: int, n_actions: int, seed: int) -> None:
        weights = np.random.default_rng(seed).standard_normal((n_observations, n_actions))
        self._weights = weights / np.sqrt(n_observations)

    def predict(
        self,
        observation: Any,
        state: tuple[Array, ...] | None = None,
        episode_start: Array | None = None,
        deterministic: bool = True,
    ) -> tuple[Array, None]:
        """Return (n_envs, n_actions) float32 actions in (-1, 1)."""
        seen = np.asarray(observation, dtype=np.float64)
        squeezed = np.sign(seen) * np.log1p(np.abs(seen))
        return np.tanh(squeezed @ self._weights).astype(np.float32), None


def trajectory(
    cfg: DictConfig,
    data: MarketData,
    steps: int,
    agent: Policy | None = None,
    trained: VecEnv | None = None,
) -> tuple[Array, Array]:
    """Run a policy from a panel's first day on.

    Args:
        cfg: A checked config.
        data: The panel.
        steps: Days to trade at most.
        agent: Decides, deterministically; the fixed policy by default.
        trained: The environment it learned in, whose normalization is frozen.

    Returns:
        (at most steps, n_observations) states and (.., n_actions) actions, until the episode ends.
    """
    env = Environments(cfg).evaluation(data, trained)
    spaces = env.observation_space.shape, env.action_space.shape
    sizes = int(np.prod(spaces[0] or ())), int(np.prod(spaces[1] or ()))
    policy: Policy = agent or FixedPolicy(*sizes, cfg.seed)
    seen, done = [], []
    observation: Any = env.reset()
    state, starts = None, np.ones(1, dtype=bool)
    for _ in range(steps):
        actions, state = policy.predict(
            observation, state=state, episode_start=starts, deterministic=True
        )
        seen.append(observation[0].copy())
        done.append(actions[0].copy())
        observation, _reward, starts, _info = env.step(actions)
        if starts[0]:
            break
    env.close()
    return np.stack(seen), np.stack(done)


def environment_findings(
    cfg: DictConfig, data: MarketData, days: list[int], found: Recomputations
) -> Iterator[Finding]:
    """Yield whether observations or actions up to a day move when later days are others.

    Args:
        cfg: A checked config.
        data: The visible days.
        days: Indices of the last days that stay as they are.
        found: The source's own panels of other futures, traded as well.
    """
    states, actions = trajectory(cfg, data, max(days) + 1)
    panels = [(day, altered(data, day, cfg.seed + day), "altered") for day in days]
    panels += [
        (again.day, again.panel, again.how)
        for again in found.done
        if np.array_equal(again.panel.dates[: again.day + 1], data.dates[: again.day + 1])
        and again.panel.n_days > again.day + 1
    ]
    for day, panel, how in panels:
        if difference := _difference(cfg, panel, states[: day + 1], actions[: day + 1]):
            row, what = difference
            said = f"{what} of {data.day_names[row]} moves when days after {data.day_names[day]} "
            yield Finding(CHECK, cfg.env["_target_"], Verdict.LEAK, f"{said}are {how}")
            return
    said = (
        f"bit-identical on {len(states)} days of {states.shape[1]} entries, {len(panels)} futures"
    )
    yield Finding(CHECK, "observations, actions", Verdict.PASSED, said)


def _difference(
    cfg: DictConfig, panel: MarketData, states: Array, actions: Array
) -> tuple[int, str] | None:
    again = trajectory(cfg, panel, len(states))
    for what, before, after in zip(
        ("observation", "action"), (states, actions), again, strict=True
    ):
        common = min(len(before), len(after))
        rows = (before[:common] != after[:common]).any(axis=1)
        if rows.any() or len(before) != len(after):
            return int(np.argmax(rows)) if rows.any() else common - 1, what
    return None

"""Teach an agent a weight rule before it learns by itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from stable_baselines3.common.vec_env import VecNormalize

from finai_rl.agents.actors import ActorFit, actor_of
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.weight_actions import WeightActions, distance
from finai_rl.envs.wrappers.stages import StagedVecEnv
from finai_rl.errors import ConfigError
from finai_rl.evaluation.policies import weight_rules as rules
from finai_rl.statistics.benchmark import EQUAL_WEIGHT
from finai_rl.type_aliases import Float32Array, FloatArray

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.market import MarketData
    from finai_rl.data.split import Split
    from finai_rl.experiment.environments import Environments

log = logging.getLogger(__name__)

RULES = {
    "equal_weight": rules.equal_weight,
    "inverse_volatility": rules.inverse_volatility,
    "minimum_variance": rules.minimum_variance,
    "maximum_sharpe": rules.maximum_sharpe,
    "hierarchical_risk_parity": rules.hierarchical_risk_parity,
    "momentum": rules.momentum,
}
"""By the name that ``clone`` has for each."""

CLONES = "a2c, ppo, trpo, ddpg, td3, sac and tqc"
MOST_ROWS = 100_000
"""Demonstrations that are kept of the training environment."""
LOOK_EVERY = 10
"""Epochs from one measurement of the distance to the next."""
LED_ASTRAY = 0.5
"""Share of the steps of demonstrations that go to random weights."""


def clone_rule(
    environments: Environments, agent: BaseAlgorithm, env: VecEnv, split: Split
) -> dict[str, str]:
    """Fit an agent's deterministic actions to those that ask for the weights of a rule.

    What the rule would ask for is shown along an episode of the training environment, whose running
    statistics learn from it, and then along the agent's own way through the training days, until
    the weights that it asks for there are close enough. Its optimizers and critic are left alone.

    Args:
        environments: Of the run; ``clone`` of its config says which rule and how closely.
        agent: The agent, which has not learned yet.
        env: The environment that it will learn in.
        split: The days that are trained and validated on.

    Returns:
        Tags that say what was done; empty where nothing was asked for.

    Raises:
        ConfigError: If agent, environment or split are none that this is made for.
    """
    settings = environments.cfg.get("clone")
    if settings is None or settings.rule is None:
        return {}
    _check(environments, agent, env, split)
    wanted = _targets(str(settings.rule), split.train, settings.every, settings.window)
    apart = _Lesson(environments, agent, env, split.train, wanted).teach()
    said = f"{settings.rule}: the weights asked for are {apart:.4f} of the account apart on average"
    if apart > settings.tolerance:
        log.warning(
            "clone: %s on the training days, more than clone.tolerance=%s; more clone.epochs (now "
            "%d), a larger network or fewer stocks and days would bring them closer",
            said,
            settings.tolerance,
            settings.epochs,
        )
    else:
        log.info("clone: %s on the training days", said)
    return {"clone": str(settings.rule), "clone.distance": f"{apart:.6f}"}


def _check(environments: Environments, agent: BaseAlgorithm, env: VecEnv, split: Split) -> None:
    problems = []
    if isinstance(env.unwrapped, StagedVecEnv):
        problems.append(
            "clone: a rule is taught in the run's own environment, and a curriculum begins in "
            "another one; leave one of the two out"
        )
    elif not isinstance(env.unwrapped, PortfolioVecEnv):
        found = environments.cfg.env["_target_"]
        problems.append(
            f"clone: a rule gives weights, which are what actions of env=portfolio ask for; got "
            f"{found}: set env=portfolio, or leave clone out"
        )
    if actor_of(agent) is None:
        problems.append(
            f"clone: {environments.cfg.agent['_target_']} cannot be taught a rule; choose from "
            f"agent={CLONES}, or leave clone out"
        )
    if split.combinatorial:
        problems.append("clone: a rule needs training days without gaps; leave split=cpcv out")
    if problems:
        raise ConfigError(problems)


def _targets(rule: str, data: MarketData, every: int, window: int) -> FloatArray:
    """Return the (n_days, n_stocks + 1) weights that a rule last decided on, cash last."""
    try:
        decided = rules.target_weights(RULES[rule], data, every=every, window=window)
    except ValueError as error:
        raise ConfigError([f"clone: {rule}: {error}"]) from error
    short = min(rules.days_without_window(window, None), data.n_days)
    if short == data.n_days and rule != EQUAL_WEIGHT:
        raise ConfigError(
            [
                f"clone.window: none of {data.n_days} training days has {window} returns before "
                f"it: {rule} would be equal weight on all of them; set a shorter one"
            ]
        )
    if short and rule != EQUAL_WEIGHT:
        log.warning(
            "clone: %s is equal weight on the first %d of %d training days, which have no %d "
            "returns before them",
            rule,
            short,
            data.n_days,
            window,
        )
    days = np.where(np.isnan(decided).any(axis=1), 0, np.arange(len(decided)))
    held = decided[np.maximum.accumulate(days)]
    return np.column_stack([held, 1 - held.sum(axis=1)])


class _Lesson:
    """What an agent is shown, and how far it is from it.

    The actions wanted depend on the day alone, so that accounts may be led anywhere: half of the
    steps in the training environment go to random weights. After that the agent leads the account
    itself, and is shown what it should have asked for where it came to (Ross, Gordon & Bagnell,
    2011: DAgger).
    """

    def __init__(
        self,
        environments: Environments,
        agent: BaseAlgorithm,
        env: VecEnv,
        data: MarketData,
        wanted: FloatArray,
    ) -> None:
        self._settings, self._seed = environments.cfg.clone, int(environments.cfg.seed)
        self._reading = WeightActions.of(environments.evaluation_settings)
        self._agent, self._env, self._wanted = agent, env, wanted
        self._actions = self._reading.actions_for(wanted).astype(np.float32)
        self._rng = np.random.default_rng(self._seed)
        self._environments, self._data = environments, data

    def teach(self) -> float:
        """Fit until the agent's own account is led closely enough; return how far it is."""
        observations, actions = self._of_training()
        fit = ActorFit(self._agent, self._seed)
        apart = float("inf")
        for epoch in range(1, self._settings.epochs + 1):
            fit.epoch(observations, actions)
            if epoch % LOOK_EVERY and epoch < self._settings.epochs:
                continue
            seen, wanted, apart = self._of_its_own()
            if apart <= self._settings.tolerance:
                break
            observations = np.concatenate([observations, seen])[-2 * MOST_ROWS :]
            actions = np.concatenate([actions, wanted])[-2 * MOST_ROWS :]
        return apart

    def _of_training(self) -> tuple[Float32Array, Float32Array]:
        env = self._env
        observation: Any = env.reset()
        seen: list[Any] = []
        asked: list[Any] = []
        for _ in range(int(env.get_attr("episode_steps")[0])):
            wanted = self._actions[env.get_attr("accounts")[0]["day"]]
            seen.append(env.get_original_obs() if isinstance(env, VecNormalize) else observation)
            asked.append(wanted)
            weights = self._rng.dirichlet(np.ones(wanted.shape[1]), size=len(wanted))
            led = self._rng.random((len(wanted), 1)) < LED_ASTRAY
            astray = self._reading.actions_for(weights)
            observation, *_ = env.step(np.where(led, astray, wanted).astype(np.float32))
        rows = np.concatenate(seen), np.concatenate(asked)
        if len(rows[0]) > MOST_ROWS:
            kept = self._rng.choice(len(rows[0]), MOST_ROWS, replace=False)
            rows = rows[0][kept], rows[1][kept]
        shown: Any = rows[0]
        if isinstance(env, VecNormalize):
            shown = env.normalize_obs(shown)
        return np.asarray(shown, dtype=np.float32), rows[1]

    def _of_its_own(self) -> tuple[Float32Array, Float32Array, float]:
        """Let the agent lead an account through all days: what it sees, should ask, the error."""
        env = self._environments.evaluation(self._data, self._env)
        observation: Any = env.reset()
        seen: list[Any] = []
        found: list[Any] = []
        for _ in range(len(self._wanted) - 1):
            action, _ = self._agent.predict(observation, deterministic=True)
            seen.append(observation)
            found.append(action)
            observation, *_ = env.step(action)
        asked = self._reading.weights_of(np.concatenate(found))
        apart = float(distance(asked, self._wanted[:-1]).mean())
        return np.concatenate(seen), self._actions[:-1], apart

"""The stages of a curriculum: their markets, their environments, and when each is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig

from finai_rl.config.build import build, plain
from finai_rl.errors import ConfigError, InputError
from finai_rl.experiment.market import GENERATED, source_settings
from finai_rl.tracking import COUNTED_TAG

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.agents.curriculum import CurriculumProgress
    from finai_rl.data.market import MarketData
    from finai_rl.experiment.backtests.holdout import Holdout
    from finai_rl.experiment.backtests.holdout_blocks import HoldoutBlocks
    from finai_rl.tracking import Tracker

STAGE_SEED = 2**41
"""What is added to the seed of a run's generated market, where a stage's would be the same."""

Blocks = tuple["MarketData", ...]


@dataclass(frozen=True)
class Stage:
    """A stage before the run's own.

    Attributes:
        key: Where it stands in the config, and its name, for messages.
        settings: Of the stage, as in the config.

    Example:
        >>> Stage("curriculum.stages[0] (free)", {"name": "free", "until": 0.3}).settings["until"]
        0.3
    """

    key: str
    settings: dict[str, Any]


def stages_of(cfg: DictConfig) -> list[Stage]:
    """Return the stages of a checked config, none without a curriculum.

    Raises:
        ConfigError: If steps are not what the length of the training is counted in.
    """
    stages = plain(cfg.curriculum)["stages"] if cfg.get("curriculum") else []
    if stages and cfg.get("total_episodes") is not None:
        raise ConfigError(
            ["total_episodes: stages of a curriculum end by total_timesteps; set that instead"]
        )
    return [
        Stage(f"curriculum.stages[{place}] ({settings['name']})", settings)
        for place, settings in enumerate(stages)
    ]


def staged(
    cfg: DictConfig,
    own: VecEnv,
    blocks: Blocks,
    make: Callable[[dict[str, Any], Blocks], VecEnv],
) -> VecEnv:
    """Put the stages of a config before the run's own environment; without any, return that.

    Args:
        cfg: A checked config.
        own: The environment of the run's own settings.
        blocks: The run's stretches of training days.
        make: Makes an environment from changes of ``env`` and stretches of days.

    Raises:
        ConfigError: If a stage cannot be built, or its environment is of another shape.
    """
    stages = stages_of(cfg)
    if not stages:
        return own
    from finai_rl.envs.wrappers.stages import StagedVecEnv

    built = []
    for stage in stages:
        try:
            env = make(stage.settings.get("env") or {}, _blocks(stage.settings, cfg, blocks))
            StagedVecEnv([env, own])
        except ValueError as error:
            said = str(error).removeprefix("This config cannot be run as it is:\n  - ")
            raise ConfigError([f"{stage.key}: {said.removeprefix('stage 1: ')}"]) from error
        built.append(env)
    env = StagedVecEnv([*built, own])
    env.seed(cfg.seed)
    return env


def _blocks(settings: dict[str, Any], cfg: DictConfig, blocks: Blocks) -> Blocks:
    if settings.get("data"):
        blocks = (_other_market(settings["data"], cfg, blocks),)
    if settings.get("first_day") or settings.get("last_day"):
        return (_between(settings.get("first_day"), settings.get("last_day"), _one(blocks)),)
    if settings.get("calmest"):
        return (_calmest(settings["calmest"], _one(blocks)),)
    return blocks


def _one(blocks: Blocks) -> MarketData:
    if len(blocks) > 1:
        raise InputError("days are held out in between here: a stage cannot choose its own")
    return blocks[0]


def _other_market(changes: dict[str, Any], cfg: DictConfig, blocks: Blocks) -> MarketData:
    """Load another market: a generated one as a whole, of others the run's training days."""
    trained, own = _one(blocks), source_settings(cfg)
    node = changes if "_target_" in changes else {**own, **changes}
    if node["_target_"] != GENERATED:
        market: MarketData = build(node, "data")
        return _between(None, str(trained.dates[-1]), market)
    # Beside feature_0, which every generated market has.
    further = max(len(trained.feature_names) - 1, 0)
    shape = {"n_stocks": trained.n_stocks, "n_features": further}
    node = {**(shape if "_target_" in changes else {}), **node}
    seed = int(node.get("seed", 0))
    if own.get("_target_") == GENERATED and seed == int(own.get("seed", 0)):
        # Equal seeds give every kind the same shocks: the stage would teach days that are held out.
        node["seed"] = seed + STAGE_SEED
    generated: MarketData = build(node, "data")
    return generated


def _between(first: str | None, last: str | None, data: MarketData) -> MarketData:
    try:
        start = 0 if first is None else int(np.searchsorted(data.dates, np.datetime64(first)))
        after = data.n_days
        if last is not None:
            # One more of the unit that it is written in: a day has all of its bars.
            end = np.datetime64(last) + np.timedelta64(1)
            after = int(np.searchsorted(data.dates, end))
    except ValueError as error:
        raise InputError(f"first_day, last_day: no date: {error}") from error
    if after - start < 2:
        raise InputError(
            f"first_day, last_day: {max(after - start, 0)} of its days lie between "
            f"{first or 'its first'} and {last or 'its last'}; they are {data.span}"
        )
    return data.slice_days(start, after)


def _calmest(share: float, data: MarketData) -> MarketData:
    """Return the stretch of a share of the days whose mean risk index is lowest."""
    if data.risk is None:
        raise InputError("calmest: needs a risk index, and this data has none")
    length = max(2, round(share * data.n_days))
    total = np.concatenate([[0.0], np.cumsum(data.risk)])
    start = int(np.argmin(total[length:] - total[:-length]))
    return data.slice_days(start, start + length)


def curriculum_callbacks(
    cfg: DictConfig,
    agent: BaseAlgorithm,
    env: VecEnv,
    steps: int,
    holdout: Holdout | HoldoutBlocks,
    tracker: Tracker,
) -> Sequence[CurriculumProgress]:
    """Return the callback that goes from stage to stage; none without a curriculum.

    Raises:
        ConfigError: If a stage waits for what validation does not measure.
    """
    stages = stages_of(cfg)
    if not stages:
        return ()
    from finai_rl.agents.curriculum import CurriculumProgress, StageEnd
    from finai_rl.experiment.backtests.holdout import Holdout

    ends = []
    for stage in stages:
        settings = stage.settings
        end = StageEnd(settings["name"], round(settings["until"] * steps))
        if settings.get("until_score"):
            ((metric, goal),) = settings["until_score"].items()
            if not isinstance(holdout, Holdout):
                raise ConfigError([f"{stage.key}.until_score: needs one validation block"])
            known = holdout.measure(holdout.baseline)
            if metric not in known:
                raise ConfigError(
                    [f"{stage.key}.until_score: no metric {metric!r}; choose from {list(known)}"]
                )
            learned = _look(holdout, agent, env, tracker, metric, goal)
            end = StageEnd(end.name, end.step, settings["every"], learned)
        ends.append(end)
    return (CurriculumProgress(ends),)


def _look(
    holdout: Holdout, agent: BaseAlgorithm, env: VecEnv, tracker: Tracker, metric: str, goal: float
) -> Callable[[], bool]:
    def learned() -> bool:
        result = holdout.run(agent, env, "look")
        tracker.set_tags({COUNTED_TAG: "true"})
        score = holdout.measure(result).get(metric, float("nan"))
        if np.isfinite(score):
            tracker.log_metrics({f"validation_curve/{metric}": score}, agent.num_timesteps)
        return bool(score >= goal) and not result.ruined

    return learned

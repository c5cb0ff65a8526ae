"""Whether the blocks of a split are apart, and training knows of its own block only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from finai_rl.data.market import MarketData
from finai_rl.data.split import SealedBlock, Split
from finai_rl.experiment.environments import Environments
from finai_rl.leakage.altered_source import Recomputation
from finai_rl.leakage.finding import Finding, Verdict
from finai_rl.leakage.panel import altered

BLOCKS, STATISTICS, TEST = "split", "normalization", "test block"
STEPS = 64


def split_findings(cfg: DictConfig, split: Split, again: Recomputation | None) -> Iterator[Finding]:
    """Yield where the blocks lie, and whether anything of a later one reaches an earlier one.

    Args:
        cfg: A checked config.
        split: The split.
        again: The source run on another future after the last day of training, if it could be.
    """
    yield _blocks(split)
    yield _sealed(split)
    yield _statistics(cfg, split, again)


def _blocks(split: Split) -> Finding:
    spans = []
    for name, block in (("train", split.train), ("validation", split.validation)):
        spans.append(f"{name} {block.span} ({block.n_days} days)")
    if split.test is not None:
        test = split.test
        spans.append(f"test {test.first_day} to {test.last_day} ({test.n_days} days, sealed)")
    apart = split.train.dates[-1] < split.validation.dates[0]
    if split.test is not None:
        apart &= split.validation.day_names[-1] < split.test.first_day
    verdict = Verdict.PASSED if apart else Verdict.LEAK
    said = "" if apart else "blocks overlap: "
    return Finding(BLOCKS, "train, validation, test", verdict, said + "; ".join(spans))


def _panels(split: Split) -> list[tuple[str, MarketData]]:
    blocks = [("train", split.train), ("validation", split.validation)]
    past = [(f"{name}.past", block.past) for name, block in blocks]
    return [*blocks, *((name, block) for name, block in past if block is not None)]


def _sealed(split: Split) -> Finding:
    """Check that what is handed on holds the dates of the test block and no array around it."""
    views = [
        f"{name}.{column}"
        for name, block in _panels(split)
        for column, values in vars(block).items()
        if isinstance(values, np.ndarray)
        and values.base is not None
        and np.asarray(values.base).size > values.size
    ]
    held = split.test is not None and not isinstance(split.test, SealedBlock)
    if views or held:
        said = f"{', '.join(views) or 'test'} reaches rows outside of its block"
        return Finding(TEST, "arrays", Verdict.LEAK, f"{said}: return copies, and only its dates")
    said = "no array of training or validation reaches it" if split.test else "there is none"
    return Finding(TEST, "arrays", Verdict.PASSED, said)


def _statistics(cfg: DictConfig, split: Split, again: Recomputation | None) -> Finding:
    """Check that statistics come from training only, and stay what they are on validation."""
    env, seen = _trained(cfg, split.train)
    moved = []
    if again is not None:
        other, seen_again = _trained(cfg, again.panel.slice_days(0, split.train.n_days))
        if not np.array_equal(seen, seen_again) or not _same(_moments(env), _moments(other)):
            moved.append("training moves when everything after its last day is altered")
    before = _moments(env)
    for block in (split.validation, altered(split.validation, 0, cfg.seed)):
        held_out = Environments(cfg).evaluation(block, env)
        held_out.reset()
        for _ in range(min(STEPS, block.n_days - 2)):
            held_out.step(np.zeros((1, *(held_out.action_space.shape or ())), np.float32))
        if not _same(before, _moments(held_out)):
            moved.append("frozen statistics move on validation")
    if moved:
        return Finding(STATISTICS, "observations", Verdict.LEAK, "; ".join(dict.fromkeys(moved)))
    frozen = "statistics do not move on validation" if before else "the environment has none"
    tested = "" if again is None else "; training does not move when all later days are altered"
    return Finding(STATISTICS, "observations", Verdict.PASSED, frozen + tested)


def _trained(cfg: DictConfig, data: MarketData) -> tuple[VecEnv, NDArray[Any]]:
    env = Environments(cfg).training(data)
    rng = np.random.default_rng(cfg.seed)
    seen: list[Any] = [env.reset()]
    for _ in range(STEPS):
        shape = (env.num_envs, *(env.action_space.shape or ()))
        seen.append(env.step(rng.uniform(-1, 1, shape).astype(np.float32))[0])
    return env, np.stack(seen)


def _moments(env: VecEnv) -> list[NDArray[Any]]:
    if not isinstance(env, VecNormalize):
        return []
    moments: Any = env.obs_rms
    return [moments.mean.copy(), moments.var.copy(), np.asarray(moments.count)]


def _same(first: list[NDArray[Any]], second: list[NDArray[Any]]) -> bool:
    return all(np.array_equal(*pair) for pair in zip(first, second, strict=True))

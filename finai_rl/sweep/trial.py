"""A job of a multirun: train each seed, and record the outcome; the sweep is not its business."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config.build import build, plain
from finai_rl.config.command import WithSeed
from finai_rl.config.safety.secrets import argument_without_secrets
from finai_rl.errors import InputError, StoppedEarly, disk_trouble
from finai_rl.evaluation.metrics import objective
from finai_rl.experiment.learning.hooks import TrainingHooks
from finai_rl.statistics.seeds import aggregate, middle_seed
from finai_rl.sweep import outcome as states
from finai_rl.sweep.context import SweepContext
from finai_rl.sweep.launching.concurrency import within_cores
from finai_rl.sweep.outcome import Outcome, load_returns, save_returns
from finai_rl.sweep.previous_fold import model_of_previous_fold
from finai_rl.sweep.search.objectives import names_of
from finai_rl.sweep.study import StudyTrial
from finai_rl.sweep.trials.going_on import (
    close_left,
    forget,
    left_by,
    overtaken,
    same_store,
    set_aside,
    training_in,
)
from finai_rl.sweep.trials.pruning import ValidationLooks, looks_at
from finai_rl.tracking import COUNTED_TAG, NoTracker, Tracker
from finai_rl.tracking.outage import wait_for_store

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import VecEnv

    from finai_rl.data.split import Split
    from finai_rl.experiment.backtests.holdout import Holdout, HoldoutReport
    from finai_rl.experiment.backtests.holdout_blocks import HoldoutBlocks
    from finai_rl.experiment.checkpoints.resume import Resumed
    from finai_rl.type_aliases import FloatArray

log = logging.getLogger(__name__)

Train = Callable[[DictConfig, Path, TrainingHooks, "Resumed | None"], float]


class TrialKilled(RuntimeError):
    """A worker was terminated; raised instead of `SystemExit`, which would end all workers."""


class Trial:
    """One trial of a sweep, with all its seeds.

    Where an attempt of a search was interrupted in this folder, the next one goes on with it: seeds
    that were trained stay, the one in training goes on from its checkpoint, in the same MLflow run.

    Args:
        cfg: The job's checked config.
        folder: The job's folder.
        context: What it has to know of its sweep.
        with_seed: Gives the config with another seed.
    """

    def __init__(
        self, cfg: DictConfig, folder: Path, context: SweepContext, with_seed: WithSeed
    ) -> None:
        self.cfg, self.context = within_cores(cfg, context.n_jobs), context
        self._folder, self._with_seed = folder, with_seed
        number = cfg.sweep.trial if cfg.sweep.trial is not None else HydraConfig.get().job.num
        known = Outcome(
            int(number), cfg.sweep.attempt or 1, states.RUNNING, params=_swept(), folder=str(folder)
        )
        self._overtaken = overtaken(folder, known.attempt) if context.study else None
        before = left_by(folder, known.number, cfg.sweep.seeds) if context.study else None
        self._goes_on = before is not None
        self.outcome = known if before is None else before.gone_on_with(known)
        self.tracker: Tracker = NoTracker()
        self.study = StudyTrial(context, int(number)) if context.study else None
        self._returns = self._returns_of_seeds(len(self.outcome.scores))
        # A seed whose returns are lost is scored again: those of the trial are the mean of all.
        there = self.outcome.scores[: len(self._returns)]
        further = self.outcome.further[: len(there)]
        self.outcome = replace(self.outcome, scores=there, further=further)
        self._dates: list[str] = []

    def run(self, train: Train) -> float:
        """Train every seed and return the objective over all of them; NaN where there is none.

        Raises:
            Exception: What a seed raised, in a grid; a search reads it from the trial's file.
        """
        if self._overtaken is not None:
            log.warning("%s was started elsewhere; nothing to do", self._overtaken.run_name)
            return float("nan")
        self.outcome.save()
        try:
            value = self._train_seeds(train)
        except StoppedEarly as stop:
            self._end(states.PRUNED, self.last_score, str(stop))
        except Exception as error:
            self._end(states.FAIL, None, f"{type(error).__name__}: {error}")
            if self.context.study is None:
                raise
            known = isinstance(error, InputError) or disk_trouble(error) is not None
            log.error("Trial %d failed: %s", self.outcome.number, error, exc_info=not known)
        except BaseException as end:
            self._end(states.KILLED, None, type(end).__name__)
            if os.getpid() != self.context.pid and not isinstance(end, KeyboardInterrupt):
                raise TrialKilled(f"trial {self.outcome.number} was told to end") from None
            raise
        else:
            if self.outcome.further:
                self.outcome = replace(self.outcome, values=[value, *self._further_over_seeds()])
            self._end(states.COMPLETE, value, None)
            return value
        return float("nan")

    @property
    def last_score(self) -> float | None:
        """The objective over what was scored so far, looks in the middle of training included."""
        scores = [*self.outcome.scores, *self._look]
        return aggregate(np.array(scores), self.cfg.sweep.aggregate) if scores else None

    _look: Sequence[float] = ()

    def opened(self, tracker: Tracker, seed: int | None = None) -> None:
        """Mark an MLflow run as the trial's own, or as that of one of its seeds, from 0."""
        known = {"sweep.trial": str(self.outcome.number)}
        if seed is not None:
            run_ids = [tracker.run_id] if tracker.run_id else []
            runs = [*self.outcome.seed_runs[:seed], *run_ids]
            self.outcome = replace(self.outcome, seed_runs=runs)
            tracker.set_tags({**known, "sweep.level": "seed"})
            return
        self.tracker = tracker
        self.outcome = replace(self.outcome, run_id=tracker.run_id)
        self.outcome.save()
        state = {"sweep.level": "trial", "sweep.state": states.RUNNING}
        if self.context.study is not None:
            state["sweep.study"] = self.context.study.name
        known |= {**state, "sweep.attempt": str(self.outcome.attempt)}
        if not self._goes_on:
            tracker.set_tags(known)
            return
        tracker.set_tags(known, instead_of=("sweep.reason",))
        tracker.rename(self.outcome.run_name)

    def score_of(self, value: float, ruined_on: str | None, number: int = 0) -> float:
        """Return a seed's objective: that of the backtest, or the penalty of a ruined account.

        Args:
            value: Of the backtest.
            ruined_on: The day that the account was ruined on, if it was.
            number: Of the objective, from 0.
        """
        penalty = self.cfg.sweep.ruined
        if ruined_on is None or penalty is None:
            return value
        directions = self.study.directions if self.study else [self.context.direction]
        return float(-penalty if directions[number] == "minimize" else penalty)

    def scored(
        self,
        score: float,
        dates: list[str],
        returns: FloatArray,
        folder: Path,
        further: Sequence[float] = (),
    ) -> None:
        """Record a seed's final objectives and daily returns, and these in its folder."""
        save_returns(folder, dates, returns)
        self.outcome = replace(self.outcome, scores=[*self.outcome.scores, score])
        if further:
            kept = [*self.outcome.further, list(further)]
            self.outcome = replace(self.outcome, further=kept)
        self._returns, self._dates, self._look = [*self._returns, returns], dates, ()
        self.outcome.save()

    def looked(self, step: int, score: float, dates: list[str], returns: FloatArray) -> bool:
        """Record an intermediate score and return whether the trial is to be pruned for it."""
        self._look = (score,)
        save_returns(self._folder, dates, returns)
        value = self.last_score
        return self.study is not None and value is not None and self.study.report(step, value)

    def _train_seeds(self, train: Train) -> float:
        wait_for_store(build(self.cfg.tracking, "tracking"))
        seeds = [self.cfg.seed + number for number in range(self.cfg.sweep.seeds)]
        if len(seeds) == 1:
            cfg = self._nested(self.cfg, self.outcome.run_name, self.context.parent_run_id)
            self._train_one(train, cfg, self._folder, 0)
        else:
            self._train_several(train, seeds)
        # Their mean would be an account that no one holds, with less risk than any of them.
        middle = self._returns[middle_seed(self.outcome.scores)]
        save_returns(self._folder, self._dates, middle)
        value = self.last_score
        assert value is not None
        return value

    def _train_several(self, train: Train, seeds: list[int]) -> None:
        cfg = self._nested(self.cfg, self.outcome.run_name, self.context.parent_run_id)
        tracker: Tracker = build(cfg.tracking, "tracking")
        tracker.journal_in(self._folder)
        if self.outcome.run_id is not None and same_store(self._folder, cfg):
            tracker.reopen(self.outcome.run_id)
        done = len(self.outcome.scores)
        with tracker:
            self.opened(tracker)
            tracker.log_config(plain(cfg), list(HydraConfig.get().overrides.task))
            for number, seed in enumerate(seeds):
                if number < done - 1:
                    continue
                if number >= done:
                    name = f"trial-{self.outcome.number}-seed-{seed}"
                    one = within_cores(self._with_seed(seed), self.context.n_jobs)
                    one = self._nested(one, name, tracker.run_id)
                    self._train_one(train, one, self._folder / f"seed_{seed}", number)
                if self.last_score is not None:
                    tracker.log_metrics({"objective": self.last_score}, number)
                step = (number + 1) * (self.cfg.sweep.evaluations + 1)
                if number + 1 < len(seeds) and self._pruned_after_seed(step):
                    raise StoppedEarly(f"pruned after {number + 1} of {len(seeds)} seeds")

    def _nested(self, cfg: DictConfig, name: str, parent_run_id: str | None) -> DictConfig:
        cfg = copy.deepcopy(cfg)
        if "run_name" in cfg.tracking:
            cfg.tracking.run_name = name
            cfg.tracking.parent_run_id = parent_run_id
            if self.context.study is not None or cfg.sweep.register:
                # The best trial's model only, when all are known.
                cfg.tracking.registered_model_name = None
        return cfg

    def _pruned_after_seed(self, step: int) -> bool:
        value = self.last_score
        return self.study is not None and value is not None and self.study.report(step, value)

    def _train_one(self, train: Train, cfg: DictConfig, folder: Path, number: int) -> None:
        hooks = _SeedHooks(self, cfg, number)
        if cfg.evaluation.get("warm_start"):
            multirun = Path(str(HydraConfig.get().sweep.dir)).absolute()
            before = model_of_previous_fold(cfg, multirun, self.outcome.params)
            hooks.init_from = None if before is None else str(before)
        folder.mkdir(parents=True, exist_ok=True)
        resumed = training_in(folder, cfg) if hooks.can_go_on else None
        if resumed is None and hooks.can_go_on:
            hooks.left = set_aside(folder)
        try:
            value = train(cfg, folder, hooks, resumed)
        except InputError:
            # An objective that is undefined because the account was ruined has its own score.
            if hooks.ruined_on is None or self.cfg.sweep.ruined is None:
                raise
            value = float("nan")
        if hooks.ruined_on is not None and self.cfg.sweep.ruined is None:
            raise InputError(f"the account was ruined on {hooks.ruined_on}")
        score = self.score_of(value, hooks.ruined_on)
        further = [
            self.score_of(found, hooks.ruined_on, number)
            for number, found in enumerate(hooks.further(), start=1)
        ]
        self.scored(score, hooks.dates, hooks.returns, folder, further)

    def _further_over_seeds(self) -> list[float]:
        by_objective = np.array(self.outcome.further).T
        return [aggregate(values, self.cfg.sweep.aggregate) for values in by_objective]

    def _returns_of_seeds(self, count: int) -> list[FloatArray]:
        """Return what seeds that an earlier attempt trained left of their daily returns."""
        folders = [self._folder / f"seed_{self.cfg.seed + number}" for number in range(count)]
        found = []
        for folder in folders:
            returns = load_returns(folder)
            if returns is None:
                break
            found.append(returns)
        return found

    def _end(self, state: str, value: float | None, reason: str | None) -> None:
        self.outcome = self.outcome.ended(state, value, reason)
        self.outcome.save()
        if self.outcome.is_final and self.context.study is not None:
            forget(self._folder)
        tags = {"sweep.state": state, **({"sweep.reason": reason} if reason else {})}
        self.tracker.set_tags(tags)
        self.tracker.rename(self.outcome.run_name)


class _SeedHooks(TrainingHooks):
    """Seals, scores and prunes the training of one seed of a trial."""

    prints_summary = False
    left: Path | None = None

    def __init__(self, trial: Trial, cfg: DictConfig, number: int) -> None:
        self._trial, self._cfg, self._number = trial, cfg, number
        # The jobs of a grid are not started again.
        self.can_go_on = trial.context.study is not None
        self._tracker: Tracker = NoTracker()
        self._n_days = 0
        self.ruined_on: str | None = None
        self.dates: list[str] = []
        self.returns: FloatArray = np.zeros(0)
        self._report: HoldoutReport | None = None

    def on_split(self, split: Split) -> None:
        self._trial.context.seal.check(split)
        self.dates = [day for block in split.validation_blocks for day in block.day_names[1:]]

    def on_run_start(self, tracker: Tracker) -> None:
        self._tracker = tracker
        several = self._trial.cfg.sweep.seeds > 1
        self._trial.opened(tracker, self._number if several else None)
        if self.left is not None:
            seed = f"-seed-{self._cfg.seed}" if several else ""
            name = f"trial-{self._trial.outcome.number}{seed}-killed"
            close_left(tracker, self.left, name)

    def callbacks(
        self, agent: BaseAlgorithm, env: VecEnv, steps: int, holdout: Holdout | HoldoutBlocks
    ) -> Sequence[BaseCallback]:
        from finai_rl.experiment.backtests.holdout_blocks import HoldoutBlocks

        n_looks = self._cfg.sweep.evaluations
        # A search, which alone has a pruner, is refused where there are several blocks.
        if isinstance(holdout, HoldoutBlocks) or not n_looks or self._trial.context.pruner is None:
            return ()

        def look(look_number: int) -> None:
            result = holdout.run(agent, env, "look")
            score = holdout.measure_agent(result)[self._cfg.objective]
            returns = holdout.daily_returns(result)
            ruined_on = str(result.dates[-1]) if result.ruined else None
            self._look(look_number, score, returns, ruined_on, agent.num_timesteps, steps)

        return [ValidationLooks(looks_at(steps, n_looks), look)]

    def on_backtest(self, report: HoldoutReport) -> None:
        self.ruined_on = report.ruined_on
        self.returns = report.returns
        self._report = report

    def further(self) -> list[float]:
        """Return the objectives after the first.

        Raises:
            InputError: If one is undefined on this backtest, and the account was not ruined.
        """
        names = names_of(self._cfg)[1:]
        if not names or self._report is None:
            return []
        metrics = self._report.metrics["agent"]
        if self.ruined_on is not None:
            return [float(metrics[name]) for name in names]
        return [objective(metrics, name) for name in names]

    def _look(
        self,
        number: int,
        score: float,
        returns: FloatArray,
        ruined_on: str | None,
        step: int,
        steps: int,
    ) -> None:
        score = self._trial.score_of(score, ruined_on)
        self._tracker.set_tags({COUNTED_TAG: "true"})
        if not np.isfinite(score):
            return
        self._tracker.log_metrics({f"validation_curve/{self._cfg.objective}": score}, step)
        place = self._number * (self._cfg.sweep.evaluations + 1) + number
        if self._trial.looked(place, score, self.dates, returns):
            raise StoppedEarly(
                f"pruned at step {step:,} of {steps:,}: {self._cfg.objective} {score:.4f}"
            )


def _swept() -> dict[str, str]:
    typed = map(argument_without_secrets, HydraConfig.get().overrides.task)
    overrides = (text.partition("=") for text in typed)
    ours = ("sweep.trial", "sweep.attempt")
    return {key.lstrip("+"): value for key, _, value in overrides if key not in ours}

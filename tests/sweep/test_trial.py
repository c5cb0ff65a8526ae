"""A trial: its seeds, its end, and what it says of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from finai_rl.config.check import check
from finai_rl.data.split import split_by_fraction
from finai_rl.errors import InputError
from finai_rl.evaluation.result import BacktestResult
from finai_rl.experiment.learning.hooks import TrainingHooks
from finai_rl.sweep import study as studies
from finai_rl.sweep import trial as trials
from finai_rl.sweep.context import Seal, StudyAddress, SweepContext
from finai_rl.sweep.launching import concurrency
from finai_rl.sweep.outcome import Outcome, load_returns
from finai_rl.sweep.trial import Train, Trial, TrialKilled
from tests.config.composition import composed
from tests.markets import generated_market

SPLIT = split_by_fraction(generated_market(n_days=50, n_stocks=2), train=0.6, validation=0.2)
DAYS = list(SPLIT.validation.day_names)
SEAL = Seal.of(SPLIT, compare_data=True)
MEDIAN = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 1, "n_warmup_steps": 0}


def context(study: StudyAddress | None = None, **settings: Any) -> SweepContext:
    return SweepContext(os.getpid(), settings.pop("n_jobs", 1), SEAL, study=study, **settings)


def new_trial(folder: Path, sweep: SweepContext, *overrides: str) -> Trial:
    cfg = composed("tracking=none", "hydra.job.num=4", *overrides)

    def with_seed(seed: int) -> DictConfig:
        changed = cfg.copy()
        OmegaConf.update(changed, "seed", seed)
        return check(changed)

    return Trial(check(cfg), folder, sweep, with_seed)


def account(values: list[float]) -> BacktestResult:
    """A backtest as far as the hooks look into it."""
    result: Any = SimpleNamespace(
        account_value=np.array(values), dates=DAYS[: len(values)], ruined=values[-1] <= 0
    )
    return result


def daily(values: list[float]) -> np.ndarray:
    """Returns of an account, 0 after its ruin."""
    returns = np.diff(values) / values[:-1]
    return np.concatenate([returns, np.zeros(len(DAYS) - len(values))])


GROWING = [100.0 * 1.01**day for day in range(len(DAYS))]


def trained(
    scores: Callable[[DictConfig], float],
    values: list[float] = GROWING,
    ruined_on: str | None = None,
) -> Train:
    """A training that scores what a function of its config says."""

    def train(cfg: DictConfig, folder: Path, hooks: TrainingHooks, *_: object) -> float:
        report: Any = SimpleNamespace(ruined_on=ruined_on, returns=daily(values))
        tracker: Any = SimpleNamespace(run_id=f"run-{cfg.seed}", set_tags=dict, rename=str)
        hooks.on_split(SPLIT)
        hooks.on_run_start(tracker)
        hooks.on_backtest(report)
        score = scores(cfg)
        if np.isnan(score):
            raise InputError("objective: undefined")
        return score

    return train


def outcome_of(folder: Path) -> Outcome:
    outcome = Outcome.load(folder)
    assert outcome is not None
    return outcome


@pytest.fixture
def search(address: StudyAddress) -> StudyAddress:
    """A study with one running trial."""
    with studies.opened(address) as study:
        study.ask()
    return address


def test_a_trial_of_one_seed_has_its_objective(tmp_path: Path) -> None:
    trial = new_trial(tmp_path, context(), "agent.gamma=0.9", "seed=3")
    assert trial.run(trained(lambda cfg: cfg.seed / 2)) == 1.5
    outcome = outcome_of(tmp_path)
    assert (outcome.number, outcome.attempt, outcome.state) == (4, 1, "COMPLETE")
    assert (outcome.value, outcome.scores, outcome.run_id) == (1.5, [1.5], "run-3")
    assert outcome.params["agent.gamma"] == "0.9"
    returns = load_returns(tmp_path)
    assert returns is not None
    np.testing.assert_allclose(returns, [0.01] * (len(DAYS) - 1))


def test_a_trial_waits_for_its_store_before_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    monkeypatch.setattr(trials, "wait_for_store", lambda tracker: steps.append("store"))

    def score(cfg: DictConfig) -> float:
        steps.append("training")
        return 1.0

    new_trial(tmp_path, context()).run(trained(score))
    assert steps == ["store", "training"]


@pytest.mark.parametrize(("how", "value"), [("mean", 20.0), ("iqm", 0.0)])
def test_seeds_count_together(tmp_path: Path, how: str, value: float) -> None:
    trial = new_trial(tmp_path, context(), "sweep.seeds=5", f"sweep.aggregate={how}", "seed=10")
    assert trial.run(trained(lambda cfg: 100.0 if cfg.seed == 12 else 0.0)) == value
    outcome = outcome_of(tmp_path)
    assert outcome.scores == [0, 0, 100, 0, 0]
    assert outcome.seed_runs == [f"run-{seed}" for seed in range(10, 15)]
    assert sorted(folder.name for folder in tmp_path.glob("seed_*")) == [
        f"seed_{seed}" for seed in range(10, 15)
    ]


def test_the_agents_seed_is_that_of_its_training(tmp_path: Path) -> None:
    seen = []

    def note(cfg: DictConfig) -> float:
        seen.append((cfg.seed, cfg.agent.seed))
        return 1.0

    new_trial(tmp_path, context(), "sweep.seeds=3").run(trained(note))
    assert seen == [(0, 0), (1, 1), (2, 2)]


def test_returns_are_those_of_the_middle_seed(tmp_path: Path) -> None:
    rates, scores = (1.01, 0.97, 1.03), (0.5, 0.1, 0.9)

    def train(cfg: DictConfig, folder: Path, hooks: TrainingHooks, *_: object) -> float:
        values = [100.0 * rates[cfg.seed] ** day for day in range(len(DAYS))]
        return trained(lambda cfg: scores[cfg.seed], values)(cfg, folder, hooks, None)

    new_trial(tmp_path, context(), "sweep.seeds=3").run(train)
    returns = load_returns(tmp_path)
    assert returns is not None
    np.testing.assert_allclose(returns, [0.01] * (len(DAYS) - 1))


@pytest.mark.parametrize(("direction", "value"), [("maximize", -7.0), ("minimize", 7.0)])
@pytest.mark.parametrize("score", [2.0, np.nan])
def test_a_ruined_account_is_given_its_score(
    tmp_path: Path, direction: str, value: float, score: float
) -> None:
    trial = new_trial(tmp_path, context(direction=direction), "sweep.ruined=-7")
    ruin = trained(lambda cfg: score, [100.0, 50.0, -1.0], DAYS[2])
    assert trial.run(ruin) == value
    returns = load_returns(tmp_path)
    assert returns is not None
    assert len(returns) == len(DAYS) - 1
    assert list(returns[2:]) == [0.0] * (len(DAYS) - 3)


def test_a_ruined_account_may_count_as_a_failure(tmp_path: Path, search: StudyAddress) -> None:
    trial = new_trial(tmp_path, context(search), "sweep.ruined=null", "sweep.trial=0")
    ruin = trained(lambda cfg: 2.0, [100.0, 50.0, -1.0], DAYS[2])
    assert np.isnan(trial.run(ruin))
    outcome = outcome_of(tmp_path)
    assert (outcome.state, outcome.value) == ("FAIL", None)
    assert f"ruined on {DAYS[2]}" in str(outcome.reason)


def undefined(cfg: DictConfig) -> float:
    return float("nan")


def broken(cfg: DictConfig) -> float:
    raise ZeroDivisionError("boom")


@pytest.mark.parametrize(
    ("scores", "kind", "reason"),
    [
        (undefined, InputError, "InputError: objective: undefined"),
        (broken, ZeroDivisionError, "ZeroDivisionError: boom"),
    ],
)
def test_what_went_wrong_is_raised_in_a_grid_and_told_in_a_search(
    tmp_path: Path,
    search: StudyAddress,
    scores: Callable[[DictConfig], float],
    kind: type[Exception],
    reason: str,
) -> None:
    with pytest.raises(kind):
        new_trial(tmp_path / "grid", context()).run(trained(scores))
    trial = new_trial(tmp_path / "search", context(search), "sweep.trial=0")
    assert np.isnan(trial.run(trained(scores)))
    for folder in ("grid", "search"):
        outcome = outcome_of(tmp_path / folder)
        assert (outcome.state, outcome.value, outcome.reason) == ("FAIL", None, reason)


def test_an_objective_that_is_no_number_fails_the_trial(
    tmp_path: Path, search: StudyAddress
) -> None:
    def train(cfg: DictConfig, folder: Path, hooks: TrainingHooks, *_: object) -> float:
        trained(lambda cfg: 1.0)(cfg, folder, hooks, None)
        return float("nan")

    trial = new_trial(tmp_path, context(search), "sweep.trial=0")
    assert np.isnan(trial.run(train))
    assert outcome_of(tmp_path).state == "FAIL"


def test_days_that_the_seal_forbids_fail_the_trial(tmp_path: Path, search: StudyAddress) -> None:
    def train(cfg: DictConfig, folder: Path, hooks: TrainingHooks, *_: object) -> float:
        longer = split_by_fraction(generated_market(n_days=50, n_stocks=2), validation=0.3)
        hooks.on_split(longer)
        raise AssertionError("it went on")

    trial = new_trial(tmp_path, context(search), "sweep.trial=0")
    assert np.isnan(trial.run(train))
    assert "sealed from" in str(outcome_of(tmp_path).reason)


class LookedAt:
    """A holdout in which the next look has the next of these scores."""

    def __init__(self, scores: list[float], objective: str = "sharpe_ratio") -> None:
        self._scores, self._objective = list(scores), objective

    def run(self, agent: Any, env: Any, name: str) -> BacktestResult:
        return account(GROWING)

    def measure_agent(self, result: BacktestResult) -> dict[str, float]:
        return {self._objective: self._scores.pop(0)}

    def daily_returns(self, result: BacktestResult) -> np.ndarray:
        return daily(list(result.account_value))


def learning(looks: list[float], score: float) -> Train:
    """A training with looks at validation, as the callbacks of its hooks make them."""

    def train(cfg: DictConfig, folder: Path, hooks: TrainingHooks, *_: object) -> float:
        agent: Any = SimpleNamespace(
            num_timesteps=0, get_env=lambda: None, logger=SimpleNamespace()
        )
        holdout: Any = LookedAt(looks)
        env: Any = None
        report: Any = SimpleNamespace(ruined_on=None, returns=daily(GROWING))
        tracker: Any = SimpleNamespace(
            run_id="run", set_tags=dict, rename=str, log_metrics=lambda metrics, step: None
        )
        hooks.on_split(SPLIT)
        hooks.on_run_start(tracker)
        callbacks = hooks.callbacks(agent, env, 1000, holdout)
        for callback in callbacks:
            callback.init_callback(agent)
        for step in range(1, 1001):
            agent.num_timesteps = step
            for callback in callbacks:
                callback.on_step()
        hooks.on_backtest(report)
        return score

    return train


LOOKS = ("sweep.evaluations=3",)


def told(address: StudyAddress, values: list[float]) -> None:
    with studies.opened(address) as study:
        trial = study.ask()
        for step, value in enumerate(values, start=1):
            trial.report(value, step)
        study.tell(trial, values[-1])


def test_a_pruned_trial_keeps_its_last_score_and_returns(
    tmp_path: Path, address: StudyAddress
) -> None:
    told(address, [1.0, 1.0, 1.0])
    with studies.opened(address) as study:
        study.ask()
    trial = new_trial(tmp_path, context(address, pruner=MEDIAN), *LOOKS, "sweep.trial=1")
    assert np.isnan(trial.run(learning([0.5, 0.4, 0.3], 9.0)))
    outcome = outcome_of(tmp_path)
    assert (outcome.state, outcome.value, outcome.scores) == ("PRUNED", 0.5, [])
    assert outcome.reason == "pruned at step 250 of 1,000: sharpe_ratio 0.5000"
    assert load_returns(tmp_path) is not None


def test_a_trial_that_keeps_up_is_not_pruned(tmp_path: Path, address: StudyAddress) -> None:
    told(address, [1.0, 1.0, 1.0])
    with studies.opened(address) as study:
        study.ask()
    trial = new_trial(tmp_path, context(address, pruner=MEDIAN), *LOOKS, "sweep.trial=1")
    assert trial.run(learning([1.0, 2.0, 3.0], 4.0)) == 4.0
    with studies.opened(address) as study:
        assert study.get_trials()[1].intermediate_values == {1: 1.0, 2: 2.0, 3: 3.0}


def test_a_look_without_a_score_is_passed_over(tmp_path: Path, search: StudyAddress) -> None:
    trial = new_trial(tmp_path, context(search, pruner=MEDIAN), *LOOKS, "sweep.trial=0")
    assert trial.run(learning([np.nan, 2.0, np.nan], 4.0)) == 4.0
    with studies.opened(search) as study:
        assert study.get_trials()[0].intermediate_values == {2: 2.0}


def test_looks_of_later_seeds_weigh_in_those_before(tmp_path: Path, search: StudyAddress) -> None:
    trial = new_trial(
        tmp_path, context(search, pruner=MEDIAN), *LOOKS, "sweep.trial=0", "sweep.seeds=2"
    )
    assert trial.run(learning([2.0, 2.0, 2.0], 4.0)) == 4.0
    with studies.opened(search) as study:
        known = study.get_trials()[0].intermediate_values
    assert known == {1: 2.0, 2: 2.0, 3: 2.0, 4: 4.0, 5: 3.0, 6: 3.0, 7: 3.0}


def test_a_trial_can_be_pruned_between_seeds(tmp_path: Path, address: StudyAddress) -> None:
    told(address, [1.0])
    with studies.opened(address) as study:
        study.ask()
    overrides = ("sweep.evaluations=0", "sweep.trial=1", "sweep.seeds=3")
    trial = new_trial(tmp_path, context(address, pruner=MEDIAN), *overrides)
    assert np.isnan(trial.run(trained(lambda cfg: 0.5)))
    outcome = outcome_of(tmp_path)
    assert (outcome.state, outcome.value, outcome.scores) == ("PRUNED", 0.5, [0.5])
    assert outcome.reason == "pruned after 1 of 3 seeds"


def test_without_a_pruner_there_are_no_looks(tmp_path: Path) -> None:
    assert new_trial(tmp_path, context(), *LOOKS).run(learning([], 4.0)) == 4.0


@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(143)])
def test_a_trial_that_is_told_to_end_is_killed(tmp_path: Path, end: BaseException) -> None:
    def train(cfg: DictConfig, folder: Path, hooks: TrainingHooks, *_: object) -> float:
        raise end

    with pytest.raises(type(end)):
        new_trial(tmp_path, context()).run(train)
    outcome = outcome_of(tmp_path)
    assert (outcome.state, outcome.reason) == ("KILLED", type(end).__name__)


def test_a_worker_that_is_told_to_end_leaves_the_others_alone(tmp_path: Path) -> None:
    def train(cfg: DictConfig, folder: Path, hooks: TrainingHooks, *_: object) -> float:
        raise SystemExit(143)

    sweep = SweepContext(os.getppid(), 2, SEAL)
    with pytest.raises(TrialKilled):
        new_trial(tmp_path, sweep).run(train)
    assert outcome_of(tmp_path).state == "KILLED"


def test_a_running_trial_can_be_seen(tmp_path: Path) -> None:
    def train(cfg: DictConfig, folder: Path, hooks: TrainingHooks, *_: object) -> float:
        assert outcome_of(tmp_path).state == "RUNNING"
        return trained(lambda cfg: 1.0)(cfg, folder, hooks, None)

    assert new_trial(tmp_path, context()).run(train) == 1.0


@pytest.mark.parametrize(
    ("n_jobs", "threads", "shared", "seeds"),
    [(1, 6, 6, 1), (2, 6, 4, 2), (2, 1, 1, 1), (3, 6, 2, 1), (100, 6, 1, 1)],
)
def test_jobs_at_once_share_the_cores(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_jobs: int,
    threads: int,
    shared: int,
    seeds: int,
) -> None:
    monkeypatch.setattr(concurrency, "cores", lambda: 8)
    seen = []

    def note(cfg: DictConfig) -> float:
        seen.append(cfg.torch_threads)
        return 1.0

    overrides = (f"torch_threads={threads}", f"sweep.seeds={seeds}")
    new_trial(tmp_path, context(n_jobs=n_jobs), *overrides).run(trained(note))
    assert seen == [shared] * seeds


def test_a_trial_is_numbered_by_its_job_or_by_the_search(
    tmp_path: Path, search: StudyAddress
) -> None:
    assert new_trial(tmp_path, context()).outcome.number == 4
    trial = new_trial(tmp_path, context(search), "sweep.trial=0", "sweep.attempt=3")
    assert (trial.outcome.number, trial.outcome.attempt) == (0, 3)
    assert "sweep.trial" not in trial.outcome.params

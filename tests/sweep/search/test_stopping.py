"""A search that ends when its noise hides what is left to gain."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from finai_rl.errors import InputError
from finai_rl.statistics.seeds import standard_error
from finai_rl.sweep.search import plugin
from finai_rl.sweep.search.stopping import check_stopping, noise_of, outlook
from finai_rl.sweep.sweeper import StudySweeperImpl

SPREAD = np.array([-50.0, *np.linspace(0, 1, 6), 50.0])

needs_bound = pytest.mark.skipif(plugin.OPTUNA < 4, reason="this Optuna has no such evaluator")


def searched(n_trials: int, spread: float, direction: str = "maximize") -> list[FrozenTrial]:
    """Trials of a smooth objective between -1 and 0, with three seeds each."""
    rng = np.random.default_rng(0)
    study = optuna.create_study(direction=direction, sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(n_trials):
        trial = study.ask()
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        value = -((x - 0.5) ** 2) - (y - 0.5) ** 2
        scores = value + spread * np.array([-1.0, 0.0, 1.0]) + 1e-3 * rng.normal(size=3)
        sign = 1 if direction == "maximize" else -1
        trial.set_user_attr("scores", list(sign * scores))
        study.tell(trial, sign * float(scores.mean()))
    return study.get_trials()


@needs_bound
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_what_is_left_to_gain_falls_and_is_held_against_the_seeds(direction: str) -> None:
    few, many = (outlook(searched(n, 0.5, direction), direction, least=8, seed=0) for n in (8, 40))
    assert few is not None
    assert many is not None
    assert many.noise == pytest.approx(0.5 / math.sqrt(3), rel=0.05)
    assert 0 <= many.gain < few.gain
    assert many.is_settled
    quiet = outlook(searched(40, 1e-4, direction), direction, least=8, seed=0)
    assert quiet is not None
    assert not quiet.is_settled


@needs_bound
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_ruined_seed_is_no_noise_of_the_other_trials(direction: str) -> None:
    trials = searched(40, 1e-4, direction)
    penalty = -10.0 if direction == "maximize" else 10.0
    scores = [*trials[3].user_attrs["scores"][:2], penalty]
    trials[3].set_user_attr("scores", scores)
    trials[3].value = float(np.mean(scores))
    found = outlook(trials, direction, least=8, seed=0)
    assert found is not None
    assert found.noise < 0.01
    assert not found.is_settled


@needs_bound
def test_few_trials_say_nothing_of_what_is_left() -> None:
    assert outlook(searched(9, 0.5), "maximize", least=10, seed=0) is None
    assert outlook(searched(10, 0.5), "maximize", least=10, seed=0) is not None


def test_trials_of_one_seed_have_no_noise() -> None:
    trials = searched(3, 0.5)
    for trial in trials:
        trial.set_user_attr("scores", [trial.value])
    assert math.isnan(noise_of(trials))
    assert outlook(trials, "maximize", least=2, seed=0) is None


def test_the_noise_is_that_of_the_aggregate() -> None:
    trials = searched(3, 0.5)
    for trial in trials:
        trial.set_user_attr("scores", SPREAD.tolist())
    assert noise_of(trials, "mean") == pytest.approx(standard_error(SPREAD), rel=1e-12)
    assert noise_of(trials, "iqm") == pytest.approx(standard_error(SPREAD, "iqm"), rel=1e-12)
    assert noise_of(trials, "iqm") < 0.1 * noise_of(trials, "mean")


class Told(list[str]):
    """A session whose tracker keeps its tags, and a queue of trials."""

    def __init__(self, trials: list[FrozenTrial], waiting: int = 0) -> None:
        self.trials, self.waiting = trials, waiting
        self.tracker = SimpleNamespace(set_tags=lambda tags: self.extend(tags.values()))

    def in_state(self, *wanted: TrialState) -> list[FrozenTrial]:
        return self.trials if TrialState.COMPLETE in wanted else self.trials[: self.waiting]


def settings(**changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "sampler": None,
        "direction": "maximize",
        "storage": None,
        "study_name": None,
        "n_trials": 50,
        "n_jobs": 1,
        "max_failure_rate": 0.5,
        "search_space": None,
        "custom_search_space": None,
        "params": None,
        "pruner": None,
        "conditional": None,
        "retries": 1,
        "seed": 0,
    }
    return known | changes


@needs_bound
def test_a_search_ends_when_its_noise_hides_what_is_left() -> None:
    told: Any = Told(searched(40, 0.5))

    def ends(**changes: Any) -> bool:
        return StudySweeperImpl(**settings(**changes))._is_settled(told, told, "maximize")

    assert not ends()
    assert not ends(stop_at_noise=True, stop_after=41)
    assert not told
    assert ends(stop_at_noise=True, stop_after=10)
    assert "less than the standard error of a trial over its seeds" in told[0]
    told.waiting = 1
    assert not ends(stop_at_noise=True, stop_after=10)


def test_the_rule_is_refused_where_it_has_nothing_to_go_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugin, "OPTUNA", 5)
    with pytest.raises(InputError, match=r"stop_at_noise: .* set sweep\.seeds=3"):
        check_stopping(1, 1)
    with pytest.raises(InputError, match="for one objective"):
        check_stopping(3, 2)
    check_stopping(3, 1)
    monkeypatch.setattr(plugin, "OPTUNA", 2)
    with pytest.raises(InputError, match=r"stop_at_noise: stopping needs Optuna 4\.9"):
        check_stopping(3, 1)

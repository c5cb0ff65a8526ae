"""A search that was given up stays given up, however often it is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState

from finai_rl.errors import InputError
from finai_rl.sweep.sweeper import StudySweeperImpl


class Ended:
    """A queue in which nothing is left to run."""

    def __init__(self, failed: int) -> None:
        self._failed = failed

    def in_state(self, *states: TrialState) -> list[Any]:
        failed = [
            SimpleNamespace(number=number, user_attrs={"reason": "boom"})
            for number in range(self._failed)
        ]
        return failed if TrialState.FAIL in states else []


def leave(failed: int) -> None:
    sweeper: Any = object.__new__(StudySweeperImpl)
    sweeper.max_failure_rate, sweeper.n_trials = 0.5, 4
    sweeper._leave(Ended(failed), None, 0)


def test_too_many_failures_are_an_error_though_nothing_is_left_to_run() -> None:
    leave(2)
    with pytest.raises(InputError, match="The search is given up: 3 of 4 trials failed"):
        leave(3)

"""Jobs of a grid on a launcher that tells of each when it has ended."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hydra.core.utils import JobReturn, JobStatus

from finai_rl.sweep.launching.batch import WorkerLost, run_batch


class Backwards:
    """Ends jobs in the opposite order; the worker of one dies, or waiting is interrupted."""

    def __init__(self, dies: int | None = None, interrupted: bool = False) -> None:
        self.submitted: list[int] = []
        self.cancelled = False
        self._dies, self._interrupted = dies, interrupted

    def submit(self, number: int, overrides: Sequence[str]) -> None:
        assert overrides == [f"seed={number}"]
        self.submitted.append(number)

    def next_ended(self) -> tuple[int, JobReturn | None]:
        if self._interrupted:
            raise KeyboardInterrupt
        number = self.submitted.pop()
        done = JobReturn(status=JobStatus.COMPLETED)
        done.return_value = float(number)
        return number, None if number == self._dies else done

    def cancel(self) -> None:
        self.cancelled = True


JOBS = [["seed=5"], ["seed=6"], ["seed=7"]]


def test_returns_are_in_the_order_of_jobs() -> None:
    returns = run_batch(Backwards(), JOBS, first=5)
    assert [found.return_value for found in returns] == [5.0, 6.0, 7.0]


def test_a_job_whose_worker_died_fails_when_all_have_ended() -> None:
    launcher = Backwards(dies=6)
    first, lost, last = run_batch(launcher, JOBS, first=5)
    assert (first.return_value, last.return_value) == (5.0, 7.0)
    with pytest.raises(WorkerLost, match="job 6: its worker died"):
        _ = lost.return_value
    assert not launcher.cancelled


def test_jobs_are_cancelled_when_waiting_is_interrupted() -> None:
    launcher = Backwards(interrupted=True)
    with pytest.raises(KeyboardInterrupt):
        run_batch(launcher, JOBS, first=5)
    assert launcher.cancelled

"""How processes that share a search conclude it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from finai_rl.sweep import outcome as states
from finai_rl.sweep import session as sessions
from finai_rl.sweep.context import StudyAddress
from finai_rl.sweep.launching.batch import WorkerLost
from finai_rl.sweep.outcome import Outcome
from finai_rl.sweep.plan import FirstJob, Plan
from finai_rl.sweep.queue import Job
from finai_rl.sweep.results import Results
from finai_rl.sweep.session import Session
from tests.sweep.test_queue import queue

PATIENCE = 100


def test_a_process_that_leaves_early_does_not_write_over_the_end_of_the_search(
    address: StudyAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = queue(address, tmp_path, n_trials=2)
    first, last = (trials.take(1)[0] for _ in range(2))
    trials.tell(completed(first))
    written: list[dict[str, int]] = []
    has_read, may_write = threading.Event(), threading.Event()

    def write(results: Results, *rest: Any, brief: bool) -> None:
        has_read.set()
        assert not brief or may_write.wait(PATIENCE)
        written.append(results.count() | {"brief": brief})

    monkeypatch.setattr(sessions, "summarize", write)
    early, late = session(address, tmp_path), session(address, tmp_path)
    early.hand_over({})
    ends = [threading.Thread(target=one.__exit__, args=(None,) * 3) for one in (early, late)]
    ends[0].start()
    assert has_read.wait(PATIENCE)
    trials.tell(completed(last))
    ends[1].start()
    time.sleep(0.3)
    may_write.set()
    for end in ends:
        end.join(PATIENCE)
    assert written == [
        {"COMPLETE": 1, "RUNNING": 1, "brief": True},
        {"COMPLETE": 2, "brief": False},
    ]


def test_jobs_of_a_grid_whose_workers_died_are_killed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, state in enumerate((states.COMPLETE, states.RUNNING)):
        folder = tmp_path / str(number)
        folder.mkdir()
        Outcome(number, 1, state, run_id=f"run-{number}", folder=str(folder)).save()
    closed: list[Outcome] = []
    monkeypatch.setattr(Session, "close_killed", lambda self, outcome: closed.append(outcome))
    monkeypatch.setattr(sessions, "summarize", lambda *given, brief: None)
    lost = WorkerLost("job 1: its worker died")
    session(None, tmp_path).__exit__(WorkerLost, lost, None)
    assert [(one.run_id, one.state) for one in closed] == [("run-1", states.KILLED)]
    found = Outcome.load(tmp_path / "1")
    assert found is not None
    assert (found.state, found.reason) == (states.KILLED, "its process died")
    session(None, tmp_path).__exit__(ValueError, ValueError(), None)
    assert len(closed) == 1


def session(address: StudyAddress | None, folder: Path) -> Session:
    cfg = OmegaConf.create({"tracking": {"_target_": "finai_rl.tracking.NoTracker"}})
    plan = Plan("search", folder, study=address)
    source = SimpleNamespace(caveats=())
    prospect: Any = SimpleNamespace(baseline=np.zeros(0), shortfall="", source=source)
    return Session(FirstJob(cfg, {}, []), plan, prospect)


def completed(job: Job) -> Outcome:
    return Outcome(job.number, job.attempt, states.COMPLETE, 1.0, folder=str(job.folder))

"""A search whose trials are killed in the middle, and go on where they stood."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.e2e.sweeps import QUICK, Ended, Left, ended, start, workplace

DOOMED = """
import os
import signal
from pathlib import Path

from stable_baselines3 import A2C

ENDS = {0: signal.SIGKILL, 1: signal.SIGTERM}


class Doomed(A2C):
    def __init__(self, *args, number=None, **settings):
        self.number = number
        super().__init__(*args, **settings)

    def collect_rollouts(self, *args, **settings):
        mark = Path(f"ended_{self.number}")
        if self.num_timesteps >= 1000 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), ENDS[self.number])
        return super().collect_rollouts(*args, **settings)
"""
SEARCH = (
    "sweep=a2c",
    *QUICK,
    "hydra/sweeper/sampler=random",
    "hydra.sweeper.n_trials=2",
    "trusted_packages=[doomed]",
    "agent._target_=doomed.Doomed",
    "+agent.number=${sweep.trial}",
    "total_timesteps=2000",
    "checkpoint_every=200",
    "log_interval=7",
)
CLOCK = {"time/fps", "time/time_elapsed"}


def search(cwd: Path, expect: int) -> Ended:
    return ended(start(cwd, *SEARCH), expect)


def histories(left: Left) -> list[dict[str, list[tuple[int, str]]]]:
    """Return every point of every metric of each trial's run, but for what the clock says."""
    return [
        {
            key: sorted(
                (point.step, repr(point.value))
                for point in left.client.get_metric_history(run, key)
            )
            for key in left.client.get_run(run).data.metrics
            if key not in CLOCK
        }
        for run in (trial.user_attrs["run_id"] for trial in left.trials)
    ]


def weights(left: Left, number: int) -> bytes:
    folder = Path(left.trials[number].user_attrs["folder"])
    with ZipFile(folder / "model.zip") as file:
        return file.read("policy.pth")


def looks(left: Left) -> list[dict[int, Any]]:
    return [trial.intermediate_values for trial in left.trials]


@pytest.mark.slow
def test_trials_that_were_killed_go_on_to_the_same_end(tmp_path: Path) -> None:
    alone, killed = workplace(tmp_path / "alone"), workplace(tmp_path / "killed")
    for folder in (alone, killed):
        (folder / "doomed.py").write_text(DOOMED)
    for number in (0, 1):
        (alone / f"ended_{number}").touch()
    search(alone, 0)
    search(killed, -9)
    told = search(killed, 143).output
    assert "Trial 0 was interrupted: it goes on from its last checkpoint" in told
    assert "Resumed at step " in told
    assert "the search's command, started again, goes on with this trial" in told
    search(killed, 0)

    expected, left = Left(alone), Left(killed)
    assert left.found == expected.found
    assert looks(left) == looks(expected)
    assert all(len(one) == 2 for one in looks(left))
    assert left.names == ["trial-0-attempt-2-complete", "trial-1-attempt-2-complete"]
    assert left.statuses == {"FINISHED"}
    left.assert_they_agree()
    assert histories(left) == histories(expected)
    for number in (0, 1):
        assert weights(left, number) == weights(expected, number)
    assert left.tags["verdict"] == expected.tags["verdict"]
    assert left.best["sentence"] == expected.best["sentence"]
    assert not list(killed.glob("outputs/sweeps/*/trial_*/resume"))

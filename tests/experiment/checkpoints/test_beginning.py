"""What a run that is stopped says of how to go on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from finai_rl.config.check import check
from finai_rl.experiment.checkpoints.beginning import checkpoints_of
from finai_rl.experiment.checkpoints.resume import Resumed
from finai_rl.experiment.checkpoints.store import Checkpoint
from tests.config.composition import composed


@pytest.mark.parametrize(
    ("overrides", "trained", "said"),
    [
        ((), False, "Stopped at step 1,200; go on with: python -m finai_rl.train resume={}"),
        (
            (),
            True,
            "Stopped after training, at step 1,200; go on with: python -m finai_rl.train "
            "resume={}, to the backtest",
        ),
        (
            ("sweep.trial=3",),
            False,
            "Stopped at step 1,200; the search's command, started again, goes on with this trial",
        ),
        ((), None, "Stopped before the first checkpoint: start it again"),
    ],
)
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_says_how_to_go_on(
    overrides: tuple[str, ...],
    trained: bool | None,
    said: str,
    sent: signal.Signals,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cfg = check(composed(*overrides))
    resumed = None
    if trained is not None:
        start = Checkpoint(1200, {"trained": trained, "iterations": 3, "progress": ""}, [], [])
        resumed = Resumed(cfg, tmp_path, start, {}, further=False)
    stopped = pytest.raises((KeyboardInterrupt, SystemExit))
    with stopped, checkpoints_of(cfg, tmp_path, resumed, can_go_on=True):
        signal.raise_signal(sent)
    assert caplog.messages[-1] == said.format(tmp_path)


def test_an_error_says_nothing_of_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cfg = check(composed())
    with pytest.raises(RuntimeError), checkpoints_of(cfg, tmp_path, None, can_go_on=True):
        raise RuntimeError("boom")
    assert "Stopped" not in caplog.text

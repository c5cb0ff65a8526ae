"""How a run that does not finish is recorded."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.e2e.test_train import QUICK, only_run


@pytest.mark.slow
@pytest.mark.usefixtures("store")
def test_a_run_that_fails_says_why(forked: Command, tmp_path: Path) -> None:
    done = forked("finai_rl.train", *QUICK, "agent=a2c", "agent.learning_rate=1e30", expect=1)
    run = only_run(tmp_path)
    assert run.info.status == "FAILED"
    assert "Diverged: Training diverged at step " in run.data.tags["failure"]
    assert "lower agent.learning_rate (now 1e+30)" in done.stderr
    assert "Traceback" not in done.stderr
    for module, argument in (("evaluate", f"run_id={run.info.run_id}"), ("compare", "by=[agent]")):
        told = forked(f"finai_rl.{module}", argument, expect=1).stderr
        assert "FAILED (Diverged: Training diverged at step " in told
        assert run.info.run_id in told
        assert "Traceback" not in told


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_interrupted_is_killed(
    sent: signal.Signals, status: int, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "finai_rl.train", *QUICK, "agent=a2c"]
    process = subprocess.Popen(
        [*command, "total_timesteps=1_000_000_000", "log_interval=1"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("outputs/20*/*/checkpoints/model_*_steps.zip")):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(sent)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == status
    assert "Traceback" not in output
    run = only_run(tmp_path)
    assert run.info.status == "KILLED"
    assert run.data.metrics["time/total_timesteps"] > 0


LARGEST = 4_000_000


@pytest.mark.slow
def test_a_disk_that_is_full_is_told_once_and_the_run_is_closed(tmp_path: Path) -> None:
    large = "agent.policy_kwargs.net_arch=[1024,1024]"
    done = subprocess.run(
        [sys.executable, "-m", "finai_rl.train", *QUICK, "agent=a2c", large],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST)),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.count("the file has reached the largest size that is allowed") == 1
    assert "there is: " in done.stderr
    assert "progress.csv" in done.stderr
    run = only_run(tmp_path)
    assert run.info.status == "FAILED"
    assert run.data.metrics["time/total_timesteps"] > 0

"""Jobs as processes of this machine, on a command that trains nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from finai_rl.sweep.launching.forked_job import ForkedJob

APP = """
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import hydra


@hydra.main(config_path=None, config_name=None, version_base="1.3")
def main(cfg):
    Path(f"began-{cfg.n}").write_text(str(os.getpid()))
    if cfg.get("dies") == cfg.n:
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.get("waits"):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            child = subprocess.Popen(["sleep", "60"], stderr=subprocess.DEVNULL)
            Path(f"child-{cfg.n}").write_text(str(child.pid))
            time.sleep(60)
        except SystemExit:
            Path(f"interrupted-{cfg.n}").touch()
            raise
    Path(f"ended-{cfg.n}").write_text(str("torch" in sys.modules))
    return cfg.n


if __name__ == "__main__":
    main()
"""
ROOT = Path(__file__).parents[3]


def begin(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    (folder / "app.py").write_text(APP)
    two = ("hydra/launcher=processes", "hydra.launcher.n_jobs=2")
    return subprocess.Popen(
        [sys.executable, "app.py", "-m", *two, *overrides],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def until(files: list[Path]) -> None:
    for _ in range(1800):
        if all(file.is_file() and file.read_text() for file in files):
            return
        time.sleep(0.1)
    raise AssertionError(f"{files} did not come")


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_each_job_has_a_process_of_its_own_that_begins_with_the_libraries(tmp_path: Path) -> None:
    command = begin(tmp_path, "+n=1,2,3")
    assert command.wait(120) == 0, command.communicate()[1]
    pids = {(tmp_path / f"began-{n}").read_text() for n in (1, 2, 3)}
    assert len(pids) == 3
    assert {(tmp_path / f"ended-{n}").read_text() for n in (1, 2, 3)} == {"True"}
    assert not any(is_there(int(pid)) for pid in pids)


@pytest.mark.slow
def test_a_job_that_dies_takes_no_other_along(tmp_path: Path) -> None:
    command = begin(tmp_path, "+n=1,2,3", "+dies=1")
    _, said = command.communicate(timeout=120)
    assert command.returncode == 1
    assert "job 0: its worker died" in said
    assert [(tmp_path / f"ended-{n}").is_file() for n in (1, 2, 3)] == [False, True, True]


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_no_job_outlives_the_command(by: signal.Signals, tmp_path: Path) -> None:
    command = begin(tmp_path, "+n=1,2,3", "+waits=true")
    # A child is there once its job can be told to end.
    until([tmp_path / "child-1", tmp_path / "child-2"])
    ends = ("began", "child") if by == signal.SIGKILL else ("began",)
    pids = [int((tmp_path / f"{who}-{n}").read_text()) for who in ends for n in (1, 2)]
    command.send_signal(by)
    command.communicate(timeout=60)
    for _ in range(100):
        if not any(map(is_there, pids)):
            break
        time.sleep(0.1)
    assert not any(map(is_there, pids))
    told = [(tmp_path / f"interrupted-{n}").is_file() for n in (1, 2)]
    assert told == [by == signal.SIGINT] * 2
    assert not (tmp_path / "began-3").exists()


class Dead:
    """A process that has ended."""

    exitcode = -9

    def join(self, timeout: float | None = None) -> None:
        pass

    def is_alive(self) -> bool:
        return False


@pytest.mark.parametrize("sent", [b"", b"\0\0", struct.pack("!i", 100) + b"half of it"])
def test_an_answer_that_was_cut_short_is_none(sent: bytes) -> None:
    job: Any = ForkedJob.__new__(ForkedJob)
    job._answers, end = multiprocessing.Pipe(duplex=False)
    job._process = Dead()
    os.write(end.fileno(), sent)
    end.close()
    assert job.answer() is None
    assert job._answers.closed

"""Commands run as forks of one process that has imported what they import.

Tables of wrong input ask for many commands, and nearly all of the time of each would be imports.
What a fork runs is the module as ``__main__``, with arguments, folder and streams of its own.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

IMPORTED = (
    "finai_rl.experiment.environments",
    "finai_rl.config.command",
    "finai_rl.experiment.training",
    "finai_rl.experiment.recording",
    "finai_rl.sweep.session",
    "finai_rl.tracking.mlflow_tracker",
    "mlflow.store.tracking.sqlalchemy_store",
    "sb3_contrib",
)


class WarmProcess:
    """A process that has imported everything and runs one command at a time."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if "HYDRA" not in name}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm"],
            cwd=Path(__file__).parents[1],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, cwd: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m <module> <arguments>`` in a folder."""
        with tempfile.TemporaryDirectory() as streams:
            request = {"cwd": str(cwd), "streams": streams, "command": [module, *arguments]}
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            status = int(self.process.stdout.readline())
            texts = [Path(streams, name).read_text() for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess([module, *arguments], status, *texts)


@contextmanager
def warm_process() -> Iterator[WarmProcess]:
    """Keep such a process for as long as the context is open."""
    warm = WarmProcess()
    try:
        yield warm
    finally:
        warm.process.kill()
        warm.process.communicate()


def serve() -> None:
    """Run a command for each line of JSON on standard input, and answer with its exit status."""
    for name in IMPORTED:
        __import__(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run(**json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(cwd: str, streams: str, command: list[str]) -> NoReturn:
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(Path(streams, name), os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv = command
    status = 0
    try:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve()

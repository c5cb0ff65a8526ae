"""Commands run as forks of one process that has imported what they import.

Imports take longer than all else that a short training does. What a fork runs is the module as
``__main__``, with arguments, folder, environment and streams of its own, and it ends as any
interpreter does. What is seen of it is what ``subprocess.Popen`` would show.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from finai_rl.config.hydra_versions import VERSION_BASE
from tests.conftest import own_environment
from tests.markets import generated_market

IMPORTED = (
    "finai_rl.experiment.learning.agent",
    "finai_rl.experiment.backtests.evaluation",
    "finai_rl.sweep.session",
    "finai_rl.tracking.mlflow_tracker",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "optuna",
    "plotly.graph_objects",
    "sb3_contrib",
    "skfolio.datasets",
    "torch._dynamo",
)
POLL = 0.02


class Fork:
    """A command that was started, and its process."""

    def __init__(self, server: WarmProcess, streams: Path, pid: int, arguments: list[str]) -> None:
        self.server = server
        self.streams = streams
        self.pid = pid
        self.arguments = arguments
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, if it has ended."""
        if self.returncode is None:
            self.returncode = self.server.ask(pid=self.pid)
        return self.returncode

    def communicate(self, timeout: float = 300) -> tuple[str, str]:
        """Wait for its end and return what it has written."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.arguments, timeout)
            time.sleep(POLL)
        return (self.streams / "stdout").read_text(), (self.streams / "stderr").read_text()

    def send_signal(self, sent: signal.Signals) -> None:
        """Send a signal to the process alone, not to its group."""
        if self.poll() is None:
            os.kill(self.pid, sent)


class WarmProcess:
    """A process that has imported everything and starts commands."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm"],
            cwd=Path(__file__).parents[1],
            env=own_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        """Send the process one request and return its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(self, cwd: Path, module: str, *arguments: str, **environment: str) -> Fork:
        """Start ``python -m <module> <arguments>`` in a folder, in a process group of its own."""
        streams = Path(tempfile.mkdtemp(dir=self.folder.name))
        command = [module, *arguments]
        known = {"cwd": str(cwd), "streams": str(streams), "environment": environment}
        return Fork(self, streams, self.ask(command=command, **known), command)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        # Not by the end of its input: forks of this process may hold that open.
        self.process.stdin.write(json.dumps({"end": True}) + "\n")
        self.process.stdin.flush()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()

    def run(
        self, cwd: Path, module: str, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python -m <module> <arguments>`` in a folder to its end."""
        fork = self.start(cwd, module, *arguments, **environment)
        try:
            streams = fork.communicate()
        finally:
            fork.send_signal(signal.SIGKILL)
        return subprocess.CompletedProcess(fork.arguments, fork.poll() or 0, *streams)


@functools.cache
def warm_process() -> WarmProcess:
    """Return the one such process of this test session."""
    return WarmProcess()


def serve() -> None:
    """Start a command, or return the exit status of one, for each line on standard input."""
    for name in IMPORTED:
        __import__(name)
    _walk_the_lane()
    # Objects that are never collected are not written to either, and so stay shared with forks.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        if "end" in request:
            return
        if "pid" in request:
            pid, status = os.waitpid(request["pid"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                _run(**request)
        print(json.dumps(answer), flush=True)


def _walk_the_lane() -> None:
    """Go the way of a run once, after which all that it imports, compiles and opens is here."""
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    from finai_rl.config.check import check
    from finai_rl.config.command import CONFIG_DIR
    from finai_rl.experiment.backtests.holdout import Holdout
    from finai_rl.experiment.environments import Environments
    from finai_rl.experiment.learning.agent import new_agent

    market = generated_market(n_days=12)
    small = ("agent=a2c", "env.n_envs=2", "tracking=none")
    for env in ("env=stock_trading", "env=portfolio", "env.finrl_compat=true"):
        with hydra.initialize_config_dir(str(CONFIG_DIR), **VERSION_BASE):
            cfg = check(hydra.compose("train", [*small, env]))
        environments = Environments(cfg)
        learned = environments.training(market)
        agent = new_agent(cfg, learned).learn(10)
        with tempfile.TemporaryDirectory() as folder:
            Holdout(environments, market).backtest(agent, learned, "agent", Path(folder))
    GlobalHydra.instance().clear()


def _run(cwd: str, streams: str, command: list[str], environment: dict[str, str]) -> NoReturn:
    os.setsid()
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(Path(streams, name), os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    serve()

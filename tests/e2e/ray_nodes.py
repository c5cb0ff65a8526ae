"""Nodes of a Ray cluster on loopback, each with an address and processes of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.conftest import own_environment

PATIENCE = 300
HEAD, OTHER = "127.0.0.2", "127.0.0.3"


@dataclass(frozen=True)
class Cluster:
    """Two nodes with one core each."""

    address: str
    other: subprocess.Popen[bytes]

    def kill_other(self) -> None:
        """End one node at once, with all that runs on it."""
        _kill(self.other)


@contextmanager
def two_nodes(folder: Path) -> Iterator[Cluster]:
    """Run two nodes that were started in a folder where no sweep is."""
    port = _free_port()
    address = f"{HEAD}:{port}"
    head = ("--head", f"--port={port}", f"--ray-client-server-port={_free_port()}")
    with ExitStack() as stack:
        # A path of more than a hundred signs is none for a socket.
        short = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp"))
        quiet = ("--include-dashboard=false", f"--temp-dir={short}")
        stack.enter_context(_node(folder, HEAD, *head, *quiet))
        yield Cluster(address, stack.enter_context(_node(folder, OTHER, f"--address={address}")))


@contextmanager
def _node(folder: Path, ip: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    program = str(Path(sys.executable).with_name("ray"))
    # Workers of two nodes on one machine would take the same ports of a range.
    ports = ("--min-worker-port=0", "--max-worker-port=0")
    size = ("--num-cpus=1", f"--object-store-memory={100 << 20}")
    command = [program, "start", "--block", f"--node-ip-address={ip}", *arguments, *ports, *size]
    said = folder / f"{ip}.log"
    environment = own_environment() | {"RAY_USAGE_STATS_ENABLED": "0"}
    assert environment["RAY_AUTH_MODE"] == "token", "its ports listen on all interfaces"
    with said.open("wb") as output:
        node = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while "Ray runtime started" not in said.read_text():
            assert node.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.1)
        yield node
    finally:
        _kill(node)


def _kill(node: subprocess.Popen[bytes]) -> None:
    if node.poll() is not None:
        return
    process = psutil.Process(node.pid)
    for one in [process, *process.children(recursive=True)]:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    node.wait(PATIENCE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HEAD, 0))
        port: int = probe.getsockname()[1]
    return port

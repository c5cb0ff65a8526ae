"""A Ray cluster: connecting with it, and how many jobs its nodes have room for."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

from finai_rl.errors import InputError

log = logging.getLogger(__name__)

TARGET = "hydra_plugins.finai_rl_launcher.ray_launcher.RayLauncher"
GB = 1 << 30


def connect(settings: Mapping[str, Any]) -> None:
    """Connect this process with the cluster of ``hydra.launcher``, if it is not yet.

    Raises:
        InputError: If Ray is not installed, or no cluster answers.
    """
    if find_spec("ray") is None:
        raise InputError("hydra/launcher=ray: Ray is not installed; pip install 'finai-rl[ray]'")
    # Ray would tell its makers of every cluster that is started.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        return
    known = {"log_to_driver": False, "include_dashboard": False, "logging_level": logging.WARNING}
    if settings["address"] is not None:
        # What a cluster that runs has decided itself.
        known.pop("include_dashboard")
    before = signal.getsignal(signal.SIGTERM)
    try:
        _reach(str(settings["address"]))
        ray.init(**(known | {"address": settings["address"]} | dict(settings["init"] or {})))
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        said = str(error).partition("\n")[0]
        raise InputError(
            f"hydra.launcher.address: no Ray cluster at {settings['address']}: {said}; start one "
            "with ray start --head, or leave the address out for one on this machine"
        ) from error
    finally:
        # Ray puts one of its own in its place, which ends the process with another exit status.
        signal.signal(signal.SIGTERM, before)


def _reach(address: str) -> None:
    """Try an address, which Ray would do for minutes.

    Raises:
        OSError: If nobody answers there.
    """
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def request(settings: Mapping[str, Any]) -> dict[str, float]:
    """Return what a job asks of its node, in Ray's names.

    Raises:
        InputError: If it is not an amount.

    Example:
        >>> request({"cpus": 2.0, "gpus": 0.25, "memory_gb": None})
        {'CPU': 2.0, 'GPU': 0.25}
    """
    amounts = {"cpus": "CPU", "gpus": "GPU", "memory_gb": "memory"}
    asked: dict[str, float] = {}
    for key, name in amounts.items():
        value = settings[key]
        if value is None or (value == 0 and key == "gpus"):
            continue
        if not isinstance(value, int | float) or not value > 0 or not math.isfinite(value):
            raise InputError(f"hydra.launcher.{key}: must be a number above 0, got {value}")
        asked[name] = value * GB if name == "memory" else value
    return asked


def room(asked: Mapping[str, float], nodes: Iterable[Mapping[str, float]]) -> int:
    """Return how many jobs run at once on some nodes.

    Args:
        asked: What a job asks of its node.
        nodes: What each node has.

    Example:
        >>> room({"CPU": 2.0, "GPU": 0.25}, [{"CPU": 9, "GPU": 1}, {"CPU": 64}])
        4
    """
    return sum(
        min(math.floor(node.get(name, 0) / amount + 1e-9) for name, amount in asked.items())
        for node in nodes
    )


def slots(settings: Mapping[str, Any]) -> int:
    """Return how many jobs the cluster of ``hydra.launcher`` runs at once.

    Raises:
        InputError: If none, or if there is no cluster.
    """
    asked = request(settings)
    connect(settings)
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    found = room(asked, nodes)
    if not found:
        wanted = ", ".join(f"{key}={settings[key]}" for key in ("cpus", "gpus", "memory_gb"))
        most = max((node.get("CPU", 0) for node in nodes), default=0)
        raise InputError(
            f"hydra.launcher: no node of the cluster has room for a job ({wanted}); the largest "
            f"has {most:g} cores"
        )
    log.info("Ray cluster: %d nodes, room for %d jobs at once", len(nodes), found)
    return found

"""CPU, memory and GPU use, sampled by MLflow's monitors, on the way of every other metric."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from importlib import import_module
from importlib.util import find_spec
from typing import Any

PREFIX = "system/"


class SystemMetrics:
    """Samples the machine in a thread until it is stopped.

    MLflow's own thread sends samples past the journal, and ends with the first that is not taken.

    Args:
        log_metrics: Takes names with values, and a step.
        known: Metric and step of the values that the run has already; the steps go on from there.

    Raises:
        ModuleNotFoundError: If ``psutil`` is not installed.
    """

    def __init__(
        self,
        log_metrics: Callable[[dict[str, float], int], None],
        known: Collection[tuple[str, int]] = (),
    ) -> None:
        if find_spec("psutil") is None:
            raise ModuleNotFoundError("tracking.system_metrics needs psutil: pip install psutil")
        module: Any = import_module("mlflow.system_metrics.system_metrics_monitor")
        self._log_metrics, self._ended = log_metrics, threading.Event()
        self._step = 1 + max((step for key, step in known if key.startswith(PREFIX)), default=-1)
        self._machine = module.SystemMetricsMonitor("", tracking_uri="")
        self._thread = threading.Thread(target=self._work, name="system-metrics", daemon=True)

    def start(self) -> None:
        """Start sampling."""
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling."""
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.wait(self._machine.sampling_interval):
            self._machine.collect_metrics()
            sampled = self._machine.aggregate_metrics()
            self._log_metrics({PREFIX + name: value for name, value in sampled.items()}, self._step)
            self._step += 1
            for monitor in self._machine.monitors:
                monitor.clear_metrics()

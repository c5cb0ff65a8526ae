"""The way from an agent's logger to the tracker."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from stable_baselines3.common.logger import KVWriter

from finai_rl.tracking.tracker import Tracker


class MLflowOutputFormat(KVWriter):
    """Sends every number that a Stable-Baselines3 logger dumps to a tracker, at its step.

    Keys keep their names (``rollout/ep_rew_mean``, ``train/loss``). Texts, figures and videos
    are not metrics and are skipped, as is a key recorded with ``exclude="mlflow"``.

    Args:
        tracker: An open tracker. It outlives the logger: closing this leaves it open.

    Example:
        >>> from stable_baselines3.common.logger import Logger
        >>> from finai_rl.tracking.tracker import NoTracker
        >>> class Printer(NoTracker):
        ...     def log_metrics(self, metrics, step):
        ...         print(metrics, step)
        >>> logger = Logger(folder=None, output_formats=[MLflowOutputFormat(Printer())])
        >>> logger.record("train/loss", 0.5)
        >>> logger.dump(step=10)
        {'train/loss': 0.5} 10
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def write(
        self,
        key_values: Mapping[str, Any],
        key_excluded: Mapping[str, tuple[str, ...] | None],
        step: int = 0,
    ) -> None:
        """Send the numbers of one dump."""
        metrics = {
            key: float(value)
            for key, value in key_values.items()
            if isinstance(value, Real | np.bool_) and "mlflow" not in (key_excluded.get(key) or ())
        }
        if metrics:
            self._tracker.log_metrics(metrics, step)

    def close(self) -> None:
        """Send what waits; the tracker stays open."""
        self._tracker.flush()

"""Buffer metrics until a batch of them is worth sending."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from finai_rl.tracking.delivery import brief
from finai_rl.tracking.params import allowed_key

log = logging.getLogger(__name__)

MAX_BATCH = 1000


class MetricRecord(NamedTuple):
    """One value of one metric.

    Example:
        >>> record = MetricRecord("train/loss", 0.5, timestamp_ms=1_700_000_000_000, step=10)
        >>> record.key, record.step
        ('train/loss', 10)
    """

    key: str
    value: float
    timestamp_ms: int
    step: int


class MetricBuffer:
    """Collects values and sends them in batches, in order, each once.

    A batch that cannot be sent stays in the buffer and is tried again later, at intervals that
    double, so that a store that is down costs the training neither values nor much time.

    Args:
        send: Delivers up to ``MAX_BATCH`` records, or raises.
        max_age: Seconds after which waiting records are sent.
        first_retry: Seconds before the first new attempt after a failure.
        last_retry: The longest such wait, seconds.
        clock: Seconds from a monotonic clock.

    Example:
        >>> sent = []
        >>> buffer = MetricBuffer(sent.extend)
        >>> buffer.add({"train/loss": 0.5, "train/std": 1.0}, step=10)
        >>> buffer.waiting
        2
        >>> buffer.flush()
        >>> [(record.key, record.value, record.step) for record in sent]
        [('train/loss', 0.5, 10), ('train/std', 1.0, 10)]
    """

    def __init__(
        self,
        send: Callable[[Sequence[MetricRecord]], None],
        max_age: float = 5.0,
        first_retry: float = 15.0,
        last_retry: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._max_age, self._first_retry, self._last_retry = max_age, first_retry, last_retry
        self._clock = clock
        self._waiting: list[MetricRecord] = []
        self._retry_wait = 0.0
        self._next_attempt = clock() + max_age
        self.infinite = 0

    @property
    def waiting(self) -> int:
        """Number of values not sent yet."""
        return len(self._waiting)

    def add(self, metrics: Mapping[str, float], step: int) -> None:
        """Buffer values, and send what waits when there is enough of it or it is old enough."""
        timestamp = int(time.time() * 1000)
        for key, value in metrics.items():
            number = float(value)
            # MLflow would store infinity as the largest float, which every plot then shows.
            if math.isinf(number):
                self._count_infinite(key, number, step)
            else:
                record = MetricRecord(allowed_key(key), number, timestamp, int(step))
                self._waiting.append(record)
        due = self._clock() >= self._next_attempt
        if due or (len(self._waiting) >= MAX_BATCH and not self._retry_wait):
            self.flush()

    def flush(self) -> None:
        """Send everything that waits, now."""
        while self._waiting:
            batch = self._waiting[:MAX_BATCH]
            try:
                self._send(batch)
            except Exception as error:
                if not _is_refusal(error):
                    self._wait_longer(error)
                    return
                # What was refused once will be refused again, and everything behind it waits.
                log.warning("MLflow refused %d metric values: %s", len(batch), brief(error))
            del self._waiting[: len(batch)]
        self._retry_wait = 0.0
        self._next_attempt = self._clock() + self._max_age

    def _wait_longer(self, error: Exception) -> None:
        if not self._retry_wait:
            log.warning("MLflow did not take metrics, they are kept to retry: %s", brief(error))
        self._retry_wait = min(max(2 * self._retry_wait, self._first_retry), self._last_retry)
        self._next_attempt = self._clock() + self._retry_wait

    def _count_infinite(self, key: str, value: float, step: int) -> None:
        if not self.infinite:
            log.warning(
                "%s is %s at step %d: MLflow cannot store infinite values, they are left out "
                "there (this is said once; the tag metrics.infinite counts them)",
                key,
                value,
                step,
            )
        self.infinite += 1


def _is_refusal(error: Exception) -> bool:
    return getattr(error, "error_code", None) == "INVALID_PARAMETER_VALUE"

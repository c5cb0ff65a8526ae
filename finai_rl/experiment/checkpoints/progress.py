"""The checkpoints of one training: when they are written, and how it goes on from one."""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from finai_rl.errors import InputError
from finai_rl.experiment.checkpoints.iterations import (
    before_each_iteration,
    counting_from,
    iteration_of,
)
from finai_rl.experiment.checkpoints.late_objects import late_objects
from finai_rl.experiment.checkpoints.replay import Ring, ring_arrays
from finai_rl.experiment.checkpoints.signals import StopRequest
from finai_rl.experiment.checkpoints.store import Checkpoint, CheckpointStore
from finai_rl.experiment.checkpoints.training_state import record, restore

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback

log = logging.getLogger(__name__)

PROGRESS_FILE = "progress.csv"


class Checkpoints:
    """Writes checkpoints of a training between its iterations, and lets it go on from one.

    A checkpoint that cannot be written, such as on a full disk, costs a warning, never the
    training.

    Args:
        run_folder: The run folder.
        every: Environment steps between checkpoints, written at the next iteration's start; None
            for none but those that a signal asks for.
        store: Where they go.
        start: The checkpoint to go on from; None for a training from its beginning.
        further: Whether it is that of another run, whose agent is trained further.

    Attributes:
        store: Where they go.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = CheckpointStore(Path(folder), kept=2)
        ...     Checkpoints(Path(folder), 100, store).progress is None
        True
    """

    def __init__(
        self,
        run_folder: Path,
        every: int | None,
        store: CheckpointStore,
        start: Checkpoint | None = None,
        *,
        further: bool = False,
    ) -> None:
        self._run_folder, self._every, self.store, self._start = run_folder, every, store, start
        self._further = further
        self._waiting = start
        self._iterations = 0
        self._written = None if start is None else start.step
        self._ended = False
        self._request = StopRequest()
        self._beginning: dict[str, Any] | None = None
        self._told: set[str] = set()

    @property
    def progress(self) -> str | None:
        """The text of ``progress.csv`` at the checkpoint; None from the beginning."""
        if self._start is None or self._further:
            return None
        return str(self._start.values["progress"])

    @property
    def is_trained(self) -> bool:
        """Whether the checkpoint to go on from is that of a training's end."""
        if self._start is None or self._further:
            return False
        return bool(self._start.values["trained"])

    @property
    def step(self) -> int | None:
        """The step of the last checkpoint; None while there is none."""
        # A signal may have come between the file and the note of it.
        files = self.store.files()
        return files[-1][0] if files else self._written

    @property
    def ends(self) -> bool:
        """Whether the last checkpoint is that of this training's end."""
        return self._ended or self.is_trained

    @contextmanager
    def kept(
        self, agent: BaseAlgorithm, callbacks: Sequence[BaseCallback], interval: int
    ) -> Iterator[int]:
        """Write checkpoints while an agent's ``learn`` runs, which first goes on from one.

        Args:
            agent: The agent, as new where it goes on.
            callbacks: All that it is trained with, in order.
            interval: The ``log_interval`` of the training.

        Yields:
            The ``log_interval`` to call ``learn`` with.

        Raises:
            InputError: If the checkpoint does not fit agent, environment or callbacks.
        """
        if iteration_of(agent) is None:
            log.warning(
                "%s has no iterations that checkpoints could be written between: this run cannot "
                "be resumed",
                type(agent).__name__,
            )
            yield interval
            return
        done = 0 if self._start is None else int(self._start.values["iterations"])
        with ExitStack() as stack:
            stack.enter_context(self._request.heard())
            stack.enter_context(
                before_each_iteration(agent, lambda: self._at_iteration(agent, callbacks))
            )
            yield stack.enter_context(counting_from(agent, done, interval))

    def restore(self, agent: BaseAlgorithm, callbacks: Sequence[BaseCallback]) -> None:
        """Put an agent that has begun to learn where the checkpoint stands.

        Raises:
            InputError: If the checkpoint does not fit.
        """
        start = self._waiting
        assert start is not None
        try:
            restore(start.values["state"], start.arrays, agent, callbacks)
            self.store.continue_from(start, _ring(agent, int(start.values["added"])))
        except ValueError as error:
            raise InputError(
                f"resume: the checkpoint of step {start.step:,} does not fit this run: {error}"
            ) from error
        self._iterations = int(start.values["iterations"])
        self._waiting = None
        log.info("Resumed at step %s", f"{start.step:,}")

    def write(
        self, agent: BaseAlgorithm, callbacks: Sequence[BaseCallback], *, trained: bool = False
    ) -> bool:
        """Write a checkpoint of where the training stands, and return whether it is there."""
        step = int(agent.num_timesteps)
        try:
            self._write(step, agent, callbacks, trained=trained)
        except Exception as error:
            # Whatever it is: what was trained is worth more than where it could go on from.
            log.warning(
                "The checkpoint of step %s was not written: %s: %s",
                f"{step:,}",
                type(error).__name__,
                error,
            )
            return False
        self._written, self._ended = step, trained
        return True

    def _write(
        self, step: int, agent: BaseAlgorithm, callbacks: Sequence[BaseCallback], *, trained: bool
    ) -> None:
        state, arrays, unknown = record(agent, callbacks)
        self._tell(sorted(unknown), "Not in checkpoints, as their state is not known: %s")
        if self._beginning is not None:
            self._tell(
                late_objects(self._beginning, state),
                "This run cannot go on from its checkpoints: when a training begins there is no "
                "%s; make it in the constructor",
            )
        file = self._run_folder / PROGRESS_FILE
        values = {
            "state": state,
            "iterations": self._iterations,
            "trained": trained,
            "progress": file.read_text(encoding="utf-8") if file.is_file() else "",
            "versions": versions(),
        }
        self.store.write(step, values, arrays, _ring(agent, step // agent.n_envs))

    def _tell(self, names: Sequence[str], message: str) -> None:
        """Warn of what has not been warned of."""
        if new := [name for name in names if name not in self._told]:
            log.warning(message, ", ".join(new))
            self._told |= {*new}

    def end(self, agent: BaseAlgorithm, callbacks: Sequence[BaseCallback]) -> None:
        """Write the checkpoint of a training's end, and obey a signal of its last iteration."""
        self.write(agent, callbacks, trained=True)
        if self._request.signal is not None:
            self._request.obey()

    def _at_iteration(self, agent: BaseAlgorithm, callbacks: Sequence[BaseCallback]) -> None:
        if self._iterations == 0:
            # As it is built anew, which is what a checkpoint is put into; writing one tells of
            # what cannot be recorded.
            with suppress(Exception):
                self._beginning = record(agent, callbacks)[0]
        if self._waiting is not None:
            self.restore(agent, callbacks)
        step = int(agent.num_timesteps)
        if self._request.signal is not None:
            if self._written != step:
                self.write(agent, callbacks)
            self._request.obey()
        elif self._every and step // self._every > (self._written or 0) // self._every:
            self.write(agent, callbacks)
        self._iterations += 1


def _ring(agent: BaseAlgorithm, steps: int) -> Ring | None:
    buffer = getattr(agent, "replay_buffer", None)
    return Ring(buffer, steps) if ring_arrays(buffer) else None


def versions() -> dict[str, str]:
    """Return the releases that a result depends on, bit for bit."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }

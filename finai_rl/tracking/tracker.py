"""What a run may tell its tracker, and the tracker that listens to nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from finai_rl.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from finai_rl.data.market import MarketData


COUNTED_TAG = "validation.looked_at"
"""On every training run whose agent was backtested on validation, once or more often."""


class TrackingError(InputError):
    """The tracking store cannot be used; raised before training starts, never during it."""


class StoreUnreachable(TrackingError):
    """The store does not answer, and may later; what it would be told can wait in a journal."""


@dataclass(frozen=True)
class LoggedPolicy:
    """Where a packaged policy can be loaded from.

    Attributes:
        uri: ``models:/m-...``, what ``mlflow.pyfunc.load_model`` takes.
        registered_name: Name in the model registry, where it was registered.
        version: Version under that name.

    Example:
        >>> policy = LoggedPolicy("models:/m-1234", registered_name="trader", version="3")
        >>> f"models:/{policy.registered_name}/{policy.version}"
        'models:/trader/3'
    """

    uri: str
    registered_name: str | None = None
    version: str | None = None


class TrainedAgent(Protocol):
    """What packaging needs of an agent: any Stable-Baselines3 algorithm has it."""

    @property
    def action_space(self) -> Any:
        """Gymnasium space of one environment's action."""

    @property
    def num_timesteps(self) -> int:
        """Timesteps trained."""


class Tracker(ABC):
    """A run's record, opened and closed as a context manager.

    Only opening may raise :class:`TrackingError`. Afterwards a store that cannot be reached
    costs a warning, never the training: a journal in the run folder holds everything that was
    logged, and what has not arrived is sent later.

    Example:
        >>> def log_losses(tracker: Tracker, losses: list[float]) -> str | None:
        ...     with tracker:
        ...         for step, loss in enumerate(losses):
        ...             tracker.log_metrics({"train/loss": loss}, step)
        ...         return tracker.run_id
        >>> log_losses(NoTracker(), [0.9, 0.5]) is None
        True
    """

    @property
    @abstractmethod
    def run_id(self) -> str | None:
        """Identifier of the open run."""

    @property
    @abstractmethod
    def page_command(self) -> str | None:
        """Command that opens the tracking page, or the address of the run on a server."""

    def check(self) -> None:  # noqa: B027
        """Ask whether a run could be opened now; called before the block is entered.

        Raises:
            StoreUnreachable: If the store does not answer, and the run needs it to.
        """

    @abstractmethod
    def journal_in(self, folder: Path | str) -> None:
        """Keep the journal of the run in a run folder; called before the block is entered."""

    @abstractmethod
    def reopen(self, run_id: str) -> None:
        """Go on in a run that was opened before, instead of opening one.

        Called before the block is entered. Its status is RUNNING again, and its tags name this
        process. A metric that the journal of the run folder has at a step already is not sent
        again: training that goes on from a checkpoint computes the same values once more.
        """

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    @abstractmethod
    def log_config(self, config: Mapping[str, Any], overrides: Sequence[str] = ()) -> None:
        """Log a composed config: flattened parameters, and the whole as ``config/*.yaml``.

        Args:
            config: Nested plain containers, interpolations already resolved.
            overrides: What the command line changed, as ``key=value``.
        """

    @abstractmethod
    def set_tags(self, tags: Mapping[str, str], instead_of: Sequence[str] = ()) -> None:
        """Set tags on the run; a later value replaces an earlier one.

        Args:
            tags: Names and values.
            instead_of: Beginnings of names: the run's other tags that have one are removed.
        """

    @abstractmethod
    def rename(self, name: str) -> None:
        """Rename the run; it may be closed already, and so may it for `set_tags`."""

    @abstractmethod
    def keep_open(self) -> None:
        """Reopen the run where another process has closed it meanwhile."""

    @abstractmethod
    def hand_over(self, process: Mapping[str, str]) -> None:
        """Leave the run open at the end, for the process with these `process_tags` to close."""

    @abstractmethod
    def close_dead_run(
        self, run_id: str, name: str, tags: Mapping[str, str], folder: Path | str
    ) -> None:
        """Close another run as KILLED, under a name and with tags that say so.

        What the journals in its folder hold, and the store has not, is sent before.
        """

    @abstractmethod
    def count_trials(self) -> int | None:
        """Return how many trained agents of the experiment were scored on validation."""

    @abstractmethod
    def register(self, run_id: str, name: str, alias: str) -> str | None:
        """Register the policy that a run logged, and point an alias at it.

        Returns:
            The version; None where the run has no policy or the store could not take it.
        """

    @abstractmethod
    def log_dataset(self, data: MarketData, context: str) -> None:
        """Record a panel as an input of the run.

        Args:
            data: The days that were used.
            context: What for: ``"training"``, ``"validation"``, ``"test"``.
        """

    @abstractmethod
    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log values at a step. NaN is kept; an infinite value is counted and left out."""

    @abstractmethod
    def flush(self) -> None:
        """Send the metrics that are still waiting."""

    @abstractmethod
    def log_artifact(self, file: Path | str, artifact_path: str | None = None) -> None:
        """Upload a file into the folder ``artifact_path`` of the run's artifacts."""

    @abstractmethod
    def log_artifacts(self, folder: Path | str, artifact_path: str | None = None) -> None:
        """Upload a folder's content into the folder ``artifact_path`` of the run's artifacts."""

    @abstractmethod
    def log_checkpoint(self, file: Path | str) -> None:
        """Upload a checkpoint to ``checkpoints/`` where the tracker was asked to keep them."""

    @abstractmethod
    def log_policy(
        self,
        agent: TrainedAgent,
        model_file: Path | str,
        observations: NDArray[np.float32],
        vec_normalize_file: Path | str | None = None,
        extra_packages: Sequence[str] = (),
        beside: Sequence[Path] = (),
    ) -> LoggedPolicy | None:
        """Package the policy as an MLflow model, and register it where a name was configured.

        Args:
            agent: The trained agent; its class is the one that loads ``model_file``.
            model_file: What ``agent.save`` wrote.
            observations: (n, obs_dim) float32 observations as the environment gives them,
                before normalization; a few rows, kept as the model's input example.
            vec_normalize_file: What ``VecNormalize.save`` wrote, where training normalized.
            extra_packages: Names of further packages that loading the policy imports.
            beside: Further files that go along in the package, under their own names.

        Returns:
            Where it went; None where it was not asked for or the store could not take it.

        Raises:
            FileNotFoundError: If a file is not there.
        """

    @abstractmethod
    def log_card(self, markdown: str, page: str) -> None:
        """Log the card of the run's model, as an artifact and as what its versions say.

        Args:
            markdown: The card; ``model_card.md``, and the description of every registered version.
            page: The same as HTML; ``model_card.html``.
        """


class NoTracker(Tracker):
    """Tracks nothing: ``tracking=none``.

    Example:
        >>> with NoTracker() as tracker:
        ...     tracker.log_metrics({"train/loss": 0.5}, step=10)
        >>> tracker.run_id is None, tracker.page_command is None
        (True, True)
    """

    @property
    def run_id(self) -> None:
        """None: there is no run."""
        return None

    @property
    def page_command(self) -> None:
        """None: there is no page."""
        return None

    def journal_in(self, folder: Path | str) -> None:
        """Do nothing."""

    def reopen(self, run_id: str) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def log_config(self, config: Mapping[str, Any], overrides: Sequence[str] = ()) -> None:
        """Do nothing."""

    def set_tags(self, tags: Mapping[str, str], instead_of: Sequence[str] = ()) -> None:
        """Do nothing."""

    def rename(self, name: str) -> None:
        """Do nothing."""

    def keep_open(self) -> None:
        """Do nothing."""

    def hand_over(self, process: Mapping[str, str]) -> None:
        """Do nothing."""

    def close_dead_run(
        self, run_id: str, name: str, tags: Mapping[str, str], folder: Path | str
    ) -> None:
        """Do nothing."""

    def count_trials(self) -> None:
        """None: nothing was counted."""
        return None

    def register(self, run_id: str, name: str, alias: str) -> None:
        """Do nothing."""
        return None

    def log_dataset(self, data: MarketData, context: str) -> None:
        """Do nothing."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""

    def log_artifact(self, file: Path | str, artifact_path: str | None = None) -> None:
        """Do nothing."""

    def log_artifacts(self, folder: Path | str, artifact_path: str | None = None) -> None:
        """Do nothing."""

    def log_checkpoint(self, file: Path | str) -> None:
        """Do nothing."""

    def log_policy(
        self,
        agent: TrainedAgent,
        model_file: Path | str,
        observations: NDArray[np.float32],
        vec_normalize_file: Path | str | None = None,
        extra_packages: Sequence[str] = (),
        beside: Sequence[Path] = (),
    ) -> None:
        """Do nothing."""
        return None

    def log_card(self, markdown: str, page: str) -> None:
        """Do nothing."""

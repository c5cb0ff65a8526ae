"""MLflow: the life of a run, its metric stream, the packaging of its policy.

Importing this package stays light: MLflow, Stable-Baselines3 and torch are imported by the
names that need them, when these are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from finai_rl.tracking.environment import set_client_defaults
from finai_rl.tracking.provenance import data_tags, note_tag, provenance_tags
from finai_rl.tracking.tracker import COUNTED_TAG, LoggedPolicy, NoTracker, Tracker, TrackingError

if TYPE_CHECKING:
    from finai_rl.tracking.metric_stream import MLflowOutputFormat
    from finai_rl.tracking.mlflow_tracker import MLflowTracker

__all__ = [
    "COUNTED_TAG",
    "LoggedPolicy",
    "MLflowOutputFormat",
    "MLflowTracker",
    "NoTracker",
    "Tracker",
    "TrackingError",
    "data_tags",
    "note_tag",
    "provenance_tags",
]

_HEAVY = {
    "MLflowOutputFormat": "finai_rl.tracking.metric_stream",
    "MLflowTracker": "finai_rl.tracking.mlflow_tracker",
}

# MLflow reads some of these while it is being imported.
set_client_defaults()


def __getattr__(name: str) -> Any:
    if name in _HEAVY:
        return getattr(import_module(_HEAVY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

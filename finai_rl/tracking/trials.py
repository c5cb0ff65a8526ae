"""How often an experiment has looked at its validation data."""

from __future__ import annotations

from mlflow import MlflowClient
from mlflow.entities import ViewType

from finai_rl.tracking.tracker import COUNTED_TAG


def count_trials(client: MlflowClient, experiment_id: str) -> int:
    """Return how many trained agents of an experiment were scored on validation.

    Trials of sweeps, each of their seeds, and runs of their own all count; so do pruned and
    deleted ones: whatever was looked at was a chance to be lucky.
    """
    count, token = 0, None
    while True:
        page = client.search_runs(
            [experiment_id],
            f"tags.`{COUNTED_TAG}` = 'true'",
            run_view_type=ViewType.ALL,
            max_results=1000,
            page_token=token,
        )
        count, token = count + len(page), page.token
        if not token:
            return count

"""Runs of the same configuration with other seeds and on other folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.entities import Run

from finai_rl.config.schemas import ADDED, first_name
from finai_rl.tracking.tracker import COUNTED_TAG

if TYPE_CHECKING:
    import pandas as pd

REPEATED = ("seed", "seeds", "split.fold", "agent.seed", "env.seed")
"""Parameters that repeat a training without changing what is trained."""

ABOUT_THE_RUN = ("sweep.", "tracking.")
NOT_WHAT_IS_TRAINED = (
    *("checkpoint_every", "log_interval", "model_dir", "output_root", "progress_bar"),
    *("torch_threads", "trusted_packages", "env.threads", "agent.tensorboard_log"),
)
STOPPED_TAG = "stopped_early"
SHOWN = ("sharpe_ratio", "total_return", "max_drawdown", "annual_turnover")


def siblings(client: MlflowClient, run: Run) -> pd.DataFrame:
    """Return the validation of a run and of all that repeat it with another seed or on other days.

    They are runs of the same experiment, on the same data, with the same parameters but those
    that repeat a training or do not matter to it. Of equal seed and days the newest counts.

    Args:
        client: Of the store.
        run: The run.

    Returns:
        One row a run with ``seed``, ``fold`` (the days validated on) and `SHOWN` metrics, by fold
        and seed.
    """
    import pandas as pd

    found: dict[tuple[str, int], dict[str, object]] = {}
    token = None
    while True:
        page = client.search_runs(
            [str(run.info.experiment_id)],
            f"attributes.status = 'FINISHED' AND tags.`{COUNTED_TAG}` = 'true' "
            f"AND tags.`data.sha256` = '{run.data.tags.get('data.sha256', '')}'",
            max_results=1000,
            page_token=token,
            order_by=["start_time"],
        )
        for other in page:
            # A trial that its search has stopped was measured before its training's end.
            itself = other.info.run_id == run.info.run_id
            whole = itself or STOPPED_TAG not in other.data.tags
            if whole and _trained(other.data.params) == _trained(run.data.params):
                row = _row(other)
                found[str(row["fold"]), int(str(row["seed"]))] = row
        token = page.token
        if not token:
            return pd.DataFrame([found[place] for place in sorted(found)])


def _trained(parameters: Mapping[str, str]) -> dict[str, str]:
    """Keep the parameters that say what was trained."""
    left_out = {*REPEATED, *NOT_WHAT_IS_TRAINED}
    return {
        name: first_name(value)
        for name, value in parameters.items()
        if name not in left_out and not name.startswith(ABOUT_THE_RUN) and ADDED.get(name) != value
    }


def _row(run: Run) -> dict[str, object]:
    metrics = run.data.metrics
    return {
        "seed": int(run.data.tags.get("seed", 0)),
        "fold": run.data.tags.get("split.validation", ""),
        **{name: metrics.get(f"validation/{name}", float("nan")) for name in SHOWN},
    }

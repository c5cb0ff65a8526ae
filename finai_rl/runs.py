"""List the runs of an experiment: how each ended, and what can be done with it next.

python -m finai_rl.runs --experiment finai_rl
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from finai_rl.errors import InputError, printable


def main() -> None:
    """Print the runs of an experiment, newest first."""
    parser = argparse.ArgumentParser(
        prog="python -m finai_rl.runs",
        description="List the runs of an experiment, newest first, and what can be done next.",
    )
    parser.add_argument(
        "--experiment",
        default=os.environ.get("MLFLOW_EXPERIMENT_NAME") or "finai_rl",
        help="its name (default: MLFLOW_EXPERIMENT_NAME, else finai_rl)",
    )
    parser.add_argument(
        "--uri", help="the store (default: MLFLOW_TRACKING_URI, else the database below the root)"
    )
    parser.add_argument("--last", type=_count, default=20, help="how many runs (default: 20)")
    parser.add_argument(
        "--output-root", type=Path, default=Path("outputs"), help="where runs are (outputs)"
    )
    asked = parser.parse_args()
    default = f"sqlite:///{asked.output_root}/mlflow.db"
    uri = asked.uri or os.environ.get("MLFLOW_TRACKING_URI") or default
    try:
        root = asked.output_root
        list_runs(uri, asked.experiment, asked.last, root, elsewhere=uri != _by_itself())
    except InputError as error:
        sys.exit(str(error))


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _by_itself() -> str:
    """Return the store that a command uses that names none."""
    return os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///outputs/mlflow.db"


def list_runs(
    uri: str, experiment_name: str, last: int, output_root: Path, *, elsewhere: bool = False
) -> None:
    """Print the runs of an experiment, newest first, and what can be done with them.

    Args:
        uri: Of the store.
        experiment_name: The experiment.
        last: How many runs.
        output_root: Runs that wait to be sent to the store are looked for below it.
        elsewhere: Whether commands have to be told of this store.

    Raises:
        InputError: If the store cannot be used or has no such experiment.
    """
    from rich.console import Console
    from rich.table import Table

    from finai_rl.tracking.history.listing import commands, listed, waiting_below

    rows = listed(uri, experiment_name, last)
    table = Table(title=f"Runs of {experiment_name}, newest first")
    for name in ("run", "name", "status", "agent", "objective", "age"):
        numbers = name in ("objective", "age")
        # An identifier that is cut short cannot be copied.
        least = 32 if name == "run" else None
        table.add_column(name, justify="right" if numbers else "left", min_width=least)
    for row in rows:
        cells = (row.run_id, row.name, row.status, row.agent, row.objective, row.age)
        table.add_row(*map(printable, cells))
    console = Console(soft_wrap=True, markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 160
    console.print(table)
    waiting = waiting_below(output_root)
    for line in commands(rows, waiting, uri, experiment_name, elsewhere=elsewhere):
        console.print(printable(line))


if __name__ == "__main__":
    main()

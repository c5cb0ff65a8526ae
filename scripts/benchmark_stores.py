"""How many writes a second a search's database and a tracking store take."""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from finai_rl.sweep.context import StudyAddress
from finai_rl.sweep.study import absolute, create, locked

METRICS = 30
"""Values in one batch, as the journal sends them every few seconds."""


def study_writes(url: str, until: float) -> int:
    """Run trials of a study, without a training, until a moment; one look at each.

    Args:
        url: Of the database, which has the study ``stores``.
        until: Seconds since the epoch.

    Returns:
        Trials: each is asked for, reported once, and told.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.RandomSampler()
    study = optuna.load_study(study_name="stores", storage=url, sampler=sampler)
    done = 0
    while time.time() < until:
        trial = study.ask()
        for name in "abcde":
            trial.suggest_float(name, 0.0, 1.0)
        trial.report(0.0, 1)
        study.tell(trial, 0.0)
        done += 1
    return done


def tracking_writes(uri: str, until: float) -> int:
    """Send batches of metrics to a run of one's own until a moment, and return how many."""
    import mlflow
    from mlflow.entities import Metric

    client = mlflow.MlflowClient(uri)
    run = client.create_run("0").info.run_id
    done = 0
    while time.time() < until:
        now = int(time.time() * 1000)
        batch = [Metric(f"train/value_{n}", float(n), now, done) for n in range(METRICS)]
        client.log_batch(run, metrics=batch)
        done += 1
    return done


def per_second(
    write: Callable[[str, float], int], store: str, processes: int, span: float
) -> float:
    """Return writes a second of several processes at once."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        # The first write imports what the others need, and is not measured.
        pool.starmap(write, [(store, time.time() + 0.2)] * processes, chunksize=1)
        begin = time.time()
        done = pool.starmap(write, [(store, begin + span)] * processes, chunksize=1)
        return sum(done) / (time.time() - begin)


def study_store(url: str) -> str:
    """Make the study and return the database's address."""
    address = StudyAddress(absolute(url), "stores")
    with locked(address):
        create(address, "maximize")
    return address.storage


def main() -> None:
    """Measure each store with each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__, prog="scripts/benchmark stores")
    parser.add_argument("--study", action="append", help="database of searches; may be repeated")
    parser.add_argument("--tracking", action="append", help="tracking URI; may be repeated")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmark/stores.csv"))
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        studies = told.study or [f"sqlite:///{folder}/optuna.db"]
        stores = told.tracking or [f"sqlite:///{folder}/mlflow.db"]
        kinds = [("trials", study_writes, study_store(url)) for url in studies]
        kinds += [("metric batches", tracking_writes, uri) for uri in stores]
        rows = [
            (what, store.partition(":")[0], n, per_second(write, store, n, told.seconds))
            for what, write, store in kinds
            for n in told.processes
        ]
    title = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    table = Table("what", "store", "processes", "a second", title=title)
    for what, store, n, rate in rows:
        table.add_row(what, store, str(n), f"{rate:.1f}")
    Console().print(table)
    told.out.parent.mkdir(parents=True, exist_ok=True)
    with told.out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["what", "store", "processes", "per_second"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()

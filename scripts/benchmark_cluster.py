"""A sweep on a simulated cluster: how long it takes with 2 to 1,000 workers, and what it waits for.

A discrete-event simulation (SimPy). Workers take trials from a driver that serves one at a time;
a trial is a start, a training with a request to the tracker every few seconds, and an end; nodes
fail at random, and a trial that was running goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from bisect import bisect_right
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import simpy
from rich.console import Console
from rich.table import Table

WORKERS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
Events = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Cluster:
    """What a cluster and its stores are like; times in seconds.

    Attributes:
        workers: Trials at once.
        per_node: Workers that fail together.
        start_up: From the order to the first step: a fresh process, its imports, the data.
        driver: Of asking for a trial and telling its result, by the one process that does.
        batches: Whether the driver waits for all trials of a batch before it asks for more.
        tracker: Of one request, at the tracker.
        tracker_processes: Requests that the tracker serves at once.
        requests: To the tracker, at a trial's start and end together.
        every: Between two requests while a trial trains.
        node_life: Mean time to a node's failure; infinite where none fails.
        noticed: From a failure to the trial's being started again.
        checkpoint: Between two checkpoints; what is trained after the last one is lost.
    """

    workers: int = 2
    per_node: int = 8
    start_up: float = 6.0
    driver: float = 0.05
    batches: bool = False
    tracker: float = 0.025
    tracker_processes: int = 1
    requests: int = 75
    every: float = 5.0
    node_life: float = np.inf
    noticed: float = 10.0
    checkpoint: float = 60.0


@dataclass(frozen=True)
class Simulated:
    """What came of it.

    Attributes:
        seconds: Until the last trial had ended.
        driver: Share of that time in which the driver was busy.
        tracker: Share in which the tracker was, of all its processes.
        lost: Training that was done twice, in seconds.
    """

    seconds: float
    driver: float
    tracker: float
    lost: float


class Sweep:
    """One sweep on one cluster.

    Args:
        cluster: Its settings.
        lengths: Of the trials' trainings, in seconds, in the order in which they are asked for.
        seed: Of the failures.
    """

    def __init__(self, cluster: Cluster, lengths: Sequence[float], seed: int) -> None:
        self.env = simpy.Environment()
        self.cluster, self.lengths = cluster, list(lengths)
        self.driver = simpy.Resource(self.env)
        self.tracker = simpy.Resource(self.env, cluster.tracker_processes)
        self.random = np.random.default_rng(seed)
        self.busy = {"driver": 0.0, "tracker": 0.0}
        self.lost = 0.0
        nodes = -(-cluster.workers // cluster.per_node)
        self.failures: list[list[float]] = [[] for _ in range(nodes)]

    def run(self) -> Simulated:
        """Run all trials and return what it took."""
        self.env.run(self.env.process(self._all()))
        now, busy = self.env.now, self.busy
        processes = self.cluster.tracker_processes
        return Simulated(now, busy["driver"] / now, busy["tracker"] / now / processes, self.lost)

    def _all(self) -> Events:
        waiting = iter(enumerate(self.lengths))
        if self.cluster.batches:
            while batch := list(islice(waiting, self.cluster.workers)):
                trials = [self._trial(place, *trial) for place, trial in enumerate(batch)]
                yield self.env.all_of([self.env.process(trial) for trial in trials])
            return
        workers = [self._worker(place, waiting) for place in range(self.cluster.workers)]
        yield self.env.all_of([self.env.process(worker) for worker in workers])

    def _worker(self, place: int, waiting: Any) -> Events:
        for trial in waiting:
            yield from self._trial(place, *trial)

    def _trial(self, place: int, number: int, length: float) -> Events:
        yield from self._served(self.driver, "driver", self.cluster.driver)
        left = length
        while left > 0:
            yield self.env.timeout(self.cluster.start_up)
            yield from self._requests(self.cluster.requests // 2)
            left = yield from self._training(place // self.cluster.per_node, left)
        yield from self._requests(self.cluster.requests - self.cluster.requests // 2)
        yield from self._served(self.driver, "driver", self.cluster.driver)

    def _training(self, node: int, left: float) -> Generator[simpy.Event, Any, float]:
        """Train until the end or the node's failure; return what is left to train."""
        failure, done = self._failure_after(node, self.env.now), 0.0
        while done < left:
            step = min(self.cluster.every, left - done)
            if self.env.now + step >= failure:
                done += failure - self.env.now
                kept = done - done % self.cluster.checkpoint
                self.lost += done - kept
                yield self.env.timeout(failure - self.env.now + self.cluster.noticed)
                return left - kept
            yield self.env.timeout(step)
            done += step
            # What a run logs is sent beside its training, which does not wait for it.
            self.env.process(self._requests(1))
        return 0.0

    def _requests(self, number: int) -> Events:
        for _ in range(number):
            yield from self._served(self.tracker, "tracker", self.cluster.tracker)

    def _served(self, server: simpy.Resource, name: str, seconds: float) -> Events:
        with server.request() as turn:
            yield turn
            yield self.env.timeout(seconds)
            self.busy[name] += seconds

    def _failure_after(self, node: int, moment: float) -> float:
        """Return when a node fails next: one moment for all trials that run on it."""
        life, known = self.cluster.node_life, self.failures[node]
        if not np.isfinite(life):
            return np.inf
        while not known or known[-1] <= moment:
            known.append((known[-1] if known else 0.0) + float(self.random.exponential(life)))
        return known[bisect_right(known, moment)]


def recorded_lengths(sweep: Path) -> list[float]:
    """Return how long each finished trial of a sweep took, from the times of its files.

    Args:
        sweep: Folder of the sweep.

    Raises:
        SystemExit: No trial of it has ended.
    """
    found = []
    for file in sorted(sweep.glob("**/trial.json")):
        begins = [other.stat().st_mtime for other in file.parent.glob(".hydra/config.yaml")]
        if begins and json.loads(file.read_text())["state"] in ("COMPLETE", "PRUNED"):
            found.append(file.stat().st_mtime - begins[0])
    if not found:
        sys.exit(f"{sweep}: no trial of it has ended (no trial.json with COMPLETE or PRUNED)")
    return found


def scenarios(told: argparse.Namespace) -> dict[str, Cluster]:
    """Return what is compared, by the words that the picture has for it."""
    plain = Cluster(
        start_up=told.start_up,
        driver=told.driver,
        tracker=told.tracker,
        requests=told.requests,
        per_node=told.per_node,
    )
    return {
        "one tracker process": plain,
        "in batches": replace(plain, batches=True),
        "tracker with 16 processes": replace(plain, tracker_processes=16),
        f"the same, a node fails every {told.node_hours:g} h": replace(
            plain, tracker_processes=16, node_life=told.node_hours * 3600
        ),
    }


def draw(rows: dict[str, list[Simulated]], ideal: list[float], target: Path) -> None:
    """Draw the time of the sweep, and how busy driver and tracker are, over the workers."""
    figure, (time, busy) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    time.plot(WORKERS, ideal, "k:", label="work divided by workers")
    for number, (name, found) in enumerate(rows.items()):
        color = f"C{number}"
        time.plot(WORKERS, [one.seconds for one in found], color=color, marker=".", label=name)
        busy.plot(WORKERS, [one.tracker for one in found], color=color, label=f"tracker: {name}")
    driver = [one.driver for one in next(iter(rows.values()))]
    busy.plot(WORKERS, driver, "k--", label="driver: one tracker process")
    time.set(xscale="log", yscale="log", xlabel="workers", ylabel="seconds until the sweep ends")
    busy.set(xscale="log", xlabel="workers", ylabel="share of the time that it is busy")
    for axes in (time, busy):
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)


def main() -> None:
    """Simulate every scenario with every number of workers; print, write and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, prog="scripts/benchmark cluster")
    parser.add_argument(
        "--sweep", type=Path, help="folder of a sweep whose trial lengths are drawn"
    )
    parser.add_argument("--mean", type=float, default=60.0, help="mean length without --sweep")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--start-up", type=float, default=6.0, help="of a worker's process")
    parser.add_argument("--driver", type=float, default=0.05, help="of asking, and of telling")
    parser.add_argument("--tracker", type=float, default=0.025, help="of one request")
    parser.add_argument("--requests", type=int, default=75, help="at a trial's start and end")
    parser.add_argument("--per-node", type=int, default=8, help="workers of a node")
    parser.add_argument("--node-hours", type=float, default=2.0, help="mean life of a node")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmark"))
    told = parser.parse_args()
    random = np.random.default_rng(told.seed)
    # A search's trials differ by its hyperparameters, and the pruner ends many early.
    known = recorded_lengths(told.sweep) if told.sweep else random.gamma(2, told.mean / 2, 1000)
    lengths = random.choice(np.asarray(known), told.trials)
    compared = scenarios(told)
    alone = replace(next(iter(compared.values())), workers=1)
    work = Sweep(alone, lengths, told.seed).run().seconds
    rows = {
        name: [Sweep(replace(one, workers=n), lengths, told.seed).run() for n in WORKERS]
        for name, one in compared.items()
    }
    table = Table("", *map(str, WORKERS), title=f"speed-up over one worker, {told.trials} trials")
    for name, found in rows.items():
        table.add_row(name, *(f"{work / one.seconds:.0f}" for one in found))
    Console(width=140).print(table)
    draw(rows, [work / n for n in WORKERS], told.out / "cluster.png")
    with (told.out / "cluster.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["scenario", "workers", "seconds", "driver", "tracker", "lost"])
        for name, found in rows.items():
            for n, one in zip(WORKERS, found, strict=True):
                writer.writerow([name, n, one.seconds, one.driver, one.tracker, one.lost])


if __name__ == "__main__":
    main()

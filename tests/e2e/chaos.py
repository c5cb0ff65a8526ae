"""Kill trainings at random moments, resume them, and compare them with ones left alone.

    scripts/chaos                                the nine agents, three kills each
    scripts/chaos --agents ppo,sac --kills 10 --seed 3

Commands run as forks of one process that has imported everything (`tests.warm`).
"""

from __future__ import annotations

import argparse
import csv
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient

from finai_rl.experiment.checkpoints.replay import read_segment
from finai_rl.experiment.checkpoints.store import CheckpointStore
from tests.stores import write_empty_store
from tests.warm import Fork, WarmProcess, warm_process

AGENTS = ("ppo", "a2c", "sac", "td3", "ddpg", "tqc", "recurrent_ppo", "erl_ppo", "erl_sac")
SETTINGS: dict[str, Any] = {
    "data": "synthetic",
    "data.n_stocks": 3,
    "data.n_days": 120,
    "env.n_envs": 3,
    "env.episode_days": 12,
    "env.random_start": "true",
    "env.normalize": "true",
    "env.window": 2,
    "reward": "differential_sharpe",
    "total_timesteps": 1200,
    "checkpoint_every": 60,
    # SB3 dumps at every so many episodes, and three end together: not twice at one step.
    "log_interval": 3,
    "tracking.log_model": "false",
    "tracking.experiment_name": "chaos",
}
ON_POLICY = {"agent.n_steps": 8, "agent.batch_size": 12, "agent.n_epochs": 2}
OFF_POLICY = {
    "agent.buffer_size": 900,
    "agent.learning_starts": 90,
    "agent.batch_size": 16,
    "agent.gradient_steps": 2,
}
CLOCK = ("time/fps", "time/time_elapsed")
PATIENCE = 300.0
"""Seconds that a command may take."""


@dataclass
class Outcome:
    """What became of an agent's training that was killed again and again.

    Attributes:
        agent: Its name.
        kills: How it was killed, and at which checkpoint.
        differences: From the training that was left alone; empty where there are none.
    """

    agent: str
    kills: list[str]
    differences: list[str]


def torment(agent: str, kills: int, chance: random.Random, folder: Path) -> Outcome:
    """Train an agent twice, once left alone, once killed, and compare the two.

    Args:
        agent: Its name in ``conf/agent``.
        kills: How often it is killed.
        chance: Chooses when and how.
        folder: Where both runs go.
    """
    warm, uri = warm_process(), write_empty_store(folder / "mlflow.db")
    settings = {"agent": agent, **SETTINGS, "tracking.uri": uri}
    settings |= ON_POLICY if agent in ("ppo", "recurrent_ppo", "erl_ppo") else {}
    settings |= OFF_POLICY if agent in ("sac", "td3", "ddpg", "tqc", "erl_sac") else {}
    words = [f"{key}={value}" for key, value in settings.items()]
    _finish(_start(warm, folder, *words, "hydra.run.dir=alone"))
    fork = _start(warm, folder, *words, "hydra.run.dir=killed")
    resume = f"resume={folder / 'killed'}"
    killed: list[str] = []
    for number in range(kills):
        goal = SETTINGS["total_timesteps"] * (number + chance.uniform(0.2, 0.9)) / kills
        killed += _kill(fork, folder / "killed", goal, chance)
        fork = _start(warm, folder, resume, f"tracking.uri={uri}")
    _finish(fork)
    runs = [folder / "alone", folder / "killed"]
    return Outcome(agent, killed, [*_file_differences(*runs), *_metric_differences(uri)])


def _start(warm: WarmProcess, folder: Path, *words: str) -> Fork:
    return warm.start(folder, "finai_rl.train", *words)


def _finish(fork: Fork) -> None:
    out, err = fork.communicate(PATIENCE)
    if fork.poll():
        raise RuntimeError(f"{' '.join(fork.arguments)}\n{out}\n{err}")


def _kill(fork: Fork, run: Path, goal: float, chance: random.Random) -> list[str]:
    """Kill a training some time after a checkpoint of the goal; return how, if it still ran."""
    how = chance.choice((signal.SIGKILL, signal.SIGTERM))
    writing = how == signal.SIGKILL and chance.random() < 0.5
    deadline = time.monotonic() + PATIENCE
    while _last_step(run) < goal and fork.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    while writing and fork.poll() is None and not [*(run / "resume").glob(".*.part")]:
        pass
    if not writing:
        time.sleep(chance.uniform(0, 0.1))
    if fork.poll() is not None:
        _finish(fork)
        return []
    fork.send_signal(how)
    fork.communicate(PATIENCE)
    while_writing = " while a checkpoint was written" if writing else ""
    return [f"{how.name} after the checkpoint of step {_last_step(run)}{while_writing}"]


def _last_step(run: Path) -> int:
    files = CheckpointStore(run, 1).files()
    return files[-1][0] if files else -1


def _file_differences(alone: Path, killed: Path) -> list[str]:
    found = []
    states = [_state(run) for run in (alone, killed)]
    names = sorted(states[0].keys() | states[1].keys())
    found += [f"state: {name}" for name in names if states[0].get(name) != states[1].get(name)]
    if _rows(alone) != _rows(killed):
        found.append("progress.csv")
    models = [
        sorted(file.name for file in (run / "checkpoints").iterdir()) for run in (alone, killed)
    ]
    if models[0] != models[1]:
        found.append(f"models: {models}")
    return found


def _models(run: Path) -> list[str]:
    return sorted(file.name for file in (run / "checkpoints").iterdir())


def _state(run: Path) -> dict[str, Any]:
    from tests.experiment.checkpoints.resumed import CLOCK as CLOCKS
    from tests.experiment.checkpoints.resumed import flat

    store = CheckpointStore(run, 1)
    checkpoint = store.latest()
    assert checkpoint is not None
    values = dict(checkpoint.values["state"])
    values.pop("trained_for_ns")
    found = dict(flat(values, checkpoint.arrays))
    rows = [read_segment(store.folder, one) for one in checkpoint.segments]
    for name in rows[0] if rows else ():
        found[f"rows of {name}"] = np.concatenate([part[name] for part in rows])[-300:].tobytes()
    return {name: value for name, value in found.items() if not CLOCKS.search(name)}


def _rows(run: Path) -> list[dict[str, str]]:
    with (run / "progress.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{name: row[name] for name in sorted(row) if name not in CLOCK} for row in rows]


def _metric_differences(uri: str) -> list[str]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("chaos")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    if len(runs) != 2:
        return [f"{len(runs)} MLflow runs"]
    if any(run.info.status != "FINISHED" for run in runs):
        return [f"MLflow: {[run.info.status for run in runs]}"]
    histories = [
        {
            key: sorted(
                (m.step, repr(m.value)) for m in client.get_metric_history(run.info.run_id, key)
            )
            for key in run.data.metrics
            if key not in CLOCK
        }
        for run in runs
    ]
    alone, killed = histories
    return [
        f"MLflow: {key}: {_apart(alone.get(key, []), killed.get(key, []))}"
        for key in sorted(alone.keys() | killed.keys())
        if alone.get(key) != killed.get(key)
    ]


def _apart(alone: list[tuple[int, str]], killed: list[tuple[int, str]]) -> str:
    lost, doubled = Counter(alone) - Counter(killed), Counter(killed) - Counter(alone)
    return f"lost {sorted(lost.elements())[:4]}, added {sorted(doubled.elements())[:4]}"


def _points(client: MlflowClient, run: Any, key: str) -> list[tuple[int, str]]:
    history = client.get_metric_history(run.info.run_id, key)
    return sorted((point.step, repr(point.value)) for point in history)


def main() -> int:
    """Torment agents as the command line says; return 1 where one ended otherwise."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--agents", default=",".join(AGENTS))
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    failed = 0
    for name in asked.agents.split(","):
        with tempfile.TemporaryDirectory() as folder:
            chance = random.Random(f"{asked.seed} {name}")
            began = time.monotonic()
            outcome = torment(name, asked.kills, chance, Path(folder))
        same = "the same" if not outcome.differences else f"NOT the same: {outcome.differences[:9]}"
        print(f"{name}: {same} ({time.monotonic() - began:.0f} s)", flush=True)
        print("\n".join(f"    {kill}" for kill in outcome.kills), flush=True)
        failed += bool(outcome.differences)
    warm_process().close()
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

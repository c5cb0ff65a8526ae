"""Trainings side by side: FinRL's class, this package's environment, and none at all.

Of each agent (a) FinRL's class in DummyVecEnv(1) with FinRL's hyperparameters, (b) the shipped
defaults, (c) the same environment with FinRL's hyperparameters and one account, (d) as (b), on
an environment that does nothing: what the library's own work takes. Each training runs in a
process of its own, all of them in turn; shown are medians over rounds.

All are looked at while they train, the clock stopped: what the agent earns without exploring, with
one account, from the first training day to the last. That is an episode of FinRL's class, and none
of the defaults', which are shorter and begin on any day, so that a monitor's means could not be
compared. The reward to reach is (a)'s at its end, at two looks in a row.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmark_report import draw_trainings, machine_lines

HERE = Path(__file__).parent
AGENTS = ("a2c", "ppo", "sac", "td3", "ddpg")
ON_POLICY = ("a2c", "ppo")
VARIANTS = {
    "finrl": "(a) FinRL's class, FinRL's hyperparameters",
    "defaults": "(b) shipped defaults",
    "same": "(c) one account, FinRL's hyperparameters",
    "null": "(d) as (b), no environment",
}
COLUMNS = (
    "agent", "variant", "steps", "seconds", "steps_per_s", "ratio_to_finrl", "reward",
    "seconds_to_reward", "ratio_in_time_to_reward", "peak_mib",
)  # fmt: skip


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        steps: Environment steps.
        seconds: It took, looks left out.
        looks: (seconds, reward of a whole episode) on the way and at the end.
        reward: At the end; NaN where there is none.
        peak_mib: The most memory that its process held.
    """

    steps: int
    seconds: float
    looks: list[tuple[float, float]]
    reward: float
    peak_mib: float

    def seconds_to(self, reward: float) -> float:
        """Return the seconds until a look found a reward, and the next one, too; infinite for none.

        After the last there is none: it counts by itself.
        """
        last = self.looks[-1:]
        both = [*itertools.pairwise(self.looks), *zip(last, last, strict=True)]
        found = (first for (first, one), (_, next_one) in both if min(one, next_one) >= reward)
        return next(found, float("inf"))


@dataclass(frozen=True)
class Row:
    """What is shown of a variant, in the order of ``COLUMNS``; medians over rounds."""

    agent: str
    variant: str
    steps: int
    seconds: float
    steps_per_s: float
    ratio_to_finrl: float
    reward: float
    seconds_to_reward: float
    ratio_in_time_to_reward: float
    peak_mib: float


def train(agent: str, variant: str, steps: int, seed: int, settings: Sequence[str]) -> Training:
    """Train in a process of its own."""
    found = measured(agent, variant, steps, seed, settings)
    return Training(**{**found, "looks": [tuple(look) for look in found["looks"]]})


def measured(
    agent: str, variant: str, steps: int, seed: int, settings: Sequence[str]
) -> dict[str, Any]:
    """Return what `benchmark_trainings` has measured, in a process of its own."""
    command = [sys.executable, str(HERE / "benchmark_trainings.py"), agent, variant, str(steps)]
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, str(seed), *settings],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows_of(agent: str, trainings: dict[str, list[Training]]) -> Iterator[Row]:
    """Yield what is shown of an agent."""
    first = trainings["finrl"]
    speed = statistics.median(one.steps / one.seconds for one in first)
    for variant, done in trainings.items():
        steps_per_s = statistics.median(one.steps / one.seconds for one in done)
        pairs = list(zip(done, first, strict=True))
        until = [one.seconds if one is a else one.seconds_to(a.reward) for one, a in pairs]
        ratios = [a.seconds / seconds for seconds, (_, a) in zip(until, pairs, strict=True)]
        yield Row(
            agent,
            variant,
            done[0].steps,
            statistics.median(one.seconds for one in done),
            steps_per_s,
            steps_per_s / speed,
            statistics.median(one.reward for one in done),
            statistics.median(until),
            statistics.median(ratios),
            statistics.median(one.peak_mib for one in done),
        )


def table_lines(rows: Sequence[Row], share: float) -> list[str]:
    """Lay an agent's rows out, and what share of (d)'s speed (b) has."""
    lines = [f"{rows[0].agent:43s} steps    steps/s  x FinRL   reward  s to reward  x FinRL   MiB"]
    for row in rows:
        reached = f"{row.seconds_to_reward:12.2f} {row.ratio_in_time_to_reward:8.1f}"
        shown = " " * 21 if row.variant == "null" else reached
        reward = " " * 8 if row.variant == "null" else f"{row.reward:8.2f}"
        lines.append(
            f"{VARIANTS[row.variant]:40s}{row.steps:8,d} {row.steps_per_s:10,.0f} "
            f"{row.ratio_to_finrl:8.1f} {reward} {shown} {row.peak_mib:5.0f}"
        )
    lines.append(f"  (b) is at {share:.0%} of (d), in slices that take turns")
    return lines


def main() -> None:
    """Measure, print tables, write a CSV file and a picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("agents", nargs="*", default=[], help=f"of {', '.join(AGENTS)}")
    parser.add_argument("--rounds", type=int, default=3, help="each with a seed of its own")
    parser.add_argument("--steps", type=int, help="of (b) and (d)")
    parser.add_argument("--finrl-steps", type=int, help="of (a) and (c)")
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall",
                        help="processor: other work on the machine counts less")  # fmt: skip
    parser.add_argument("--stocks", type=int, default=30)
    parser.add_argument("--days", type=int, default=504)
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmark"))
    arguments = parser.parse_args()
    settings = [arguments.clock, str(arguments.stocks), str(arguments.days)]
    rows: list[Row] = []
    for line in machine_lines():
        print(line)
    print(
        f"Market generated: {arguments.stocks} stocks, {arguments.days} days; medians of "
        f"{arguments.rounds} rounds, measured in turn, seconds of the {arguments.clock} clock\n"
    )
    for agent in arguments.agents or AGENTS:
        quick = agent in ON_POLICY
        budgets = dict.fromkeys(
            ("finrl", "same"), arguments.finrl_steps or (20_480 if quick else 6_000)
        )
        budgets |= dict.fromkeys(
            ("defaults", "null"), arguments.steps or (256_000 if quick else 64_000)
        )
        trainings: dict[str, list[Training]] = {name: [] for name in VARIANTS}
        for seed in range(arguments.rounds):
            for variant in VARIANTS:
                trainings[variant].append(train(agent, variant, budgets[variant], seed, settings))
        rows += (found := [*rows_of(agent, trainings)])
        share = measured(agent, "share", budgets["defaults"] // 2, 0, settings)["share"]
        print("\n".join(table_lines(found, share)), "\n", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            values = [getattr(row, column) for column in COLUMNS]
            writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in values])
    speeds = {
        VARIANTS[name]: {row.agent: row.steps_per_s for row in rows if row.variant == name}
        for name in VARIANTS
    }
    draw_trainings(arguments.out / "train.png", speeds, machine_lines())


if __name__ == "__main__":
    main()

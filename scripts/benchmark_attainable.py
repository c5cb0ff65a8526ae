"""What share of the attainable agents learn to earn, over seeds, on generated markets.

A cell of the table is a sweep over seeds: an agent, the setting it learns in, a market and its
costs. Its runs stay in a store of their own below the output folder, so that the command goes on
where it was stopped, and a seed is trained once.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow

from finai_rl.config.overrides import override

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "trading": ["experiment=trading"],
    "trading_shares": ["experiment=trading_shares"],
    "trading_high_costs": ["experiment=trading_high_costs"],
    "finrl_weights": ["env=portfolio", "env.observation=finrl", "env.weights=linear"],
    "finrl_shares": ["env=stock_trading", "env.observation=finrl"],
}
# What takes half a minute of one core, more or less.
STEPS = {"ppo": 200_000, "a2c": 800_000, "sac": 60_000, "td3": 60_000, "erl_ppo": 400_000}
# network=per_stock does not fit ElegantRL's agents; the other two were only tried without it.
WITHOUT_PER_STOCK = ("erl_ppo", "sac", "td3")
MARKETS = {
    "momentum": ["data.kind=momentum"],
    "sentiment": ["data.kind=sentiment", "env.sentiment=true"],
    "mean_reversion": ["data.kind=mean_reversion"],
    "pair": ["data.kind=pair", "data.n_stocks=6"],
    "regimes": ["data.kind=regimes", "data.sharpe_ratio=3"],
    "seasonality": ["data.kind=seasonality"],
    "weak_momentum": ["data.kind=momentum", "data.sharpe_ratio=1.5"],
    "noise": ["data.kind=noise"],
}
METRICS = {
    "share": "validation/attainable_share",
    "sharpe_ratio": "validation/sharpe_ratio",
    "equal_weight": "validation_equal_weight/sharpe_ratio",
    "attainable": "validation/attainable_sharpe",
    "annual_turnover": "validation/annual_turnover",
    "seconds": "time/time_elapsed",
}
COLUMNS = ("market", "cost_bps", "setting", "agent", "seed", *METRICS)


@dataclass(frozen=True)
class Cell:
    """One cell of the table: what is trained, seeds apart; ``further`` are overrides behind it."""

    market: str
    cost_bps: float
    setting: str
    agent: str
    further: tuple[str, ...] = ()

    @property
    def experiment(self) -> str:
        """Name of the cell's MLflow experiment."""
        named = f"{self.market} {self.cost_bps:g} bps {self.setting} {self.agent}"
        return " ".join([named, *self.further])

    def overrides(self) -> list[str]:
        """Return what a user would type."""
        new = self.setting.startswith("trading")
        # Stocks have their seasons at different times: one network for all cannot tell them apart.
        flat = self.agent in WITHOUT_PER_STOCK or self.market == "seasonality"
        cost = self.cost_bps / 10_000
        return [
            *SETTINGS[self.setting],
            *(["network=mlp"] if new and flat else []),
            f"agent={self.agent}",
            f"total_timesteps={STEPS[self.agent]}",
            *("data=synthetic", "data.n_days=12000", *MARKETS[self.market]),
            *(f"env.{side}_cost_pct={cost:g}" for side in ("buy", "sell")),
            *self.further,
        ]


def trained(cell: Cell, store: str) -> dict[int, dict[str, float]]:
    """Return the metrics of the seeds that the store has."""
    if not Path(store.removeprefix("sqlite:///")).exists():
        return {}
    client = mlflow.MlflowClient(store)
    experiment = client.get_experiment_by_name(cell.experiment)
    if experiment is None:
        return {}
    runs = client.search_runs(
        [experiment.experiment_id], "tags.`sweep.state` = 'COMPLETE'", max_results=1_000
    )
    return {
        int(run.data.tags["seed"]): {
            name: run.data.metrics.get(key, float("nan")) for name, key in METRICS.items()
        }
        for run in runs
    }


def train(cell: Cell, seeds: list[int], store: str, settings: list[str]) -> None:
    """Train one cell's seeds as one multirun."""
    command = [
        *(sys.executable, "-m", "finai_rl.train", "-m", *cell.overrides()),
        f"seed={','.join(map(str, seeds))}",
        override("tracking.uri", store),
        override("tracking.experiment_name", cell.experiment),
        *settings,
    ]
    searched = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": searched}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout[-3_000:] + done.stderr[-3_000:])


def line(cell: Cell, found: dict[int, dict[str, float]]) -> str:
    """Lay out a cell: mean, least and most over seeds; means of the rest."""
    values = {name: [seed[name] for seed in found.values()] for name in METRICS}
    mean = {name: statistics.fmean(some) for name, some in values.items()}

    def spread(name: str, form: str) -> str:
        least, most = min(values[name]), max(values[name])
        return f"{mean[name]:{form}} ({least:{form}} to {most:{form}})"

    return (
        f"{cell.market:15s}{cell.cost_bps:4g}  {cell.setting:15s}{cell.agent:8s}{len(found):5d}  "
        f"{spread('share', '.0%'):22s}{spread('sharpe_ratio', '.2f'):26s}"
        f"{mean['equal_weight']:6.2f} {mean['attainable']:6.2f} {mean['annual_turnover']:8.1f} "
        f"{mean['seconds']:5.0f}"
    )


def rows(cell: Cell, found: dict[int, dict[str, float]]) -> Iterator[list[str]]:
    """Yield a cell's lines of the CSV file."""
    for seed, metrics in sorted(found.items()):
        measured = [f"{metrics[name]:.6g}" for name in METRICS]
        yield [cell.market, f"{cell.cost_bps:g}", cell.setting, cell.agent, str(seed), *measured]


def main() -> None:
    """Train what is missing; print the table and write it, seed by seed, as a CSV file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", nargs="+", default=["momentum"], choices=MARKETS)
    parser.add_argument("--costs", nargs="+", type=float, default=[10.0, 50.0], help="bps a side")
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--agents", nargs="+", default=list(STEPS), choices=STEPS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("outputs/benchmark/attainable"))
    parser.add_argument("--set", nargs="*", default=[], help="further overrides")
    arguments = parser.parse_args()
    settings = [
        *("hydra/launcher=processes", f"hydra.launcher.n_jobs={arguments.workers}"),
        override("output_root", str(arguments.out.resolve())),
    ]
    arguments.out.mkdir(parents=True, exist_ok=True)
    store = f"sqlite:///{arguments.out.resolve()}/mlflow.db"
    print(
        "market         bps   setting        agent   seeds  share of attainable   Sharpe ratio"
        "              equal attain. turnover   s"
    )
    table: list[list[str]] = []
    of = (arguments.markets, arguments.costs, arguments.settings, arguments.agents)
    for asked in itertools.product(*of):
        cell = Cell(*asked, further=tuple(arguments.set))
        found = trained(cell, store)
        if missing := [seed for seed in range(arguments.seeds) if seed not in found]:
            train(cell, missing, store, settings)
            found = trained(cell, store)
        print(line(cell, found), flush=True)
        table += rows(cell, found)
        with (arguments.out / "attainable.csv").open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *table])


if __name__ == "__main__":
    main()

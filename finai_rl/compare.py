"""A leaderboard over finished runs, and which of its differences mean something.

python -m finai_rl.compare experiment_name=finai_rl by=[agent]
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config.command import WithSeed, entry_point
from finai_rl.config.command_schemas import Compare
from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from finai_rl.statistics.comparable_runs import TrainedRun
    from finai_rl.statistics.leaderboard import Leaderboard
    from finai_rl.tracking.history.trainings import Training


@entry_point("compare", schema=Compare)
def main(cfg: DictConfig, _: WithSeed) -> None:
    """Compare as the config says."""
    compare(cfg, Path(HydraConfig.get().runtime.output_dir))


def compare(cfg: DictConfig, folder: Path) -> Leaderboard:
    """Rank the agents of an experiment and write the leaderboard.

    Args:
        cfg: A composed and checked config.
        folder: Where the page and the tables go.

    Raises:
        InputError: If there is nothing to compare, or the store cannot be used.
    """
    from finai_rl.report.leaderboard.files import print_leaderboard, save_leaderboard
    from finai_rl.statistics.leaderboard import leaderboard
    from finai_rl.tracking.history.trainings import trainings_of, trials_counted
    from finai_rl.tracking.store_choice import log_store

    log_store(cfg.tracking, cfg.output_root, cfg.experiment_name)
    trainings = trainings_of(cfg.tracking.uri, cfg.experiment_name, cfg.filter, cfg.parent)
    found = trainings.finished
    if not found:
        asked = {"filter": cfg.filter, "parent": cfg.parent}
        asked_for = "".join(f", {key}={value}" for key, value in asked.items() if value)
        others = "".join(f"; {line}" for line in trainings.left_out)
        raise ConfigError(
            [f"experiment_name: no finished training of {cfg.experiment_name!r}{asked_for}{others}"]
        )
    check_periods(found, cfg.periods_per_year)
    risk_free = rate_of(found, cfg.risk_free)
    # Whatever else the experiment has tried is what these agents were picked from.
    before = max(trials_counted(cfg.tracking.uri, cfg.experiment_name) - len(found), 0)
    runs = by_agent(found, cfg.by)
    try:
        board = leaderboard(runs, cfg.periods_per_year, risk_free, cfg.seed, before)
    except ValueError as error:
        raise ConfigError([f"filter: {error}"]) from error
    told = [*trainings.left_out, *board.left_out, *terms_apart(found)]
    board = replace(board, left_out=told)
    print_leaderboard(board)
    for file in save_leaderboard(board, folder):
        print(file)
    return board


def check_periods(found: list[Training], periods_per_year: int) -> None:
    """Refuse to annualize with a number of periods that no training was annualized with.

    Raises:
        ConfigError: Names the number that they were.
    """
    used = sorted({run.periods_per_year for run in found if run.periods_per_year is not None})
    if used and periods_per_year not in used:
        listed = " or ".join(map(str, used))
        raise ConfigError(
            [
                f"periods_per_year: {periods_per_year}, but these runs were backtested with "
                f"{listed}: set periods_per_year={used[0]}"
            ]
        )


def rate_of(found: list[Training], asked: float | None) -> float:
    """Return the annual risk-free rate that trainings are ranked over: the one that they had.

    Raises:
        ConfigError: If they had several and none is asked for, or another one is.
    """
    used = sorted({run.risk_free for run in found if run.risk_free is not None})
    if not used:
        return asked or 0.0
    if asked is None and len(used) == 1:
        return used[0]
    if asked in used:
        return float(asked)
    rates = " or ".join(f"{rate:g}" for rate in used)
    said = "must be given" if asked is None else f"{asked:g}"
    raise ConfigError(
        [
            f"risk_free: {said}, as these runs had evaluation.risk_free={rates}: set "
            f"risk_free={used[0]:g}, or choose runs by filter"
        ]
    )


def terms_apart(found: list[Training]) -> list[str]:
    """Return what accounts pay and how they are filled, where that is not the same for all."""
    found_by: dict[str, set[str]] = defaultdict(set)
    for run in found:
        for name, value in run.terms.items():
            found_by[name].add(value)
    return [
        f"not the same for all, and so part of what differs: {name} ({', '.join(sorted(values))})"
        for name, values in sorted(found_by.items())
        if len(values) > 1
    ]


def by_agent(found: list[Training], by: list[str]) -> dict[str, list[TrainedRun]]:
    """Sort trainings by what names an agent.

    Args:
        found: The trainings, oldest first.
        by: Tags whose values name an agent together.

    Raises:
        ConfigError: If a run lacks one of the tags.
    """
    from finai_rl.experiment.recording import IDLE_TAG
    from finai_rl.statistics.comparable_runs import TrainedRun
    from finai_rl.statistics.paths import by_path

    if not by:
        raise ConfigError(["by: name at least one tag"])
    needed = [*by, "data", "split.validation", "seed"]
    lacking = {tag: n for tag in needed if (n := sum(tag not in run.tags for run in found))}
    if lacking:
        raise ConfigError(
            [f"by: {n} of {len(found)} runs have no tag {tag!r}" for tag, n in lacking.items()]
        )
    sorted_runs: dict[str, list[TrainedRun]] = defaultdict(list)
    for run in found:
        name = " ".join(run.tags[tag] for tag in by)
        days = f"{run.tags['data']} {run.tags['split.validation']}"
        traded = not run.tags.get(IDLE_TAG)
        seed = int(run.tags["seed"])
        sorted_runs[name].append(TrainedRun(days, seed, run.returns, traded=traded))
    return {name: by_path(runs) for name, runs in sorted_runs.items()}


if __name__ == "__main__":
    main()

"""What the agent of a finished run would do next, on the newest day of its data.

python -m finai_rl.decide model=models:/my_agent@champion data.path=newest.csv
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config.build import plain
from finai_rl.config.command import WithSeed, entry_point
from finai_rl.config.command_schemas import Decide
from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from finai_rl.experiment.deciding.decision import Decision
    from finai_rl.experiment.deciding.newest import Newest


@entry_point("decide", schema=Decide)
def main(cfg: DictConfig, _: WithSeed) -> None:
    """Decide as the config says."""
    decide(cfg, Path(HydraConfig.get().runtime.output_dir))


def decide(cfg: DictConfig, folder: Path) -> Decision:
    """Rebuild agent and market of a run on the newest data, decide, and write the orders.

    Args:
        cfg: A composed and checked config.
        folder: Where the orders go.

    Raises:
        InputError: If there is no such run, or the data is not what its agent was trained on.
    """
    if (cfg.run_id is None) == (cfg.model is None):
        raise ConfigError(["run_id, model: name one of the two"])

    from finai_rl.experiment.deciding.decision import decide as decide_last_day
    from finai_rl.experiment.deciding.orders import (
        as_record,
        fractions,
        read_positions,
        save_decision,
    )
    from finai_rl.experiment.deciding.run_of_agent import about, on_newest
    from finai_rl.experiment.recipe import Newer
    from finai_rl.tracking.history.finished_run import FinishedRun
    from finai_rl.tracking.store_choice import log_store

    log_store(cfg.tracking, cfg.output_root)
    run = FinishedRun(cfg.tracking.uri, cfg.run_id, cfg.model)
    run.check_active()
    found = on_newest(
        run,
        changes=plain(cfg.data),
        day=cfg.day,
        account_start=cfg.account_start,
        rescaled=cfg.rescaled,
        newer=Newer.of(plain(cfg.prepare)),
        folder=folder,
        trusted=cfg.trusted_packages,
    )
    data, position = found.data, None
    if cfg.positions is not None:
        settings, tickers = found.environments.evaluation_settings, data.market.tickers
        may_short = bool(settings.get("allow_short"))
        position = read_positions(cfg.positions, cfg.cash, tickers, may_short=may_short)
        whole = not settings.get("fractional_shares", True)
        if whole and (note := fractions(position, tickers)):
            data = replace(data, notes=(*data.notes, note))
    decision = decide_last_day(
        found.environments, found.agent, found.normalization, data.market, data.first, position
    )
    files = save_decision(as_record(decision), about(run, data), folder)
    print_decision(decision, files, data)
    return decision


def print_decision(decision: Decision, files: list[Path], data: Newest) -> None:
    """Print the orders, what they cost, and where the files are."""
    from rich.console import Console

    from finai_rl.experiment.deciding.orders import as_record, show_decision

    console = Console(soft_wrap=True, markup=False, highlight=False)
    show_decision(console, as_record(decision))
    for note in data.notes:
        console.print(f"Note: {note}")
    for file in files:
        console.print(str(file))


if __name__ == "__main__":
    main()

"""A paper account: the agent of a run decides each new day, in books that are never rewritten.

python -m finai_rl.paper account=my_account model=models:/my_agent@champion data.path=newest.csv
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from finai_rl.config.build import plain
from finai_rl.config.command import WithSeed, entry_point
from finai_rl.config.command_schemas import Paper
from finai_rl.errors import ConfigError

if TYPE_CHECKING:
    from finai_rl.experiment.deciding.newest import Newest
    from finai_rl.experiment.deciding.paper_account import PaperAccount, Terms
    from finai_rl.experiment.deciding.run_of_agent import AgentOnData
    from finai_rl.tracking.history.finished_run import FinishedRun

PAGE_FOLDER = "report"
"""Of an account's page, below its folder."""


@entry_point("paper", schema=Paper)
def main(cfg: DictConfig, _: WithSeed) -> None:
    """Keep the account that the config names."""
    paper(cfg, Path(HydraConfig.get().runtime.output_dir))


def paper(cfg: DictConfig, folder: Path) -> PaperAccount:
    """Enter every day that the data has since the last call into an account's books.

    Args:
        cfg: A composed and checked config.
        folder: Of this call; the books are in ``cfg.account``.

    Raises:
        InputError: If there is no such run, the data is not what its agent was trained on, or the
            books or the data were changed since.
    """
    from finai_rl.experiment.deciding.paper_account import PaperAccount, Terms
    from finai_rl.experiment.deciding.run_of_agent import about, on_newest
    from finai_rl.experiment.recipe import Newer
    from finai_rl.tracking.history.finished_run import FinishedRun
    from finai_rl.tracking.store_choice import log_store

    log_store(cfg.tracking, cfg.output_root)
    home = Path(cfg.account).expanduser()
    known = Terms.of(home)
    run_id = known.run_id if known and cfg.run_id is None and cfg.model is None else cfg.run_id
    if (run_id is None) == (cfg.model is None):
        raise ConfigError(["run_id, model: name one of the two, by the first call"])
    run = FinishedRun(cfg.tracking.uri, run_id, cfg.model)
    run.check_active()
    check_same(known, run, cfg.account_start)
    found = on_newest(
        run,
        changes=plain(cfg.data),
        day=None,
        account_start=known.account_start if known else cfg.account_start,
        rescaled=cfg.rescaled,
        from_today=known is None and cfg.account_start is None,
        newer=Newer.of(plain(cfg.prepare)),
        folder=folder,
        trusted=cfg.trusted_packages,
    )
    data = found.data
    account = PaperAccount(home, found.environments, found.agent, found.normalization)
    opened = Terms(run.run_id, data.market.day_names[data.first])
    line = line_of(run, found.cfg, data)
    decisions = account.enter(data.market, data.first, line, opened, cfg.delisted)
    account.save_orders(about(run, data))
    earlier = backtest_returns(run, data.market.day_names[data.first])
    print_account(account, len(decisions), data, earlier)
    if cfg.report:
        print_page(account, run, found, earlier, home)
    return account


def check_same(known: Terms | None, run: FinishedRun, account_start: str | None) -> None:
    """Refuse another agent, or another first day, than the account was opened with."""
    if known is None:
        return
    if known.run_id != run.run_id:
        raise ConfigError(
            [f"model: the account is run {known.run_id}'s, this is {run.run_id}: another folder"]
        )
    if account_start not in (None, known.account_start):
        raise ConfigError([f"account_start: the account was opened on {known.account_start}"])


def line_of(run: FinishedRun, job: DictConfig, data: Newest) -> dict[str, Any]:
    """Return what each line of the books says beside the decision."""
    config = json.dumps(plain(job), sort_keys=True, default=str)
    return {
        "run_id": run.run_id,
        "config_sha256": hashlib.sha256(config.encode()).hexdigest(),
        "data_sha256": data.market.source.sha256,
        "entered": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def print_page(
    account: PaperAccount, run: FinishedRun, found: AgentOnData, earlier: Any, home: Path
) -> None:
    """Write the page of an account and print where it is; from its second day on."""
    from finai_rl.experiment.deciding.account_page import save_account_page

    if len(account.ledger.lines) < 2:
        print("Note: the report begins with the second day in the books.")
        return
    print(f"Report: {save_account_page(account, run, found, earlier, home / PAGE_FOLDER)}")


def print_account(account: PaperAccount, n_new: int, data: Newest, earlier: Any) -> None:
    """Print what was entered, and whether the account still looks like the backtest."""
    from rich.console import Console

    from finai_rl.experiment.deciding.orders import show_decision
    from finai_rl.statistics.exchangeability import EVIDENCE

    console = Console(soft_wrap=True, markup=False, highlight=False)
    lines = account.ledger.lines
    last = lines[-1]
    if not n_new:
        console.print(f"Nothing new: {last['day']} is in the books already ({len(lines)} days).")
    if (left_out := n_new - 1) > 0:
        console.print(
            f"Note: {left_out} days were not decided when they came; they are entered as late, "
            "each decided with what was known on it."
        )
    show_decision(console, last)
    for note in data.notes:
        console.print(f"Note: {note}")
    if len(earlier) and len(account.live_returns()):
        test = account.against(earlier)
        console.print(
            f"{len(account.live_returns())} live returns against the backtest's {len(earlier)}: a "
            f"bet of 1 that they are lower has been worth {test.highest:.3g} at most ({EVIDENCE:g} "
            "would be evidence at the level of 5 %, on whatever day it is looked at)."
        )
    console.print(str(account.ledger.file))


def backtest_returns(run: FinishedRun, before: str) -> Any:
    """Return the agent's daily returns on validation, as its run has recorded them.

    Args:
        run: The run.
        before: First day of the account, ISO text: only returns until then.
    """
    import pandas as pd
    from mlflow.exceptions import MlflowException

    with TemporaryDirectory() as folder:
        try:
            file = run.client.download_artifacts(run.run_id, "backtest/returns.csv", folder)
            table = pd.read_csv(file)
            return table.loc[table["date"] < before, "agent"].to_numpy()
        except (MlflowException, OSError, KeyError):
            return []


if __name__ == "__main__":
    main()

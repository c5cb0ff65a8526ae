"""Rebuild what a finished run trained on: its config, its data, its block of days."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from finai_rl.config.build import build, import_target
from finai_rl.config.check import check
from finai_rl.data.versions.git_repository import GitRepository
from finai_rl.data.versions.versioning import unlinked
from finai_rl.errors import InputError
from finai_rl.experiment.market import load_market
from finai_rl.report.run.contents import RunFacts

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData
    from finai_rl.data.split import Split
    from finai_rl.tracking.history.finished_run import FinishedRun


@dataclass(frozen=True)
class Block:
    """Days to backtest on.

    Attributes:
        name: ``validation`` or ``test``.
        data: The days.
        history: Every day before them.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=20, n_stocks=2)
        >>> block = Block("validation", market.slice_days(15, 20), history=market.slice_days(0, 15))
        >>> block.history.n_days, block.data.n_days
        (15, 5)
    """

    name: str
    data: MarketData
    history: MarketData


def config_of(run: FinishedRun) -> DictConfig:
    """Return the checked config of a run.

    Raises:
        InputError: If this version cannot run it, or its environment is not here.
    """
    recorded = run.config()
    try:
        cfg = check(OmegaConf.create(recorded))
    except InputError as error:
        version = run.tags.get("version.finai-rl", "another version")
        raise InputError(
            f"The config of run {run.run_id}, made with finai_rl {version}, does not fit this "
            f"one.\n{error}"
        ) from error
    # Now, and not when the sealed block has been opened.
    import_target("env._target_", cfg.env["_target_"])
    return cfg


def facts_of(run: FinishedRun, cfg: DictConfig) -> RunFacts:
    """Return what it takes to make a run again."""
    tags = run.tags
    prefix = "version."
    versions = {
        name.removeprefix(prefix): value for name, value in tags.items() if name.startswith(prefix)
    }
    return RunFacts(run.run_id, tags.get("command", ""), OmegaConf.to_yaml(cfg), versions)


def block_of(cfg: DictConfig, run: FinishedRun, name: str) -> Block:
    """Load the data of a run and cut the named block out.

    Args:
        cfg: The run's config.
        run: The run.
        name: ``validation``, or ``test`` for the sealed block.

    Raises:
        InputError: If the data is not what the run was trained on, or there is no such block.
    """
    market = market_of(cfg, run)
    split: Split = build(cfg.split, "split", market)
    days = market.day_names
    if name == "test":
        if split.test is None:
            raise InputError("block=test: the run's split has left no test block")
        first, last = days.index(split.test.first_day), days.index(split.test.last_day)
    elif split.combinatorial:
        raise InputError(
            "block=validation: this run was validated on several blocks and trained on days after "
            "them, which its paths show; block=test opens the sealed block"
        )
    else:
        span = split.validation.day_names
        first, last = days.index(span[0]), days.index(span[-1])
    block = market.slice_days(first, last + 1).copy()
    return Block(name, block, market.slice_days(0, first).copy())


def market_of(cfg: DictConfig, run: FinishedRun) -> MarketData:
    """Load the whole market of a run, past the cache, which holds nothing of the test block.

    Args:
        cfg: The run's config.
        run: The run.

    Raises:
        InputError: If the data is not what the run was trained on.
    """
    # A branch or tag may have moved on since.
    pinned = {"rev": run.tags["data.rev"]} if cfg.data.get("rev") and "data.rev" in run.tags else {}
    market = load_market(cfg, **pinned)
    trained_on = run.tags.get("data.sha256")
    if trained_on is not None and trained_on != market.source.sha256:
        raise InputError(
            f"data: run {run.run_id} was trained on other bytes (sha256 {trained_on[:12]}..., now "
            f"{market.source.sha256[:12]}...); {_way_back(run.tags)}"
        )
    if not str(cfg.data.get("_target_")).startswith("finai_rl."):
        _check_days(market, run)
    return market


def _check_days(market: MarketData, run: FinishedRun) -> None:
    """Refuse what a source of the user's gives now and did not give then, whatever its hash says.

    Raises:
        InputError: Names the columns and days.
    """
    from finai_rl.experiment.deciding.overlap import SAME, overlap
    from finai_rl.experiment.deciding.run_of_agent import trained_days_of

    known = trained_days_of(run)
    if known is None or market.tickers != tuple(known.tickers):
        return
    found = overlap(known, market)
    differing = [*found.problems, *(note for note in found.notes if not note.endswith(SAME))]
    if differing:
        raise InputError(
            f"data: run {run.run_id} was trained on other data, though its sha256 is the same:\n"
            + "\n".join(f"  - {one}" for one in differing)
        )


def _way_back(tags: Mapping[str, str]) -> str:
    rev, path = tags.get("data.rev"), Path(tags.get("data.path", ""))
    if rev is None:
        return "bring that file back"
    if tags.get("data.dirty") == "true":
        return f"bring that file back: it was changed after data.rev={rev}, and not committed"
    command = ["git", "restore", f"--source={rev}", str(path)]
    repository = GitRepository.around(unlinked(path).parent)
    if "data.md5" in tags and repository is not None:
        name = unlinked(path).relative_to(repository.root).as_posix()
        root = os.path.relpath(repository.root)
        command = ["dvc", "get", "--force", "--rev", rev, "--out", str(path), root, name]
    return f"data.rev={rev} has them: bring that file back with `{shlex.join(command)}`"

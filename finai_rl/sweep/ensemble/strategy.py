"""The ensemble of a multirun: who was best on validation trades next, with one account.

Yang, Liu, Zhong & Walid (2020), "Deep reinforcement learning for automated stock trading: an
ensemble strategy" (ICAIF 2020, arXiv 2511.12120).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from finai_rl.agents.saved_files import STATISTICS_FILE, check_model, read_statistics
from finai_rl.config.build import import_target
from finai_rl.config.check import check
from finai_rl.data.split import Split
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.weight_actions import WeightActions
from finai_rl.errors import InputError
from finai_rl.evaluation.backtest import BacktestResult, Policy, backtest
from finai_rl.experiment.backtests.members import Member, Weighted
from finai_rl.experiment.backtests.trading_blocks import TRADING, account_over, with_turbulence_stop
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.model_inputs import INPUTS_FILE, ModelInputs
from finai_rl.experiment.learning.training import seed_everything
from finai_rl.experiment.market import load_split
from finai_rl.statistics.returns import sharpe_ratio
from finai_rl.sweep import outcome as states
from finai_rl.sweep.outcome import Outcome
from finai_rl.type_aliases import FloatArray

NAME = "ensemble"
FOLD, MEMBER, SEED = "split.fold", "agent", "seed"
Jobs = dict[int, dict[int, dict[str, Path]]]
"""Folders of the trainings that came to their end, by seed, fold and member."""


@dataclass(frozen=True, eq=False)
class Traded:
    """What came of one seed.

    Attributes:
        accounts: ``ensemble`` and each member alone, over the same days.
        table: Who traded when: one row a fold, with each member's validation Sharpe ratio and part.
        market: The days that were traded.
        environments: Of the first fold and member, for baselines.

    Example:
        >>> Traded({}, pd.DataFrame({"fold": [0]}), None, None).table.fold.tolist()
        [0]
    """

    accounts: Mapping[str, BacktestResult]
    table: pd.DataFrame
    market: Any
    environments: Any


def jobs_of(folder: Path, seed: int) -> Jobs:
    """Return the trainings below a multirun's folder.

    Args:
        folder: Of the multirun.
        seed: Of all of them, where it was not varied.

    Raises:
        InputError: If two are of one seed, fold and member.
    """
    found: Jobs = defaultdict(lambda: defaultdict(dict))
    for file in sorted(folder.glob(f"**/{states.FILE}")):
        outcome = Outcome.load(file.parent)
        if outcome is None or outcome.state != states.COMPLETE:
            continue
        params = outcome.params
        place = found[int(params.get(SEED, seed))][int(params[FOLD])]
        member = params.get(MEMBER, MEMBER)
        if member in place:
            raise InputError(
                f"{place[member]} and {outcome.folder} are of one seed, fold and member of the "
                "ensemble: it cannot tell which one trades"
            )
        place[member] = Path(outcome.folder)
    return found


def trade(folds: Mapping[int, Mapping[str, Path]]) -> Traded:
    """Choose for every fold by validation, and trade the days after it with one account.

    Args:
        folds: Folders of one seed's trainings, by fold and member; all folds have all members.
    """
    chosen: list[tuple[Environments, Policy, Any]] = []
    alone: dict[str, list[tuple[Environments, Policy, Any]]] = defaultdict(list)
    rows = []
    for fold in sorted(folds):
        cfg, split = _fold(next(iter(folds[fold].values())))
        days = _trading_days(cfg, split)
        members: dict[str, tuple[Environments, Member]] = {}
        validated: dict[str, FloatArray] = {}
        for name, folder in folds[fold].items():
            own = with_turbulence_stop(_config(folder), split)
            environments = Environments(own)
            seed_everything(own)
            validated[name] = _validated(own, environments, _member(own, folder), split)
            place = folder / TRADING if (folder / TRADING).is_dir() else folder
            members[name] = environments, _member(own, place)
            alone[name].append((*members[name], days))
        scores = {name: _score(cfg, returns) for name, returns in validated.items()}
        parts = parts_of(str(cfg.ensemble.combine), scores, validated)
        rows.append(_row(fold, split, days, members, scores, parts))
        chosen.append((next(iter(members.values()))[0], _together(members, parts), days))
    accounts = {}
    for name, blocks in {NAME: chosen, **alone}.items():
        # Of actions that are drawn, an account's must not depend on who else has drawn before.
        seed_everything(blocks[0][0].cfg)
        accounts[name] = account_over(blocks, name)
    market = chosen[0][2]
    for _, _, days in chosen[1:]:
        shared = int(days.dates[0] == market.dates[-1])
        market = market.followed_by(days.slice_days(shared, days.n_days))
    return Traded(accounts, pd.DataFrame(rows), market, chosen[0][0])


def parts_of(
    combine: str, scores: Mapping[str, float], returns: Mapping[str, FloatArray]
) -> dict[str, float]:
    """Return what part each member has in the decisions, adding up to 1.

    Args:
        combine: ``best`` gives all to the highest score, the first of equals; ``average`` the same
            to each; ``risk_weighted`` parts in proportion to 1 / volatility, none to a member that
            never moved.
        scores: Validation Sharpe ratio by member; NaN is below all.
        returns: Daily validation returns by member.

    Example:
        >>> scores = {"a2c": 0.5, "ppo": float("nan"), "ddpg": 0.7}
        >>> parts_of("best", scores, {})
        {'a2c': 0.0, 'ppo': 0.0, 'ddpg': 1.0}
    """
    names = list(scores)
    values = np.zeros(len(names))
    if combine == "best":
        values[int(np.argmax(np.nan_to_num(list(scores.values()), nan=-np.inf)))] = 1.0
    elif combine == "risk_weighted":
        risks = np.array([returns[name].std(ddof=1) for name in names])
        values = np.divide(1.0, risks, out=values, where=risks > 0)
    if not values.any():
        values = np.ones(len(names))
    return dict(zip(names, (values / values.sum()).tolist(), strict=True))


def _together(
    members: Mapping[str, tuple[Environments, Member]], parts: Mapping[str, float]
) -> Policy:
    sharing = [name for name, part in parts.items() if part > 0]
    if len(sharing) == 1:
        return members[sharing[0]][1]
    settings = members[sharing[0]][0].evaluation_settings
    target = import_target("env._target_", settings["_target_"])
    weights = isinstance(target, type) and issubclass(target, PortfolioVecEnv)
    policies = [members[name][1] for name in sharing]
    reading = WeightActions.of(settings) if weights else None
    return Weighted(policies, np.array([parts[name] for name in sharing]), reading)


def _trading_days(cfg: DictConfig, split: Split) -> Any:
    assert split.trade is not None
    if not cfg.ensemble.as_in_finrl:
        return split.trade
    # FinRL decides nothing on the last day of a block, which the next one does not begin with.
    return split.trade.slice_days(0, min(int(cfg.split.trade_days), split.trade.n_days))


def _validated(
    cfg: DictConfig, environments: Environments, member: Member, split: Split
) -> FloatArray:
    env = environments.evaluation(split.validation)
    env.seed(cfg.seed)
    return backtest(member, env, split.validation, NAME).returns


def _score(cfg: DictConfig, returns: FloatArray) -> float:
    if cfg.ensemble.as_in_finrl:
        # Its annualization of daily returns by four periods a year changes no choice.
        deviation = float(returns.std(ddof=1))
        return float(2 * returns.mean() / deviation) if deviation > 0 else float("nan")
    return float(sharpe_ratio(returns, cfg.evaluation.periods_per_year, cfg.evaluation.risk_free))


def _row(
    fold: int,
    split: Split,
    days: Any,
    members: Mapping[str, tuple[Environments, Member]],
    scores: Mapping[str, float],
    parts: Mapping[str, float],
) -> dict[str, object]:
    settings = next(iter(members.values()))[0].evaluation_settings
    return {
        "fold": fold,
        "validated": split.validation.span,
        "traded": days.span,
        "traded_by": " + ".join(name for name, part in parts.items() if part > 0),
        "turbulence_threshold": settings.get("turbulence_threshold"),
        **{f"sharpe_{name}": value for name, value in scores.items()},
        **{f"part_{name}": value for name, value in parts.items()},
    }


def _config(folder: Path) -> DictConfig:
    cfg: Any = OmegaConf.load(folder / ".hydra" / "config.yaml")
    # What a run is called in the store depends on the job that Hydra ran it as.
    cfg.tracking = {"_target_": "finai_rl.tracking.NoTracker"}
    return check(cfg)


def _fold(folder: Path) -> tuple[DictConfig, Split]:
    cfg = _config(folder)
    return cfg, load_split(cfg)


def _member(cfg: DictConfig, folder: Path) -> Member:
    algorithm = import_target("agent._target_", cfg.agent["_target_"])
    inputs = ModelInputs.load(folder / INPUTS_FILE)
    recorded = inputs.sha256 if inputs else {}
    file = folder / ("model.pth" if (folder / "model.pth").is_file() else "model.zip")
    check_model(file, recorded.get(file.name))
    statistics = folder / STATISTICS_FILE
    normalization = None
    if STATISTICS_FILE in recorded or statistics.exists():
        normalization = read_statistics(statistics, recorded.get(STATISTICS_FILE))
    agent = algorithm.load(file, device="cpu", custom_objects={"buffer_size": 1})
    return Member(agent, normalization, deterministic=not cfg.ensemble.as_in_finrl)


def missing(jobs: Jobs, members: Sequence[str], n_folds: int) -> dict[int, list[str]]:
    """Return by seed the trainings without which it has no account."""
    lacking = {
        seed: [
            f"{member} of fold {fold}"
            for fold in range(n_folds)
            for member in members
            if member not in folds.get(fold, {})
        ]
        for seed, folds in jobs.items()
    }
    return {seed: found for seed, found in lacking.items() if found}

"""One account over blocks that are traded one after the other, each by who was chosen for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from finai_rl.errors import ConfigError
from finai_rl.evaluation.backtest import BacktestResult, Policy, backtest
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.callbacks import own_callbacks
from finai_rl.experiment.learning.cloning import clone_rule
from finai_rl.experiment.learning.model_inputs import ModelInputs
from finai_rl.experiment.learning.training import learn, save, seed_everything, timesteps_to_train
from finai_rl.experiment.learning.warm_start import start_agent

if TYPE_CHECKING:
    from finai_rl.agents.curriculum import CurriculumProgress
    from finai_rl.data.market import MarketData
    from finai_rl.data.split import Split

TRADING = "trading"
"""Folder of the agent that trades, below its run's; without it the run's own agent trades."""

THRESHOLD = "turbulence_threshold"
VOLATILE = 0.90
"""Quantile of the first training days above whose risk the recent mean counts as volatile."""
FINRLS = 0.99


def with_turbulence_stop(cfg: DictConfig, split: Split) -> DictConfig:
    """Return the config of a fold whose validation and trading stop above a risk index.

    As in Yang et al. (2020) and FinRL: where the mean risk of the last 63 days of training is above
    the 90 % quantile of the first training days, that quantile is the threshold, else the maximum.
    With ``ensemble.as_in_finrl`` it is their 99 % quantile, whatever the mean. Thresholds of the
    user, and data without a risk index, leave the config as it is.

    Args:
        cfg: The run's checked config.
        split: Its days; nothing changes where there are none to trade.
    """
    risk = split.train.risk
    env = cfg.evaluation.env
    given = cfg.env.get(THRESHOLD) is not None or env.get(THRESHOLD) is not None
    if split.trade is None or risk is None or given or THRESHOLD not in cfg.env:
        return cfg
    first = risk[: split.train.n_days - int(cfg.split.fold) * int(cfg.split.trade_days)]
    if cfg.ensemble.as_in_finrl:
        threshold = np.quantile(first, FINRLS)
    else:
        high = np.quantile(first, VOLATILE)
        threshold = high if risk[-63:].mean() > high else first.max()
    changed = cfg.copy()
    OmegaConf.update(changed, f"evaluation.env.{THRESHOLD}", float(threshold), force_add=True)
    return changed


def train_for_trading(
    cfg: DictConfig,
    environments: Environments,
    split: Split,
    folder: Path,
    init_from: str | None,
    progress: Sequence[CurriculumProgress] = (),
) -> None:
    """Train the agent anew on its training and validation days, for the days that it is to trade.

    Nothing is done where no days are to be traded, or the config says that they are traded by the
    agent that was validated.

    Args:
        cfg: The run's checked config.
        environments: Of the run.
        split: Its days.
        folder: The run folder; the agent is saved in its folder `TRADING`.
        init_from: The trained agent to start from; None for none.
        progress: Of the run's curriculum, whose stages are left at the same steps again: those
            that waited for a score of validation cannot ask for it here.
    """
    from finai_rl.tracking import NoTracker

    if split.trade is None or not retrains(cfg):
        return
    seed_everything(cfg)
    whole = replace(split, train=split.train.followed_by(split.validation), validation=split.trade)
    env = environments.training(whole.train)
    agent = new_agent(cfg, env)
    start = start_agent(cfg, agent, env, whole, init_from)
    clone_rule(environments, agent, env, whole)
    plain = cfg.copy()
    plain.checkpoint_every = None
    place = folder / TRADING
    # A run that was broken off here and goes on has it already.
    place.mkdir(parents=True, exist_ok=True)
    steps = timesteps_to_train(cfg, agent, env)
    callbacks = [*(stages.again() for stages in progress), own_callbacks(cfg)]
    learn(agent, steps, plain, place, NoTracker(), callbacks)
    inputs = ModelInputs.of(cfg, agent, whole.train).after(start.inputs)
    save(agent, env, inputs, place, None, NoTracker())
    env.close()


def retrains(cfg: DictConfig) -> bool:
    """Return whether what trades is trained up to the end of validation."""
    return bool(cfg.ensemble.retrain) and not cfg.ensemble.as_in_finrl


def account_over(
    blocks: Sequence[tuple[Environments, Policy, MarketData]], name: str
) -> BacktestResult:
    """Trade blocks one after the other with one account, which keeps what it holds.

    Blocks that share a day, the last of one and the first of the next, are traded on every day.
    Where they share none, nothing is traded from the last day of one to the first of the next.

    Args:
        blocks: By date: the run's environments, who trades, and the days.
        name: What the account is called.

    Returns:
        The account, which ends where it is ruined.
    """
    parts: list[BacktestResult] = []
    for environments, policy, block in blocks:
        opening = _opening(environments.evaluation_settings, block, parts[-1]) if parts else {}
        own = Environments(environments.cfg)
        own.evaluation_settings = {**environments.evaluation_settings, **opening}
        env = own.evaluation(block)
        env.seed(environments.cfg.seed)
        parts.append(backtest(policy, env, block, name))
        if parts[-1].ruined:
            break
    return joined(parts)


def joined(parts: Sequence[BacktestResult]) -> BacktestResult:
    """Return backtests of consecutive days as one account, see `account_over`."""
    whole = parts[0]
    for part in parts[1:]:
        skip = int(part.dates[0] == whole.dates[-1])
        # Where no day is shared, a night lies between in which nothing is decided.
        still: Mapping[str, Any] = {
            "trades": np.zeros((1 - skip, len(whole.tickers))),
            "fill_price": whole.close[-1:] if not skip else whole.close[:0],
            "costs": np.zeros(1 - skip),
            "financing": np.zeros(1 - skip),
            "settled": np.zeros((1 - skip, len(whole.tickers))),
            "losses": np.zeros(1 - skip),
        }
        days = ("dates", "close", "account_value", "cash", "shares")
        arrays: dict[str, Any] = {
            name: np.concatenate([getattr(whole, name), getattr(part, name)[skip:]])
            for name in days
        }
        arrays |= {
            name: np.concatenate([getattr(whole, name), gap, getattr(part, name)])
            for name, gap in still.items()
        }
        whole = replace(whole, **arrays)
    return whole


def _opening(
    settings: Mapping[str, Any], block: MarketData, before: BacktestResult
) -> dict[str, Any]:
    """Return the settings of an environment whose account opens with what another ended with."""
    cash, shares = float(before.cash[-1]), before.shares[-1]
    if "previous_state" in settings:
        return {"previous_state": [cash, *block.close[0].tolist(), *shares.tolist()]}
    if "num_stock_shares" not in settings or (shares < 0).any():
        raise ConfigError(
            [
                f"env: {settings['_target_']} cannot open with what the block before has left"
                f"{' (it is short)' if (shares < 0).any() else ''}; use env=stock_trading"
            ]
        )
    return {"initial_amount": max(cash, 0.0), "num_stock_shares": shares.tolist()}

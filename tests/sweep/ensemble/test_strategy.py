"""The ensemble of a multirun: its members, who decides, and what the multirun leaves of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig, read_write

from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.errors import InputError
from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
from finai_rl.sweep.callback import _vary_members
from finai_rl.sweep.ensemble import strategy
from finai_rl.sweep.ensemble.strategy import jobs_of, missing, parts_of, trade
from finai_rl.sweep.ensemble.summary import _returns
from tests.e2e.sweeps import QUICK, Left, sweep, workplace
from tests.markets import generated_market
from tests.sweep.test_callback import multirun_of
from tests.sweep.test_previous_fold import left


def members(*overrides: str) -> Any:
    cfg = multirun_of("evaluation=ensemble", *overrides)
    _vary_members(cfg)
    return cfg.hydra.sweeper.params.get("agent")


def test_members_are_a_parameter_of_the_grid() -> None:
    assert members() == "a2c,ppo,ddpg"
    assert members("ensemble.members=[sac,erl_ppo]") == "sac,erl_ppo"
    assert members("agent=a2c") is None
    with pytest.raises(InputError, match=r"ensemble\.members: agents, each once"):
        members("ensemble.members=[a2c,a2c]")
    with pytest.raises(InputError, match="a grid of members, folds and seeds"):
        members("sweep.seeds=2")
    several = multirun_of("evaluation=ensemble")
    with read_write(several.hydra):
        several.hydra.overrides.task = ["env.hmax=10,20", "agent.gamma=choice(0.5,0.9)", "seed=0,1"]
    with pytest.raises(InputError, match=r"agent\.gamma, env\.hmax cannot be varied; run one"):
        _vary_members(several)
    assert members("seed=0", "env.hmax=10") == "a2c,ppo,ddpg"
    walk_forward = multirun_of("evaluation=walk_forward")
    _vary_members(walk_forward)
    assert "agent" not in walk_forward.hydra.sweeper.params


def test_who_decides() -> None:
    returns = {
        "calm": np.array([0.01, -0.01, 0.01]),
        "wild": np.array([0.03, -0.03, 0.03]),
        "still": np.zeros(3),
    }
    scores = {"calm": 0.2, "wild": 0.9, "still": float("nan")}
    assert parts_of("best", scores, returns) == {"calm": 0.0, "wild": 1.0, "still": 0.0}
    assert parts_of("average", scores, returns) == pytest.approx(dict.fromkeys(scores, 1 / 3))
    weighted = parts_of("risk_weighted", scores, returns)
    assert weighted == pytest.approx({"calm": 0.75, "wild": 0.25, "still": 0.0})
    still = {"one": np.zeros(3), "other": np.zeros(3)}
    nothing = dict.fromkeys(still, float("nan"))
    assert parts_of("risk_weighted", nothing, still) == {"one": 0.5, "other": 0.5}
    assert parts_of("best", nothing, still) == {"one": 1.0, "other": 0.0}


def test_two_trainings_of_one_place_are_refused(tmp_path: Path) -> None:
    for number in range(2):
        left(tmp_path, number, split__fold="0", seed="0", agent="a2c")
    with pytest.raises(InputError, match="are of one seed, fold and member of the ensemble"):
        jobs_of(tmp_path, 0)


def test_a_seed_without_a_training_is_named(tmp_path: Path) -> None:
    left(tmp_path, 0, split__fold="0", agent="a2c", seed="0")
    left(tmp_path, 1, split__fold="0", agent="ppo", seed="0")
    left(tmp_path, 2, split__fold="1", agent="ppo", seed="0")
    left(tmp_path, 3, "FAIL", split__fold="1", agent="a2c", seed="0")
    jobs = jobs_of(tmp_path, 0)
    assert jobs[0][0] == {"a2c": tmp_path / "0", "ppo": tmp_path / "1"}
    assert missing(jobs, ["a2c", "ppo"], 2) == {0: ["a2c of fold 1"]}


@pytest.mark.slow
def test_the_best_of_each_block_trades_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cwd = workplace(tmp_path)
    short = ("split.n_folds=2", "split.validation_days=15", "split.trade_days=15", "seeds=[0]")
    done = sweep(
        cwd, "evaluation=ensemble", *short, "ensemble.members=[a2c,ppo]", "data.risk=vix", *QUICK
    )
    runs = Left(cwd)
    assert len(runs.children()) == 4
    (folder,) = (cwd / "outputs").glob("multirun/*/*/summary")
    table = pd.read_csv(folder / "seed_0" / "who_traded.csv")
    for _, row in table.iterrows():
        best = max(("a2c", "ppo"), key=lambda name: row[f"sharpe_{name}"])
        assert row["traded_by"] == best
        assert row["validated"].split(" to ")[1] < row["traded"].split(" to ")[0]
    by_run = {
        (run.data.params["split.fold"], run.data.tags["agent"]): run.data.metrics
        for run in runs.children()
    }
    for (fold, agent), metrics in by_run.items():
        said = table.set_index("fold").loc[int(fold), f"sharpe_{agent}"]
        assert said == pytest.approx(metrics["validation/sharpe_ratio"], rel=1e-6)
    returns = pd.read_csv(folder / "seed_0" / "returns_ensemble.csv")
    assert len(returns) == 29
    assert returns["date"].iloc[-1] < runs.tags["split.sealed_from"]
    assert (folder / "seed_0" / "report.html").is_file()
    assert runs.tags["ensemble.trials"] == "4"
    assert runs.tags["verdict"] in ("no evidence", "weak", "strong")
    board = pd.read_csv(folder / "leaderboard.csv")
    assert set(board["agent"]) == {"ensemble", "a2c", "ppo", "equal weight"}
    assert "All 4 trainings that were looked at on validation count as trials." in done.stdout
    monkeypatch.chdir(cwd)
    check_accounts_are_apart(folder.parent, monkeypatch)


def check_accounts_are_apart(multirun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where actions are drawn, a member's account is the same whoever else is in the ensemble."""
    read = strategy._config

    def drawn(folder: Path) -> DictConfig:
        cfg = read(folder)
        cfg.ensemble.as_in_finrl = True
        return cfg

    monkeypatch.setattr(strategy, "_config", drawn)
    folds = jobs_of(multirun, 0)[0]
    both = trade(folds).accounts
    alone = trade({fold: {"ppo": places["ppo"]} for fold, places in folds.items()}).accounts
    assert both["ppo"].trades.any()
    assert np.array_equal(both["ppo"].account_value, alone["ppo"].account_value)


def test_bars_within_a_day_have_dates_of_their_own() -> None:
    days = np.datetime64("2024-01-02") + np.repeat(np.arange(8), 6)
    dates = (days.astype("datetime64[h]") + np.tile(np.arange(10, 16), 8)).astype("datetime64[ns]")
    market = replace(generated_market(n_days=48, n_stocks=2), dates=dates)
    env = StockTradingVecEnv(market, record=True)
    account = backtest(ConstantAction(np.ones(2)), env, market, "buyer")
    table = _returns(account, account, None)
    assert table["date"].is_unique
    assert list(table["date"][:2]) == ["2024-01-02T11:00:00", "2024-01-02T12:00:00"]

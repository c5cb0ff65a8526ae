"""From a run to its next orders, by the command and from Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from finai_rl.api import decide, train
from finai_rl.errors import InputError
from tests.conftest import Command
from tests.data.raw_panels import raw_panel
from tests.markets import generated_market
from tests.stores import write_empty_store

TINY = (
    "agent=recurrent_ppo", "data=synthetic", "data.n_days=150", "total_timesteps=64",
    "env.n_envs=2", "agent.n_steps=16", "agent.batch_size=16",
    "tracking.registered_model_name=mine",
)  # fmt: skip


@pytest.mark.slow
def test_each_day_is_decided_as_in_the_backtest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = write_empty_store(tmp_path / "outputs" / "mlflow.db")
    tracking = f"tracking.uri={uri}"
    trained = train([*TINY, tracking])
    (account,) = trained.backtests
    for day in (0, 5, 20):
        decision = decide(
            [f"run_id={trained.run_id}", tracking, f"day={str(account.dates[day])[:10]}"]
        )
        np.testing.assert_array_equal(decision.orders, account.trades[day])
        assert decision.held.cash == account.cash[day]
    told = forked("finai_rl.decide", "model=models:/mine/1", tracking, "hydra.run.dir=next")
    assert "Orders of" in told.stdout
    assert "reach into the sealed test block" in told.stdout
    whole = json.loads((tmp_path / "next" / "decision.json").read_text())
    table = pd.read_csv(tmp_path / "next" / "orders.csv")
    assert whole["orders"] == dict(zip(table["tic"], table["order"], strict=True))
    assert whole["run_id"] == trained.run_id
    # The account has reached the sealed block, once for all of its days.
    run = MlflowClient(uri).get_run(str(trained.run_id))
    assert run.data.tags["test.opened"] == "1"
    with pytest.raises(InputError, match="name one of the two"):
        decide([tracking])


@pytest.mark.slow
def test_a_newer_file_and_what_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    write_empty_store(tmp_path / "outputs" / "mlflow.db")
    market = generated_market(n_days=120, n_stocks=3)
    days = market.day_names
    rows = pd.DataFrame(
        {
            "date": np.repeat(days, 3),
            "tic": np.tile(market.tickers, 120),
            "close": market.close.ravel(),
            "rsi_30": market.features[:, 0].ravel(),
        }
    )
    rows[rows["date"] < days[90]].to_csv("trained.csv", index=False)
    rows.to_csv("newest.csv", index=False)
    small = ("agent=a2c", "total_timesteps=64", "env.n_envs=2", "tracking.run_name=one")
    trained = train([*small, "data=processed_csv", "data.path=trained.csv"])
    run = f"run_id={trained.run_id}"
    assert decide([run]).day == days[89]
    pd.DataFrame({"tic": ["S01"], "shares": [7]}).to_csv("held.csv", index=False)
    decision = decide([run, "data.path=newest.csv", "positions=held.csv", "cash=1000"])
    assert decision.day == days[-1]
    assert decision.held.shares.tolist() == [0.0, 7.0, 0.0]
    assert decision.held.cash == 1000.0
    pd.DataFrame({"tic": ["S01"], "shares": [6.5]}).to_csv("held.csv", index=False)
    told = forked(
        "finai_rl.decide", run, "data.path=newest.csv", "positions=held.csv", "cash=0",
        "hydra.run.dir=part",
    )  # fmt: skip
    assert "6.5 of S01 is held: it may order a part of a share" in told.stdout
    whole = json.loads((tmp_path / "part" / "decision.json").read_text())
    assert any("6.5 of S01" in note for note in whole["notes"])
    split = rows.assign(close=rows["close"] * (1 + (rows["tic"] == "S02")))
    split.to_csv("split.csv", index=False)
    told = forked("finai_rl.decide", run, "data.path=split.csv", expect=1)
    assert "S02: its close of" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.slow
def test_raw_prices_cut_at_a_day_give_the_orders_of_the_backtest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    write_empty_store(tmp_path / "outputs" / "mlflow.db")
    raw, rng = raw_panel(220, 3), np.random.default_rng(0)
    days = raw["date"].unique()
    news = pd.DataFrame(
        {
            "tic": rng.choice(raw["tic"].unique(), 200),
            "date": np.sort(rng.choice(days, 200)),
            "sentiment": rng.normal(size=200).round(3),
        }
    )
    vix = raw.groupby("date", as_index=False)["close"].mean()
    tables = {"prices": raw, "news": news, "vix": vix}
    for name, table in tables.items():
        table.to_csv(f"{name}.csv", index=False)
    (tmp_path / "my_features.py").write_text(
        "def momentum(frame, days):\n"
        "    return frame['close'].pct_change(days).rename(f'momentum_{days}')\n"
    )
    trusted = "trusted_packages=[my_features]"
    forked(
        "finai_rl.prepare", "raw.path=prices.csv", "sentiment.scores.path=news.csv",
        "turbulence=60", "market_series={vix: vix.csv}", "output=panel.csv",
        "features={_target_: my_features.momentum, days: 20}", trusted,
    )  # fmt: skip
    trained = train(
        ["agent=a2c", "total_timesteps=200", "env.n_envs=2", "data=processed_csv",
         "data.path=panel.csv", "data.risk=turbulence", "env.sentiment=true",
         "env.turbulence_threshold=50", "tracking.run_name=one",
         "tracking.registered_model_name=mine"]
    )  # fmt: skip
    # The recipe is enough: nothing that the run was prepared from or trained on is there any more.
    for name in ("prices.csv", "news.csv", "vix.csv", "panel.csv", "panel.csv.manifest.json"):
        (tmp_path / name).unlink()
    (account,) = trained.backtests
    assert account.trades.any()
    series = "prepare.market_series={vix: vix.csv}"
    named = ("prepare.raw=prices.csv", "prepare.scores=news.csv", series, trusted)
    model = "model=models:/mine/1"
    for place in (0, 9, 17):
        day = str(account.dates[place])[:10]
        for name, table in tables.items():
            table[table["date"] <= day].to_csv(f"{name}.csv", index=False)
        told = forked("finai_rl.decide", model, *named, f"hydra.run.dir={day}")
        found = json.loads((tmp_path / day / "decision.json").read_text())
        assert found["day"] == day
        assert list(found["orders"].values()) == account.trades[place].tolist()
        assert found["cash_held"] == account.cash[place]
        assert "days of the agent's training are in the data, equal to the last bit" in told.stdout
    changed = raw.assign(close=raw["close"].where(raw["date"] != days[130], raw["close"] * 1.03))
    changed[changed["date"] <= day].to_csv("prices.csv", index=False)
    other = forked("finai_rl.decide", model, *named, expect=1)
    assert f"close is not what it was in training on 1 of {111 + 18} days" in other.stderr
    assert f"first on {days[130]} (T" in other.stderr
    missing = forked("finai_rl.decide", model, named[0], expect=1)
    assert "prepare.scores: must name the newer file of news.csv" in missing.stderr
    both = forked("finai_rl.decide", model, *named, "data.path=a.csv", expect=1)
    assert "prepare.raw, data.path: name one of the two" in both.stderr

"""A trained agent is judged on days that its run's data had not, as a block of their own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from finai_rl.api import evaluate, train
from tests.conftest import Command
from tests.markets import generated_market
from tests.stores import write_empty_store

MARKET = generated_market(n_days=150, n_stocks=3)
DAYS = MARKET.day_names
QUICK = ("random_agents=0", "baselines=[cash]", "cost_multipliers=[1]", "permutations=0",
         "response_days=0")  # fmt: skip


def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "date": pd.Series(DAYS).repeat(3).to_numpy(),
            "tic": list(MARKET.tickers) * 150,
            "close": MARKET.close.ravel(),
            "rsi_30": MARKET.features[:, 0].ravel(),
        }
    )


@pytest.mark.slow
def test_newer_days_are_a_block_of_their_own_and_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = write_empty_store(tmp_path / "outputs" / "mlflow.db")
    table = rows()
    table[table["date"] < DAYS[100]].to_csv("trained.csv", index=False)
    table.to_csv("newer.csv", index=False)
    trained = train(
        ["agent=a2c", "total_timesteps=64", "env.n_envs=2", "data=processed_csv",
         "data.path=trained.csv", "tracking.run_name=one",
         "tracking.registered_model_name=mine"]
    )  # fmt: skip
    wanted = [f"run_id={trained.run_id}", "block=newer", *QUICK]
    client = MlflowClient(uri)

    def tags() -> dict[str, str]:
        return dict(client.get_run(str(trained.run_id)).data.tags)

    assert tags()["data.last_day"] == DAYS[99]
    # What differs on a day of training is refused, and is no look.
    other = table.assign(
        close=table["close"] * (1 + 0.5 * ((table["date"] == DAYS[20]) & (table["tic"] == "S01")))
    )
    other.to_csv("other.csv", index=False)
    refused = forked("finai_rl.evaluate", *wanted, "data.path=other.csv", expect=1)
    assert f"first on {DAYS[20]} (S01: " in refused.stderr
    none = forked("finai_rl.evaluate", *wanted, expect=1)
    assert "fewer than 3 days are newer; name newer data by data.path" in none.stderr
    table[table["date"] >= DAYS[100]].to_csv("alone.csv", index=False)
    alone = forked("finai_rl.evaluate", *wanted, "data.path=alone.csv", expect=1)
    assert (
        f"alone.csv begins on {DAYS[100]}, and the run's data ended on {DAYS[99]}" in alone.stderr
    )
    idle = forked("finai_rl.evaluate", wanted[0], "data.path=newer.csv", expect=1)
    assert "data.path: has no effect without block=newer" in idle.stderr
    assert "newer.opened" not in tags()

    found = evaluate([*wanted, "data.path=newer.csv"]).report
    assert [str(day)[:10] for day in found.result.dates] == DAYS[100:]
    assert found.verdict is not None
    said = f"These 50 days are newer than all that the run's data had (until {DAYS[99]}): look 1"
    assert said in found.verdict.sentence
    assert said in found.data.caveats[0]
    assert tags()["newer.opened"] == "1"
    assert "test.opened" not in tags()
    assert client.get_model_version("mine", "1").tags["newer.opened"] == "1"
    metrics = client.get_run(str(trained.run_id)).data.metrics
    assert metrics["evaluation_newer/sharpe_ratio"] == found.metrics["one"]["sharpe_ratio"]
    assert not any(name.startswith("evaluation_test/") for name in metrics)

    # The rows of the sealed block are there and are not read: with others the account is the same.
    sealed = table["date"].between(DAYS[85], DAYS[99])
    table.assign(close=table["close"] * (1 + 0.1 * sealed)).to_csv("newer.csv", index=False)
    told = forked("finai_rl.evaluate", *wanted, "data.path=newer.csv", "hydra.run.dir=again")
    assert "look 2 at such days for this agent, 2 in its experiment" in told.stdout
    again = pd.read_csv("again/account_value.csv")["account_value"]
    assert again.tolist() == found.result.account_value.tolist()
    assert tags()["newer.opened"] == "2"
    assert "test.opened" not in tags()
    several = forked("finai_rl.evaluate", "-m", *wanted, "seed=0,1", expect=1)
    assert "newer days are for one agent" in several.stdout + several.stderr

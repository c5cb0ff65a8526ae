"""A paper account, kept by one command a day, is the backtest of these days."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from finai_rl.api import train
from finai_rl.data import load_processed_csv
from finai_rl.experiment.backtests.holdout import Holdout
from finai_rl.experiment.deciding.ledger import Ledger
from finai_rl.experiment.environments import Environments
from finai_rl.tracking.history.finished_run import FinishedRun
from tests.conftest import Command
from tests.markets import generated_market
from tests.stores import write_empty_store

MARKET = generated_market(n_days=120, n_stocks=3)
DAYS = MARKET.day_names


def write_until(file: Path, n_days: int, factor: float = 1.0) -> None:
    rows = pd.DataFrame(
        {
            "date": np.repeat(DAYS, 3),
            "tic": np.tile(MARKET.tickers, 120),
            "close": MARKET.close.ravel(),
            "rsi_30": MARKET.features[:, 0].ravel(),
        }
    )
    rows.loc[rows["date"] == DAYS[101], "close"] *= factor
    rows[rows["date"] < ([*DAYS, "9"])[n_days]].to_csv(file, index=False)


@pytest.mark.slow
def test_one_command_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    write_empty_store(tmp_path / "outputs" / "mlflow.db")
    write_until(tmp_path / "trained.csv", 100)
    small = ("agent=recurrent_ppo", "agent.n_steps=16", "agent.batch_size=16", "env.n_envs=2")
    trained = train(
        [*small, "total_timesteps=64", "data=processed_csv", "data.path=trained.csv",
         "tracking.run_name=one"]
    )  # fmt: skip
    newest, books = tmp_path / "newest.csv", tmp_path / "mine" / "ledger.jsonl"

    def keep(*arguments: str, expect: int = 0) -> str:
        given = ("account=mine", "data.path=newest.csv", *arguments)
        done = forked("finai_rl.paper", *given, expect=expect)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    write_until(newest, 101)
    assert "name one of the two" in keep(expect=1)
    assert "begins with the second day" in keep(f"run_id={trained.run_id}", "report=true")
    write_until(newest, 102)
    keep()
    before = books.read_bytes()
    assert "Nothing new" in keep()
    assert books.read_bytes() == before
    write_until(newest, 105)
    said = keep()
    assert "2 days were not decided when they came" in said
    assert "live returns against the backtest's" in said
    assert books.read_bytes().startswith(before)
    lines = Ledger(tmp_path / "mine").lines
    assert [line["day"] for line in lines] == DAYS[100:105]
    assert [line["late"] for line in lines] == [False, False, True, True, False]
    # The backtest of these days, and of the one after them.
    write_until(newest, 106)
    block = load_processed_csv(str(newest)).slice_days(100, 106)
    uri = f"sqlite:///{tmp_path}/outputs/mlflow.db"
    agent, normalization = FinishedRun(uri, trained.run_id).policy()
    account = Holdout(Environments(trained.config), block).run(agent, normalization, "agent")
    assert account.trades.any()
    for place, line in enumerate(lines):
        assert line["account_value"] == account.account_value[place]
        assert list(line["orders"].values()) == account.trades[place].tolist()
    # The page: the backtest of training, and these days.
    write_until(newest, 105)
    assert "Report: mine/report/report.html" in keep("report=true")
    page = (tmp_path / "mine" / "report" / "report.html").read_text()
    assert Ledger(tmp_path / "mine").last_hash in page
    assert f"Backtest, {len(trained.backtests[0].dates)} days" in page
    assert "Live, 5 days" in page
    assert "2 days not decided when they came" in page
    assert f"{DAYS[102]}, {DAYS[103]}." in page
    assert "the data changed" not in page
    # The file that it was trained on has grown since: the days of the backtest are in the newest.
    write_until(tmp_path / "trained.csv", 103)
    keep("report=true")
    page = (tmp_path / "mine" / "report" / "report.html").read_text()
    assert "days of the backtest are the newest data" in page
    assert "the data changed" not in page
    # A price that is another now is refused, and so are books that were changed.
    write_until(newest, 106, factor=1.5)
    assert f"{DAYS[101]}: a price is not what the books say" in keep(expect=1)
    write_until(newest, 106)
    whole = books.read_text()
    books.write_text(whole.replace(DAYS[102], DAYS[103], 1))
    assert "line 3 was changed" in keep(expect=1)
    books.write_text("".join(whole.splitlines(True)[:3]))
    assert "holds 3 lines, and the account had 5" in keep(expect=1)
    books.write_text(whole)
    (tmp_path / "mine" / "account.json").rename(tmp_path / "away.json")
    assert "is gone, and ledger.jsonl is there" in keep(expect=1)
    (tmp_path / "away.json").rename(tmp_path / "mine" / "account.json")
    keep()
    assert len(Ledger(tmp_path / "mine").lines) == 6
    # A row that is late: nothing is ordered.
    ordered, late = (tmp_path / "mine" / "orders.csv").read_bytes(), MARKET.tickers[-1]
    write_until(newest, 107)
    newest.write_text("".join(newest.read_text().splitlines(True)[:-1]))
    filled = "+data.on_missing=forward_fill"
    said = keep(filled, expect=1)
    assert f"{DAYS[106]} is not entered yet, and nothing is ordered" in said
    assert f"has no price or value of {late}" in said
    assert (tmp_path / "mine" / "orders.csv").read_bytes() == ordered
    assert f"Orders of {DAYS[106]}" in keep(filled, f"delisted=[{late}]")
    file = forked("finai_rl.paper", "account=newest.csv", f"run_id={trained.run_id}", expect=1)
    assert "is no folder: account=... names one" in file.stderr

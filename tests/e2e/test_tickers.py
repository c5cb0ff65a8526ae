"""Tickers of the whole world, from a file of prices to a page."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from finai_rl.data import load_processed_csv
from tests.conftest import ASKS_LITTLE, Command

TICKERS = ["0700", "1E5", "600519", "M&M.NS", "NULL", "TRUE", "^GSPC", "贵州茅台"]
QUICK = (*ASKS_LITTLE, "baselines=[cash]", "cost_multipliers=[1]")


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """Prices of all these tickers, TRUE and NULL as they stand."""
    days, rng = pd.bdate_range("2019-01-01", periods=260), np.random.default_rng(0)
    close = 50 * np.exp(rng.normal(0, 0.02, (len(days), len(TICKERS))).cumsum(axis=0))
    rows = {
        "date": np.repeat(days.strftime("%Y-%m-%d"), len(TICKERS)),
        "tic": TICKERS * len(days),
        "close": close.ravel().round(4),
        "macd": rng.normal(size=close.size),
    }
    file = tmp_path / "world.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    return file


def train(forked: Command, *arguments: str, expect: int = 0) -> str:
    done = forked(
        "finai_rl.train",
        *("agent=a2c", "debug=fast", "data=processed_csv", "data.path=world.csv", *arguments),
        expect=expect,
    )
    return done.stdout + done.stderr


def the_run(store: str) -> mlflow.entities.Run:
    mlflow.set_tracking_uri(store)
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return run


@pytest.mark.slow
def test_holdings_of_a_file_are_evaluated_when_the_file_is_gone(
    forked: Command, store: str, prices: Path, tmp_path: Path
) -> None:
    assert load_processed_csv(str(prices)).tickers == tuple(sorted(TICKERS))
    held = {ticker: 10 + number for number, ticker in enumerate(TICKERS)}
    file = tmp_path / "holdings.csv"
    file.write_text("tic,num_stock_shares\n" + "".join(f"{t},{n}\n" for t, n in held.items()))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    told = train(forked, "env.num_stock_shares=holdings.csv", "evaluation.env.random_start=false")
    assert f"8 tickers from holdings.csv (sha256 {digest})" in told
    assert "Glyph" not in told
    file.unlink()
    run = the_run(store)
    assert run.data.tags["env.num_stock_shares.sha256"] == digest
    text = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/config/config.yaml")
    assert yaml.safe_load(text)["env"]["num_stock_shares"] == held
    forked("finai_rl.evaluate", f"run_id={run.info.run_id}", *QUICK)
    (page,) = (tmp_path / "outputs" / "evaluate").rglob("report.html")
    content = page.read_text(encoding="utf-8")
    for name in ("贵州茅台", "M&amp;M.NS", "^GSPC", "0700", "NULL"):
        assert f">{name}  " in content
    table = pd.read_csv(page.parent / "holdings.csv", index_col=0)
    assert list(table.columns) == sorted(TICKERS)
    assert table.iloc[0].to_dict() == held
    metrics = the_run(store).data.metrics
    assert metrics["evaluation_validation/sharpe_ratio"] == metrics["validation/sharpe_ratio"]


@pytest.mark.slow
def test_keys_that_were_read_as_something_else_are_the_tickers_still(
    forked: Command, store: str, prices: Path, tmp_path: Path
) -> None:
    costs = tmp_path / "conf" / "experiment" / "costs.yaml"
    costs.parent.mkdir(parents=True)
    numbers = [f"    {ticker}: 0.00{n}" for n, ticker in enumerate(TICKERS, start=1)]
    lines = ["# @package _global_", "env:", "  buy_cost_pct:", *numbers]
    costs.write_text("\n".join(lines).replace("NULL:", "'NULL':") + "\n", encoding="utf-8")
    train(forked, "experiment=costs", "env.num_stock_shares={TRUE: 5}", "--config-dir=conf")
    run = the_run(store)
    forked("finai_rl.evaluate", f"run_id={run.info.run_id}", *QUICK)
    (folder,) = (tmp_path / "outputs" / "evaluate").glob("*/*")
    assert pd.read_csv(folder / "holdings.csv", index_col=0)["TRUE"].iloc[0] == 5
    metrics = the_run(store).data.metrics
    assert metrics["evaluation_validation/sharpe_ratio"] == metrics["validation/sharpe_ratio"]


@pytest.mark.slow
def test_a_ticker_that_the_data_lacks_is_told_by_its_line(
    forked: Command, prices: Path, tmp_path: Path
) -> None:
    (tmp_path / "holdings.csv").write_text("tic,value\nTRUE,1\n^GSPX,2\n")
    told = train(forked, "env.num_stock_shares=holdings.csv", "tracking=none", expect=1)
    assert (
        "num_stock_shares by ticker of holdings.csv: the data has no '^GSPX' (line 3; did" in told
    )
    assert "Traceback" not in told


@pytest.mark.slow
def test_each_trial_of_a_sweep_takes_its_own_file(
    forked: Command, store: str, prices: Path, tmp_path: Path
) -> None:
    for name, shares in (("few", 1), ("many", 50)):
        (tmp_path / f"{name}.csv").write_text(f"tic,value\n^GSPC,{shares}\n")
    train(forked, "env.num_stock_shares=few.csv,many.csv", "-m")
    mlflow.set_tracking_uri(store)
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    told = {run.data.params.get("env.num_stock_shares._GSPC") for run in runs}
    assert {"1", "50"} <= told


@pytest.mark.slow
def test_raw_prices_keep_their_tickers_through_prepare(forked: Command, tmp_path: Path) -> None:
    days = pd.bdate_range("2019-01-01", periods=40).strftime("%Y-%m-%d")
    names = [*TICKERS, "NA", "nan", "Société_Générale"]
    rows = pd.DataFrame({"date": np.repeat(days, len(names)), "tic": names * len(days)})
    prices = 50 + np.random.default_rng(0).random(len(rows)).round(3)
    rows = rows.assign(open=prices, high=prices, low=prices, close=prices, volume=1000)
    rows.to_csv(tmp_path / "raw.csv", index=False)
    scores = rows[["date", "tic"]].assign(score=0.5)
    scores.to_csv(tmp_path / "scores.csv", index=False)
    forked(
        "finai_rl.prepare",
        *("raw.path=raw.csv", "indicators=[]", "turbulence=null", "output=ready.csv"),
        "sentiment.scores.path=scores.csv",
    )
    manifest = json.loads((tmp_path / "ready.csv.manifest.json").read_text())
    assert manifest["output"]["tickers"] == sorted(names)
    data = load_processed_csv(str(tmp_path / "ready.csv"))
    assert data.tickers == tuple(sorted(names))
    assert data.sentiment is not None
    assert (data.sentiment[-1] == 0.5).all()

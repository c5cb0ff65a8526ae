"""A third of the tickers listed late or delisted, from raw prices to results."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from tests.conftest import Command
from tests.data.raw_panels import raw_panel

N_DATES = 420


def listed_late_or_delisted() -> pd.DataFrame:
    """Six tickers: T1 comes late, within the training days; T2 goes within the validation days."""
    rows = raw_panel(N_DATES, 6)
    day = rows.index // 6
    return rows[((rows["tic"] != "T1") | (day >= 150)) & ((rows["tic"] != "T2") | (day <= 330))]


@pytest.mark.slow
def test_it_is_prepared_trained_on_and_evaluated(forked: Command, tmp_path: Path) -> None:
    listed_late_or_delisted().to_csv(tmp_path / "prices.csv", index=False)
    done = forked("finai_rl.prepare", "raw.path=prices.csv", "raw.universe=mask", "turbulence=100")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("Next: "))
    _, _, module, *arguments = shlex.split(line.removeprefix("Next: "))
    assert "data.universe=mask" in arguments
    quick = ["total_timesteps=400", "agent=a2c", "env=portfolio", "env.delisting_loss=0.5"]
    forked(module, *arguments, *quick)
    (run,) = (tmp_path / "outputs").glob("20*/*/backtest")
    holdings = pd.read_csv(run / "holdings.csv", index_col="date")
    gone = str(pd.bdate_range("2018-01-01", periods=N_DATES)[330].date())
    assert (holdings.loc[:gone, "T2"].iloc[1:] > 0).all()
    assert not holdings.loc[gone:, "T2"].iloc[1:].any()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    (recorded,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    asked = [f"run_id={recorded.info.run_id}", "random_agents=20", "baselines=[minimum_variance]"]
    done = forked("finai_rl.evaluate", *asked)
    assert "listed after the first date" in done.stdout + done.stderr
    assert "Minimum variance" in done.stdout


@pytest.mark.slow
def test_finrls_arithmetic_refuses_it(forked: Command, tmp_path: Path) -> None:
    listed_late_or_delisted().to_csv(tmp_path / "prices.csv", index=False)
    forked("finai_rl.prepare", "raw.path=prices.csv", "raw.universe=mask", "turbulence=null")
    manifest = next(tmp_path.glob("data/processed/*.manifest.json"))
    path = json.loads(manifest.read_text())["output"]["path"]
    asked = ["data=processed_csv", f"data.path={path}", "data.universe=mask", "tracking=none"]
    refused = forked("finai_rl.train", *asked, "env.finrl_compat=true", expect=None)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert "data.universe=common_period" in refused.stderr + refused.stdout

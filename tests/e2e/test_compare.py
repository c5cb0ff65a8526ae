"""``python -m finai_rl.compare`` over what was really trained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from finai_rl.compare import rate_of, terms_apart
from finai_rl.errors import ConfigError
from finai_rl.statistics.leaderboard import BASELINE_NAME
from finai_rl.tracking.history.trainings import Training, _is_term
from tests.stores import write_empty_store
from tests.warm import WarmProcess, warm_process

pytestmark = pytest.mark.slow

TRAIN = [
    "agent=a2c,erl_a2c",
    "seed=0,1",
    "total_timesteps=2000",
    "env.n_envs=8",
    "data.start=2012-01-01",
    "data.tickers=[AAPL,JPM,XOM]",
    "tracking.log_model=false",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, warm: WarmProcess) -> Path:
    """A folder with two seeds of an agent of either library."""
    folder = tmp_path_factory.mktemp("trained")
    write_empty_store(folder / "outputs" / "mlflow.db")
    done = warm.run(folder, "finai_rl.train", "-m", *TRAIN)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def compared(folder: Path, name: str, *arguments: str) -> pd.DataFrame:
    done = warm_process().run(
        folder, "finai_rl.compare", *arguments, f"hydra.run.dir={folder / name}"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return pd.read_csv(folder / name / "leaderboard.csv", index_col="agent")


def test_both_libraries_in_one_table(trained: Path) -> None:
    command = [sys.executable, "-m", "finai_rl.compare", "experiment_name=finai_rl", "by=[agent]"]
    done = subprocess.run(
        command, cwd=trained, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    files = [Path(line) for line in done.stdout.splitlines() if line.startswith("/")]
    names = ["leaderboard.html", "leaderboard.csv", "differences.csv"]
    assert [file.name for file in files] == names
    assert all(file.stat().st_size for file in files)
    for words in ("a2c", "erl_a2c", BASELINE_NAME, "2 (2 x 1)", "which includes 0"):
        assert words in done.stdout, words
    table = pd.read_csv(files[1], index_col="agent")
    assert set(table.index) == {"a2c", "erl_a2c", BASELINE_NAME}
    mlflow.set_tracking_uri(f"sqlite:///{trained}/outputs/mlflow.db")
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    for agent in ("a2c", "erl_a2c"):
        scores = [
            run.data.metrics["validation/sharpe_ratio"]
            for run in runs
            if run.data.tags.get("agent") == agent
        ]
        assert table.loc[agent, "sharpe_iqm"] == pytest.approx(np.mean(scores))
    equal = next(run for run in runs if run.data.metrics).data.metrics[
        "validation_equal_weight/sharpe_ratio"
    ]
    assert table.loc[BASELINE_NAME, "sharpe_iqm"] == pytest.approx(equal)


def test_a_filter_and_another_name(trained: Path) -> None:
    table = compared(trained, "filtered", "filter=\"tags.seed = '1'\"", "by=[agent,env]")
    assert set(table.index) == {"a2c stock_trading", "erl_a2c stock_trading", BASELINE_NAME}
    assert table["n_seeds"].dropna().eq(1).all()
    assert table["sharpe_low"].isna().all()


def test_only_what_is_below_a_parent(trained: Path) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{trained}/outputs/mlflow.db")
    experiment = client.get_experiment_by_name("finai_rl")
    assert experiment is not None
    parent = client.create_run(experiment.experiment_id).info.run_id
    for run_ in client.search_runs([experiment.experiment_id], "tags.agent = 'erl_a2c'"):
        client.set_tag(run_.info.run_id, "mlflow.parentRunId", parent)
    table = compared(trained, "below", f"parent={parent}")
    assert set(table.index) == {"erl_a2c", BASELINE_NAME}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["experiment_name=unheard_of"], "has no 'unheard_of'; there are"),
        (["experiment_name=Default"], "no finished training of 'Default'"),
        (["filter=\"tags.agent = 'ppo'\""], "filter=tags.agent = 'ppo'"),
        (["filter=tags.agent is great"], "is not understood"),
        (
            ["parent=0123456789abcdef"],
            "no finished training of 'finai_rl', parent=0123456789abcdef",
        ),
        (["by=[nonsense]"], "by: 4 of 4 runs have no tag 'nonsense'"),
        (["by=[]"], "by: name at least one tag"),
        (["periods_per_year=365"], "were backtested with 252: set periods_per_year=252"),
        (["risk_free=0.02"], "risk_free: 0.02, as these runs had evaluation.risk_free=0: set"),
        (["tracking.uri=sqlite:///no/such/folder/a.db"], "tracking.uri"),
    ],
)
def test_what_cannot_be_compared(
    arguments: list[str], said: str, trained: Path, warm: WarmProcess
) -> None:
    done = warm.run(trained, "finai_rl.compare", *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_risk_free_rate_is_the_one_that_the_runs_had() -> None:
    def runs(*rates: float | None) -> list[Training]:
        return [Training("a", {}, pd.DataFrame(), 252, rate) for rate in rates]

    assert rate_of(runs(0.05, 0.05), None) == 0.05
    assert rate_of(runs(0.05, None), None) == 0.05
    assert rate_of(runs(None), None) == 0.0
    assert rate_of(runs(None), 0.03) == 0.03
    assert rate_of(runs(0.0, 0.05), 0.05) == 0.05
    with pytest.raises(ConfigError, match=r"risk_free: must be given, as .*=0 or 0\.05"):
        rate_of(runs(0.0, 0.05), None)
    with pytest.raises(ConfigError, match=r"risk_free: 0, as these runs had .*=0\.05: set"):
        rate_of(runs(0.05), 0.0)


def test_other_terms_of_trade_are_told() -> None:
    def run(**terms: str) -> Training:
        return Training("a", {}, pd.DataFrame(), terms=terms)

    assert terms_apart([run(fill="open"), run(fill="open"), run()]) == []
    (said,) = terms_apart([run(**{"env.buy_cost_pct": cost}) for cost in ("0.0", "0.005", "0.0")])
    assert (
        said == "not the same for all, and so part of what differs: env.buy_cost_pct (0.0, 0.005)"
    )
    assert _is_term("env.buy_cost_pct")
    assert _is_term("evaluation.env.fill")
    assert not _is_term("env.hmax")
    assert not _is_term("agent.impact")

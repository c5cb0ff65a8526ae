"""``python -m finai_rl.train`` as a user types it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run

from finai_rl.config.command import CONFIG_DIR
from tests.conftest import Command
from tests.markets import REAL_DATA, write_processed_csv

AGENTS = sorted(file.stem for file in (CONFIG_DIR / "agent").glob("*.yaml"))
QUICK = ("debug=fast", "data.start=2012-01-01")


def tiny(agent: str) -> list[str]:
    return [*QUICK, f"agent={agent}"]


def run_folder(cwd: Path) -> Path:
    (folder,) = [model.parent for model in (cwd / "outputs").glob("20*/*/model.*")]
    return folder


def only_run(cwd: Path) -> Run:
    mlflow.set_tracking_uri(f"sqlite:///{cwd}/outputs/mlflow.db")
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return run


@pytest.mark.slow
def test_every_agent_trains_saves_and_backtests(
    forked: Command, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    # One after the other in one process, which is how a sweep runs them, and the quicker way.
    agents = ",".join(AGENTS)
    done = forked("finai_rl.train", "-m", *QUICK, f"agent={agents}", "tracking=none", expect=None)
    (multirun,) = (tmp_path / "outputs").glob("multirun/*/*")
    for number, agent in enumerate(AGENTS):
        with subtests.test(agent=agent):
            assert_it_trained_and_was_backtested(multirun / str(number), agent)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "outputs" / "mlflow.db").exists()
    # What ran before in the same process, of either library, makes no difference.
    alone = tmp_path / "alone"
    forked("finai_rl.train", *tiny(AGENTS[-1]), "tracking=none", f"hydra.run.dir={alone}")
    for file in ("backtest/account_value.csv", "vec_normalize.pkl"):
        assert (multirun / str(len(AGENTS) - 1) / file).read_bytes() == (alone / file).read_bytes()


def assert_it_trained_and_was_backtested(folder: Path, agent: str) -> None:
    suffix = ".pth" if agent.startswith("erl_") else ".zip"
    for name in (
        f"model{suffix}",
        "vec_normalize.pkl",
        "progress.csv",
        "train.log",
        ".hydra/config.yaml",
        "backtest/account_value.png",
        "backtest/drawdown.png",
        "backtest/holdings.png",
        "backtest/trades.csv",
        f"checkpoints/model_400_steps{suffix}",
    ):
        assert (folder / name).stat().st_size > 0, name
    progress = pd.read_csv(folder / "progress.csv")
    assert progress["time/total_timesteps"].iloc[-1] >= 1200
    losses = [name for name in progress if name.startswith("train/") and "loss" in name]
    assert losses or agent == "ars"
    assert np.isfinite(progress[losses].iloc[-1]).all()


@pytest.mark.slow
def test_one_run_holds_everything(command: Command, tmp_path: Path) -> None:
    done = command(
        "finai_rl.train",
        *tiny("a2c"),
        "env.sentiment=true",
        "env.episode_days=40",
        "agent.learning_rate=1e-3",
        "tracking.registered_model_name=a2c_test",
        "tracking.log_checkpoints=true",
        f"model_dir={tmp_path / 'kept'}",
    )
    run = only_run(tmp_path)
    folder = run_folder(tmp_path)
    assert run.info.status == "FINISHED"
    assert run.info.run_id in done.stdout
    assert f"Objective sharpe_ratio: {run.data.metrics['objective']:.4f}" in done.stdout
    assert "survivors" in done.stdout
    assert "mlflow ui --backend-store-uri sqlite:///" in done.stdout
    assert run.info.run_name == "a2c-sp500-seed0"
    params, tags, metrics = run.data.params, run.data.tags, run.data.metrics
    assert params["agent.learning_rate"] == "0.001"
    assert params["env.sentiment"] == "true"
    assert params["agent.policy_kwargs.net_arch"] == "[64, 64]"
    assert (tags["agent"], tags["env"], tags["data"]) == ("a2c", "stock_trading", "sp500")
    assert tags["data.simulated"] == "sentiment_simulated"
    assert len(tags["data.sha256"]) == 64
    assert tags["version.stable-baselines3"]
    assert "survivors" in tags["mlflow.note.content"]
    for name in (
        "rollout/ep_rew_mean",
        "rollout/ep_len_mean",
        "train/value_loss",
        "time/fps",
        "account/account_value",
        "account/turnover",
        "validation/sharpe_ratio",
        "validation/max_drawdown",
        "validation_equal_weight/sharpe_ratio",
        "validation_index/sharpe_ratio",
        "objective",
    ):
        assert name in metrics, name
    assert metrics["objective"] == metrics["validation/sharpe_ratio"]
    assert metrics["rollout/ep_len_mean"] == 39
    client = mlflow.MlflowClient()

    def artifacts(path: str) -> set[str]:
        return {item.path for item in client.list_artifacts(run.info.run_id, path)}

    assert artifacts("config") == {"config/config.yaml", "config/overrides.yaml"}
    assert {"backtest/account_value.png", "backtest/holdings.csv"} <= artifacts("backtest")
    assert "checkpoints/model_400_steps.zip" in artifacts("checkpoints")
    contexts = {item.tags[0].value for item in run.inputs.dataset_inputs}
    assert contexts == {"training", "validation"}
    assert (tmp_path / "kept" / "model.zip").read_bytes() == (folder / "model.zip").read_bytes()
    assert_served_actions_equal_the_agents(tmp_path, folder)


def assert_served_actions_equal_the_agents(cwd: Path, folder: Path) -> None:
    """Load the registered model in a fresh process and compare its actions with the agent's."""
    served = cwd / "actions.npy"
    code = (
        "import sys, mlflow, numpy as np\n"
        f"mlflow.set_tracking_uri('sqlite:///{cwd}/outputs/mlflow.db')\n"
        "model = mlflow.pyfunc.load_model('models:/a2c_test/1')\n"
        "assert 'finai_rl' not in sys.modules\n"
        f"observations = np.load({str(cwd / 'observations.npy')!r})\n"
        f"np.save({str(served)!r}, model.predict(observations))\n"
    )
    from stable_baselines3 import A2C
    from stable_baselines3.common.vec_env import VecNormalize

    from finai_rl.data.sources.sp500 import load_sp500
    from finai_rl.envs.stock_trading import StockTradingVecEnv

    env = StockTradingVecEnv(load_sp500(start="2012-01-01"), n_envs=3, sentiment=True)
    observations = np.concatenate([env.reset(), env.step(np.ones((3, 20)))[0]])
    np.save(cwd / "observations.npy", observations)
    subprocess.run([sys.executable, "-c", code], cwd=cwd, check=True, capture_output=True)
    statistics = VecNormalize.load(str(folder / "vec_normalize.pkl"), env)
    agent = A2C.load(folder / "model.zip")
    actions, _ = agent.predict(statistics.normalize_obs(observations), deterministic=True)
    np.testing.assert_array_equal(np.load(served), actions)


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["ppo", "sac"])
def test_equal_runs_give_equal_models_bit_for_bit(
    agent: str, forked: Command, command: Command, tmp_path: Path
) -> None:
    from stable_baselines3.common.save_util import load_from_zip_file

    # Forks have the same hashes of strings and the same addresses; a new process has others.
    for name, run, seed in (("first", forked, 0), ("second", command, 0), ("other", forked, 1)):
        folder = f"hydra.run.dir={tmp_path / name}"
        run("finai_rl.train", *tiny(agent), "tracking=none", f"seed={seed}", folder)
    weights = {
        name: load_from_zip_file(tmp_path / name / "model.zip")[1]["policy"]
        for name in ("first", "second", "other")
    }
    for name, weight in weights["first"].items():
        assert weight.equal(weights["second"][name]), name
    assert any(not w.equal(weights["other"][name]) for name, w in weights["first"].items())
    for file in ("vec_normalize.pkl", "backtest/account_value.csv", "backtest/trades.csv"):
        first, second = ((tmp_path / run / file).read_bytes() for run in ("first", "second"))
        assert first == second, file


@pytest.mark.slow
@pytest.mark.usefixtures("store")
def test_a_processed_csv_trains_with_a_risk_threshold(forked: Command, tmp_path: Path) -> None:
    write_processed_csv(tmp_path / "mine.csv", n_days=80)
    forked(
        "finai_rl.train",
        "debug=fast",
        "data=processed_csv",
        "data.path=mine.csv",
        "data.risk=vix",
        "env.turbulence_threshold=40",
        "env.episode_days=20",
    )
    run = only_run(tmp_path)
    assert run.data.tags["data.path"] == "mine.csv"
    assert "validation_index/sharpe_ratio" not in run.data.metrics


def test_the_default_path_of_a_processed_csv(command: Command, tmp_path: Path) -> None:
    (tmp_path / "data" / "processed").mkdir(parents=True)
    write_processed_csv(
        tmp_path / "data" / "processed" / "processed_data_with_features.csv", n_days=60
    )
    command("finai_rl.train", "debug=fast", "data=processed_csv", "tracking=none")


@pytest.mark.slow
@pytest.mark.usefixtures("store")
def test_the_tutorials_file_trains(forked: Command, tmp_path: Path) -> None:
    file = REAL_DATA / "dow29_2020_2021.csv"
    if not file.is_file():
        pytest.skip(f"{file.name} is not here")
    forked(
        "finai_rl.train",
        "debug=fast",
        "data=processed_csv",
        f"data.path={file}",
        "data.risk=vix",
        "env.turbulence_threshold=70",
    )
    assert only_run(tmp_path).info.status == "FINISHED"


@pytest.mark.slow
@pytest.mark.parametrize(("n_episodes", "rounds"), [(5, 2), (16, 4)])
def test_training_for_a_number_of_episodes(
    n_episodes: int, rounds: int, forked: Command, tmp_path: Path
) -> None:
    rollout = ["agent.n_steps=8", "agent.batch_size=32"]
    episodes = ["env.n_envs=4", "env.episode_days=11", f"total_episodes={n_episodes}"]
    forked("finai_rl.train", *QUICK, "agent=ppo", *rollout, *episodes, "tracking=none")
    progress = pd.read_csv(run_folder(tmp_path) / "progress.csv")
    # SB3 finishes, and learns from, the rollout in which the last episode ends.
    steps = -(-rounds * 10 // 8) * 8 * 4
    assert progress["time/total_timesteps"].iloc[-1] == steps
    assert progress["train/n_updates"].iloc[-1] == 10 * steps / 32


@pytest.mark.slow
@pytest.mark.usefixtures("store")
def test_an_undefined_objective_keeps_the_run(forked: Command, tmp_path: Path) -> None:
    cash = ["+evaluation.env.turbulence_threshold=0", "objective=profit_factor"]
    done = forked("finai_rl.train", *tiny("a2c"), *cash, expect=1)
    assert "objective 'profit_factor' is undefined" in done.stderr
    assert "Traceback" not in done.stderr
    run = only_run(tmp_path)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["validation/total_return"] == 0


@pytest.mark.slow
def test_a_run_never_writes_over_another(forked: Command, tmp_path: Path) -> None:
    again = [*tiny("a2c"), "tracking=none", f"hydra.run.dir={tmp_path / 'one'}"]
    forked("finai_rl.train", *again)
    model = (tmp_path / "one" / "model.zip").read_bytes()
    done = forked("finai_rl.train", *again, "seed=1", expect=1)
    assert "belongs to another run" in done.stderr
    assert (tmp_path / "one" / "model.zip").read_bytes() == model


@pytest.mark.slow
def test_model_dir_holds_the_last_model_alone(forked: Command, tmp_path: Path) -> None:
    kept = f"model_dir={tmp_path / 'kept'}"
    forked("finai_rl.train", *tiny("a2c"), "tracking=none", kept)
    assert (tmp_path / "kept" / "vec_normalize.pkl").is_file()
    forked("finai_rl.train", *tiny("a2c"), "tracking=none", kept, "env.normalize=no")
    assert {file.name for file in (tmp_path / "kept").iterdir()} == {
        "model.zip",
        "model_inputs.json",
    }
    forked("finai_rl.train", *tiny("erl_a2c"), "tracking=none", kept, "env.normalize=no")
    assert {file.name for file in (tmp_path / "kept").iterdir()} == {
        "model.pth",
        "model_inputs.json",
    }


@pytest.mark.slow
def test_finrls_exact_environment_trains(forked: Command) -> None:
    forked(
        "finai_rl.train",
        "experiment=finrl_tutorial",
        "data.start=2015-01-01",
        "total_timesteps=1500",
        "tracking=none",
    )


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["ppo", "sac"])
def test_target_weights_train_and_are_backtested(
    agent: str, forked: Command, tmp_path: Path
) -> None:
    forked("finai_rl.train", *tiny(agent), "env=portfolio", "tracking=none")
    trades = pd.read_csv(run_folder(tmp_path) / "backtest" / "trades.csv", index_col=0)
    assert (trades.to_numpy() % 1 != 0).any()


@pytest.mark.slow
def test_shorts_at_the_next_open_with_impact_and_modulated_sentiment(
    forked: Command, tmp_path: Path
) -> None:
    write_processed_csv(tmp_path / "my.csv", n_days=400)
    rows = pd.read_csv(tmp_path / "my.csv", index_col=0)
    rows["llm_sentiment"] = np.random.default_rng(0).integers(0, 6, len(rows))
    rows.to_csv(tmp_path / "my.csv")
    forked(
        "finai_rl.train",
        "debug=fast",
        "data=processed_csv",
        "data.path=my.csv",
        "data.open=open",
        "data.volume=volume",
        "data.sentiment.columns=[llm_sentiment]",
        "data.sentiment.lag=1",
        "env.sentiment=true",
        "env.sentiment_modulation=finrl_deepseek",
        "env.allow_short=true",
        "env.borrow_rate={AAA:0.003,BBB:0.01,CCC:0.3}",
        "env.fill=next_open",
        "env.impact=1.0",
        "evaluation.periods_per_year=365",
        "tracking=none",
    )
    backtest = run_folder(tmp_path) / "backtest"
    fills = pd.read_csv(backtest / "fill_price.csv", index_col=0)
    opens = rows.pivot(index="date", columns="tic", values="open").loc[fills.index[1] :]
    np.testing.assert_allclose(fills.iloc[:-1], opens.iloc[: len(fills) - 1])


@pytest.mark.slow
def test_finrls_own_class_trains_in_processes_and_is_backtested(
    command: Command, tmp_path: Path
) -> None:
    command(
        "finai_rl.train",
        "env=finrl",
        "env.n_envs=2",
        "env.start_method=forkserver",
        "agent=a2c",
        "data.start=2020-01-01",
        "total_timesteps=200",
        "tracking=none",
    )
    assert (run_folder(tmp_path) / "backtest" / "account_value.csv").stat().st_size > 0


@pytest.mark.slow
def test_a_grid_multirun_gives_each_job_a_run(command: Command, tmp_path: Path) -> None:
    kept = f"model_dir={tmp_path / 'kept'}"
    command("finai_rl.train", "-m", *QUICK, "agent=a2c,ppo", "seed=1,2", kept)
    assert len(list(tmp_path.glob("kept/*/model.zip"))) == 4
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/outputs/mlflow.db")
    found = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert {run.info.status for run in found} == {"FINISHED"}
    (parent,) = (run for run in found if run.data.tags["sweep.level"] == "parent")
    runs = [run for run in found if run.info.run_id != parent.info.run_id]
    assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {parent.info.run_id}
    names = {(run.data.tags["agent"], run.data.tags["seed"]) for run in runs}
    assert names == {("a2c", "1"), ("a2c", "2"), ("ppo", "1"), ("ppo", "2")}
    objectives = {run.data.metrics["objective"] for run in runs}
    assert len(objectives) == 4


@pytest.mark.slow
def test_a_missing_elegantrl_names_the_command_that_installs_it(
    command: Command, tmp_path: Path
) -> None:
    # A package of this name that fails as an absent one does.
    hidden = tmp_path / "elegantrl.py"
    hidden.write_text("raise ModuleNotFoundError('No module named elegantrl', name='elegantrl')")
    done = command("finai_rl.train", *tiny("erl_ppo"), "tracking=none", expect=1)
    assert "pip install --no-deps elegantrl==0.3.6" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("outputs/**/model.*"))


@pytest.mark.slow
def test_a_wheel_outside_the_checkout_finds_its_config(tmp_path: Path) -> None:
    checkout = CONFIG_DIR.parent
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=checkout,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-m", "finai_rl.train", *tiny("a2c"), "tracking=none"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    hydra_config = (run_folder(tmp_path) / ".hydra" / "hydra.yaml").read_text()
    assert str(tmp_path / "site" / "finai_rl" / "conf") in hydra_config

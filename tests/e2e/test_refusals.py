"""Wrong input gets one clear message before anything starts, and a status that is not zero."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Command
from tests.markets import write_processed_csv
from tests.warm import WarmProcess


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["env.hmx=50"], "Key 'hmx' is not in struct"),
        (["env.hmax=many"], "env.hmax: Value 'many'"),
        (["env.hmax=0"], "env.hmax: must be at least 1, got 0"),
        (["agent=nobody"], "Available options in 'agent'"),
        (["+agent.learning_rat=1"], "did you mean learning_rate?"),
        (["seed=-1"], "seed: must be at least 0, got -1"),
        (["~tracking"], "tracking: missing from the config"),
        (["~agent"], "agent: names no class; choose one, as in agent=ppo"),
        (["-m", "resume=latest", "seed=0,1"], "resume: goes on with one run; leave -m out"),
        (["data.start=2000"], "data.start: must be a full ISO date such as 2019-12-31, got '2000'"),
        (["data.indicators=[macd,close_1_s]"], "['close_1_s'] look ahead"),
        (["env.sell_cost_pct=2"], "env.sell_cost_pct: must be below 1, got 2"),
        (["agent=sac", "total_timesteps=1000"], "agent.learning_starts: 16384 random steps"),
        (["evaluation.periods_per_year=12"], "set evaluation.periods_per_year=252"),
        (["+evaluation.env.hmx=3"], "evaluation.env.hmx: no such setting"),
        (["objective=luck"], "objective: no metric 'luck'; choose from"),
        (["split.train=1.5"], "split.train: must lie between 0 and 1, got 1.5"),
        (["data.tickers=[AAPL,NOPE]"], "no ticker ['NOPE']"),
        (["data.indicators=[cci_30]"], "closing prices only"),
        (["data.risk=null", "env.turbulence_threshold=100"], "set data.risk"),
        (["data.sentiment=null", "env.sentiment=true"], "'macd', 'boll_ub'"),
        (["env.episode_days=1"], "env.episode_days: must be at least 2, got 1"),
        (["+data.sentiment.lagg=1"], "did you mean data.sentiment.lag?"),
        (["data.sentiment.lag=-1"], "data.sentiment.lag: must be at least 0, got -1"),
        (["data=processed_csv"], "processed_data_with_features.csv"),
        (["agent=ars", "network=attention"], "sb3_contrib.ARS takes no features extractor"),
        (["network.d_model=8"], "Key 'd_model' is not in struct"),
        (["env.window=0"], "env.window: must be at least 1, got 0"),
        (["network._target_=os.system"], "os.system is not in a package"),
        (["tracking.uri=file:./mlruns"], "tracking.uri"),
        (["agent.device=cuda:99"], "agent.device: cuda:99: "),
        (["agent=erl_sac", "agent.device=warp"], "agent.device: warp: no device of this machine"),
        (["env.turbulence_threshold=1"], "nothing could ever be bought; 99.0 % of the training"),
    ],
)
def test_a_wrong_setting(
    arguments: list[str], said: str, warm: WarmProcess, tmp_path: Path
) -> None:
    done = warm.run(tmp_path, "finai_rl.train", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not list(tmp_path.rglob("mlflow.db"))
    assert not list(tmp_path.rglob("progress.csv"))


def test_a_bad_file(command: Command, tmp_path: Path) -> None:
    file = write_processed_csv(tmp_path / "mine.csv", n_days=30)
    rows = pd.read_csv(file, index_col=0)
    rows.iloc[7, rows.columns.get_loc("close")] = 0.0
    rows.iloc[[i for i in range(len(rows)) if i != 4]].to_csv(file)
    done = command("finai_rl.train", "data=processed_csv", "data.path=mine.csv", expect=1)
    assert "mine.csv cannot be used as it is" in done.stderr
    assert "column close: 1 row not positive: line 8 (0.0)" in done.stderr
    assert "lacks 'BBB'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("mlflow.db"))


@pytest.mark.slow
def test_a_folder_that_another_run_has_stays_as_it_is(forked: Command, tmp_path: Path) -> None:
    tiny = ("agent=a2c", "debug=fast", "total_timesteps=64", "env.n_envs=1", "tracking=none")
    forked("finai_rl.train", *tiny, "hydra.run.dir=one")
    before = {file: file.read_bytes() for file in (tmp_path / "one").rglob("*") if file.is_file()}
    again = ("agent.gamma=0.5", "hydra.run.dir=one")
    done = forked("finai_rl.train", *tiny, *again, expect=1)
    assert "hydra.run.dir: one belongs to another run" in done.stderr
    assert {file: file.read_bytes() for file in before} == before
    grid = ("-m", "hydra.sweep.dir=several")
    forked("finai_rl.train", *tiny, *grid, "seed=0,1")
    before = {file: file.read_bytes() for file in (tmp_path / "several").rglob("*.json")}
    done = forked("finai_rl.train", *tiny, *grid, "agent.gamma=0.5,0.9", expect=1)
    assert "hydra.sweep.dir: several belongs to another run" in done.stderr
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("output_root='caf\udce9'", "output_root: 'caf\\udce9' is no text of UTF-8"),
        (f"hydra.job.name={'x' * 300}", "hydra.job.name: a name of 300 bytes, at most 251"),
        (f"output_root={'y' * 300}", "output_root: a name of 300 bytes"),
    ],
)
def test_names_that_no_file_can_have_are_refused(setting: str, said: str, command: Command) -> None:
    done = command("finai_rl.train", "agent=a2c", "debug=fast", setting, expect=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr

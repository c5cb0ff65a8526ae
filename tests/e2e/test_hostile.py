"""Secrets, exchanged models and tickers from elsewhere, through whole commands."""

from __future__ import annotations

import re
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from stable_baselines3 import A2C

from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.conftest import Command
from tests.markets import generated_market

QUICK = ("random_agents=0", "baselines=[cash]", "cost_multipliers=[1]", "permutations=2")
TINY = ("agent=a2c", "debug=fast", "total_timesteps=64", "env.n_envs=1", "checkpoint_every=null")
TICKERS = [
    "<script>alert(1)</script>",
    "=1+1",
    "+A",
    "-B",
    "@C",
    "../x",
    "a/b",
    "$x_1$",
    '"q"',
    "{{7*7}}",
]
SECRETS = ("Pl4nted-uri", "Pl4nted/sl@sh", "Pl4nted-query", "Pl4nted-variable", "Pl4nted-key")


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    days, rng = pd.bdate_range("2019-01-01", periods=200), np.random.default_rng(0)
    close = 50 * np.exp(rng.normal(0, 0.02, (len(days), len(TICKERS))).cumsum(axis=0))
    rows = {
        "date": np.repeat(days.strftime("%Y-%m-%d"), len(TICKERS)),
        "tic": TICKERS * len(days),
        "close": close.ravel().round(4),
        "macd<b>": rng.normal(size=close.size),
    }
    file = tmp_path / "world.csv"
    pd.DataFrame(rows).to_csv(file, index=False)
    return file


@pytest.mark.slow
@pytest.mark.usefixtures("prices")
def test_tickers_from_elsewhere_are_text_everywhere(
    forked: Command, store: str, tmp_path: Path
) -> None:
    forked("finai_rl.train", *TINY, "data=processed_csv", "data.path=world.csv")
    mlflow.set_tracking_uri(store)
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    done = forked("finai_rl.evaluate", f"run_id={run.info.run_id}", *QUICK)
    assert "\x1b" not in done.stdout
    pages = list(tmp_path.rglob("*.html"))
    assert pages
    for page in pages:
        text = page.read_text()
        assert "<script" not in text
        assert "macd<b>" not in text
        assert "&lt;script&gt;alert(1)" in text
    holdings = next((tmp_path / "outputs" / "evaluate").rglob("holdings.csv"))
    names = list(pd.read_csv(holdings, index_col=0).columns)
    assert [name.removeprefix("'") for name in names] == sorted(TICKERS)
    assert not [name for name in names if name.startswith(("=", "+", "-", "@"))]
    assert not (tmp_path.parent / "x").exists()

    # Another run's model in place of its own, then half of it, then none.
    (model,) = (tmp_path / "outputs" / "mlartifacts").rglob("model.zip")
    env = StockTradingVecEnv(generated_market(n_days=6, n_stocks=2), n_envs=1)
    A2C("MlpPolicy", env).save(model)
    asked = ("finai_rl.evaluate", f"run_id={run.info.run_id}", *QUICK)
    for said in ("is another file than was saved", "is another file than was saved", "is empty"):
        told = forked(*asked, expect=1).stderr
        assert f"run {run.info.run_id}" in told
        assert "artifacts/model.zip" in told
        assert said in told
        assert "Traceback" not in told
        model.write_bytes(
            b"" if said.endswith("saved") and model.stat().st_size < 200 else b"x" * 99
        )


@pytest.mark.slow
def test_secrets_are_nowhere_after_a_run(forked: Command, store: str, tmp_path: Path) -> None:
    planted = (
        "+hydra.job.env_set.OWN_API_KEY=Pl4nted-key",
        '+hydra.sweeper.storage="postgresql://bob:Pl4nted-uri@db/o?password=Pl4nted-query"',
    )
    forked(
        "finai_rl.train",
        *(*TINY, "data.start=2012-01-01", "data.tickers=[AAPL,JPM,XOM]", *planted),
        MLFLOW_TRACKING_PASSWORD="Pl4nted-variable",
        AWS_SECRET_ACCESS_KEY="Pl4nted-variable",
    )
    assert_nowhere(tmp_path)


@pytest.mark.parametrize(
    "uri",
    [
        "http://bob:Pl4nted-uri@localhost:1",
        "http://bob:Pl4nted/sl@sh@localhost:1",
        "http://localhost:1?token=Pl4nted-query",
    ],
)
def test_secrets_are_nowhere_after_a_failure(uri: str, forked: Command, tmp_path: Path) -> None:
    patience = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}
    done = forked("finai_rl.train", *TINY, f'tracking.uri="{uri}"', expect=1, **patience)
    assert "cannot be used" in done.stderr or "is no address" in done.stderr
    assert_nowhere(tmp_path, done.stdout + done.stderr)


def assert_nowhere(folder: Path, *texts: str) -> None:
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.name == "overrides.yaml" for file in files)
    contents = {str(file): file.read_bytes() for file in files}
    contents |= {f"text {number}": text.encode() for number, text in enumerate(texts)}
    found = {
        name: secret
        for name, content in contents.items()
        for secret in SECRETS
        if re.search(re.escape(secret.encode()), content)
    }
    assert not found


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "hydra: {callbacks: {x: {_target_: evil.Evil}}}",
        "trusted_packages: [evil]\ncallbacks: [{_target_: evil.Evil}]",
        "trusted_packages: [evil]\ncallbacks: [{_target_: evil.Evil}]\n"
        "hydra: {overrides: {task: ['trusted_packages=[evil]']}}",
        "hydra: {job: {env_set: {PATH: /tmp/evil}}}",
    ],
)
def test_a_file_from_elsewhere_runs_no_code_by_any_command(
    text: str, forked: Command, tmp_path: Path
) -> None:
    preset = tmp_path / "theirs" / "experiment" / "nice.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text(f"# @package _global_\n{text}\n")
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\n")
    chosen = ("--config-dir", "theirs", "experiment=nice", *TINY, "data=synthetic", "tracking=none")
    for several in ((), ("-m", "seed=0,1")):
        done = forked("finai_rl.train", *chosen, *several, expect=1)
        assert "The configuration cannot be used" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "mark").exists()


@pytest.mark.slow
def test_secrets_of_a_setting_that_is_a_list_are_nowhere_after_a_search(
    forked: Command, store: str, tmp_path: Path
) -> None:
    (tmp_path / "my_callback.py").write_text(
        "from stable_baselines3.common.callbacks import BaseCallback\n"
        "class Notify(BaseCallback):\n"
        "    def __init__(self, password, token, pin):\n"
        "        super().__init__()\n"
        "    def _on_step(self):\n"
        "        return True\n"
    )
    named = "password: Pl4nted-password, token: Pl4n, pin: 1"
    typed = f"callbacks=[{{_target_: my_callback.Notify, {named}}}]"
    search = ("-m", "hydra/sweeper=study", "hydra.sweeper.n_trials=1", "agent.gamma=choice(0.9)")
    several = ("trusted_packages=[my_callback]", "data=synthetic", "data.n_days=80")
    forked("finai_rl.train", *search, *TINY, *several, typed)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"Pl4nted-password" not in content, file
            assert b"token: Pl4n" not in content, file

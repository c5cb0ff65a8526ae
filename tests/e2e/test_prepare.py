"""From raw prices to a trained agent, as a user types it."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.data import load_processed_csv
from finai_rl.data.sources.yahoo import load_yahoo
from tests.conftest import Command
from tests.data.raw_panels import raw_panel
from tests.data.sources.yahoo_answers import Yahoo, answering, chart

OUTPUT = Path("data/processed/processed_data_with_features.csv")


def manifest_of(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"{file}.manifest.json").read_text())
    return found


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.slow
def test_prepare_then_train_with_the_command_it_names(
    command: Command, forked: Command, tmp_path: Path
) -> None:
    raw = raw_panel(400, 3)
    raw.to_csv(tmp_path / "prices.csv", index=False)
    vix = raw.groupby("date", as_index=False)["close"].mean()
    vix[vix.index != 300].to_csv(tmp_path / "vix.csv", index=False)
    (tmp_path / "my_features.py").write_text(
        "def momentum(frame, days):\n"
        "    return frame['close'].pct_change(days).rename(f'momentum_{days}')\n"
    )
    done = command(
        "finai_rl.prepare",
        "raw.path=prices.csv",
        "market_series={vix: vix.csv}",
        "features={_target_: my_features.momentum, days: 20}",
        "trusted_packages=[my_features]",
    )
    file = tmp_path / OUTPUT
    manifest = manifest_of(file)
    assert manifest["output"]["sha256"] == sha256(file)
    assert manifest["inputs"]["raw"]["sha256"] == sha256(tmp_path / "prices.csv")
    assert manifest["inputs"]["market_series.vix"]["sha256"] == sha256(tmp_path / "vix.csv")
    assert manifest["output"]["features"][-1] == "momentum_20"
    assert manifest["output"]["rows"] == 3 * manifest["output"]["dates"] == 3 * 147
    assert [change["step"] for change in manifest["changes"]] == ["joined", "filled", "dropped"]
    assert manifest["settings"]["turbulence"] == 252
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("Next: "))
    _, _, module, *arguments = shlex.split(line.removeprefix("Next: "))
    quick = ["total_timesteps=200", "agent=a2c", "tracking=none", "env.turbulence_threshold=50"]
    forked(module, *arguments, *quick)


@pytest.mark.slow
def test_a_prepared_file_loads_with_every_column_that_it_has(
    forked: Command, tmp_path: Path
) -> None:
    """T1 has no row on the 61st and 62nd date, and T2 a row without trade on the 71st."""
    raw = raw_panel(90, 3)
    raw.loc[212, "volume"] = 0
    raw.drop(index=[181, 184]).to_csv(tmp_path / "prices.csv", index=False)
    settings = ["raw.on_missing=forward_fill", "indicators=[macd,rsi_14]", "turbulence=20"]
    done = forked("finai_rl.prepare", "raw.path=prices.csv", *settings)
    data = load_processed_csv(
        str(tmp_path / OUTPUT),
        indicators=["high", "low", "macd", "rsi_14"],
        risk="turbulence",
        open="open",
        volume="volume",
    )
    changes = manifest_of(tmp_path / OUTPUT)["changes"]
    assert [change["step"] for change in changes] == ["adjusted", "filled", "dropped"]
    assert changes[0]["what"] == "volume of 1 row"
    assert changes[1]["what"] == "2 of 270 rows and 0 cells"
    for change in changes:
        assert change["why"] in done.stdout
    days = dict(zip(data.day_names, range(data.n_days), strict=True))
    dates = raw["date"].unique()
    assert data.volume is not None
    assert np.argwhere(data.volume == 1).tolist() == [
        [days[dates[60]], 1],
        [days[dates[61]], 1],
        [days[dates[70]], 2],
    ]


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(
    command: Command, forked: Command, tmp_path: Path
) -> None:
    raw_panel(90, 2).to_csv(tmp_path / "prices.csv", index=False)
    settings = ["raw.path=prices.csv", "turbulence=null", "indicators=[macd,rsi_14]"]
    for name in ("one.csv", "one.parquet"):
        hashes = set()
        for overwrite, run in (("false", forked), ("true", command)):
            run("finai_rl.prepare", *settings, f"output={name}", f"overwrite={overwrite}")
            hashes.add(sha256(tmp_path / name))
            assert manifest_of(tmp_path / name)["output"]["sha256"] in hashes
        assert len(hashes) == 1
    assert not list(tmp_path.glob(".*partial*"))


@pytest.mark.slow
def test_a_download_that_was_kept_trains_without_a_network(forked: Command, tmp_path: Path) -> None:
    pytest.importorskip("yfinance")
    days = pd.bdate_range("2015-01-02", "2018-12-28")
    charts = {name: chart(days, seed=seed) for seed, name in enumerate(["AAPL", "JPM"])}
    asked: dict[str, Any] = {"tickers": ["AAPL", "JPM"], "start": "2015-01-02", "end": "2018-12-28"}
    with answering(Yahoo(charts), tmp_path):
        load_yahoo(**asked, folder=str(tmp_path / "data" / "yahoo"))
    words = [
        "data.tickers=[AAPL,JPM]",
        *(f"data.{name}={asked[name]}" for name in ("start", "end")),
    ]
    quick = ["total_timesteps=200", "agent=a2c", "tracking=none"]
    done = forked("finai_rl.train", "data=yahoo", *words, *quick)
    assert "no network is needed" in done.stdout
    assert "survivors" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "raw.path: must be given"),
        (["raw.path=no.csv"], "no such file"),
        (["raw.path=prices.csv", "output=prices.csv", "overwrite=true"], "never overwritten"),
        (["raw.path=prices.csv", "output=there.csv"], "set overwrite=true to replace it"),
        (["raw.path=prices.csv", "output=out.xlsx"], "must end in .csv or .parquet"),
        (["raw.path=prices.csv", "raw.on_missing=fill"], "raw.on_missing: must be error or"),
        (["raw.path=prices.csv"], "turbulence needs 253"),
        (["raw.path=prices.csv", "features={_target_: os.listdir}"], "os.listdir is not in a"),
        (["raw.path=prices.csv", "market_series={vix: no.csv}"], "no.csv"),
    ],
)
def test_what_cannot_be_used(
    arguments: list[str], said: str, forked: Command, tmp_path: Path
) -> None:
    raw_panel(70, 2).to_csv(tmp_path / "prices.csv", index=False)
    (tmp_path / "there.csv").write_text("mine")
    done = forked("finai_rl.prepare", *arguments, expect=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert not list(tmp_path.rglob("*.manifest.json"))

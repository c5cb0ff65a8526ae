"""The leakage checks on the command line: exit status, message, report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.leakage.panels import LEAKS, rows, with_column

QUICK = ["days=1", "env.n_envs=2"]


def reports(folder: Path) -> list[Path]:
    return sorted(folder.rglob("verify.json"))


@pytest.mark.slow
def test_a_clean_file_and_a_leaking_one(command: Command, forked: Command, tmp_path: Path) -> None:
    table = rows(n_days=150)
    table.to_csv(tmp_path / "clean.csv", index=False)
    with_column(table, "tomorrow", LEAKS["tomorrow"][0]).to_csv(tmp_path / "bad.csv", index=False)
    done = command("finai_rl.verify", "data=processed_csv", "data.path=clean.csv", *QUICK)
    assert "LEAK" not in done.stdout
    (report,) = reports(tmp_path)
    written = json.loads(report.read_text())
    assert written["source"] == "clean.csv"
    assert {finding["verdict"] for finding in written["findings"]} == {"passed"}
    assert "| knows later returns |" in report.with_suffix(".md").read_text()
    done = forked("finai_rl.verify", "data=processed_csv", "data.path=bad.csv", *QUICK, expect=1)
    assert "bad.csv leaks" in done.stderr
    assert "tomorrow" in done.stderr
    assert "LEAK" in done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    assert len(reports(tmp_path)) == 2
    assert not list(tmp_path.rglob("mlflow.db"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["information.threshold=2"], "information.threshold: must lie between 0 and 1, got 2"),
        (["data=processed_csv", "data.path=nowhere.csv"], "nowhere.csv cannot be used as it is"),
        (["data._target_=os.listdir"], "os.listdir is not in a package"),
    ],
)
def test_wrong_input(arguments: list[str], said: str, forked: Command, tmp_path: Path) -> None:
    done = forked("finai_rl.verify", *arguments, expect=1)
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not reports(tmp_path)


@pytest.mark.slow
def test_gates_that_train(forked: Command, tmp_path: Path) -> None:
    market = ["data=synthetic", "data.kind=momentum", "data.n_days=2500", "env=portfolio"]
    forked("finai_rl.verify", *market, "gates=true", "total_timesteps=100_000", "days=1")
    findings = json.loads(reports(tmp_path)[0].read_text())["findings"]
    ended = {finding["check"]: finding["verdict"] for finding in findings}
    assert ended["gate: oracle"] == "passed"
    assert ended["gate: shuffled features"] == "passed"
    assert ended["another future, agent"] == "passed"

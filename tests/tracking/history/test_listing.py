"""The runs of an experiment at a glance, and what can be done next."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from finai_rl import runs
from finai_rl.tracking import COUNTED_TAG
from finai_rl.tracking.history.listing import DEAD, commands, listed, waiting_below
from finai_rl.tracking.journal.file import Journal
from finai_rl.tracking.lifecycle import process_tags


@pytest.fixture
def four_runs(open_tracker, client, tmp_path: Path) -> dict[str, str]:
    ids = {}
    with open_tracker(run_name="good", tags={"agent": "a2c", COUNTED_TAG: "true"}) as tracker:
        tracker.log_metrics({"objective": 0.71234}, 8)
    ids["good"] = tracker.run_id
    failed = open_tracker(run_name="bad", tags={"agent": "ppo"})
    failed.journal_in(tmp_path / "a run")
    with pytest.raises(ValueError, match="no price"), failed:
        raise ValueError("no price")
    ids["bad"] = failed.run_id
    experiment = client.get_run(failed.run_id).info.experiment_id
    dead = {**process_tags(), "process_start": "before", "run_folder": str(tmp_path)}
    ids["dead"] = client.create_run(experiment, run_name="dead", tags=dead).info.run_id
    record = tmp_path / "a run" / "resume" / "run.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    ids["alive"] = client.create_run(experiment, run_name="alive", tags=process_tags()).info.run_id
    return ids


def test_each_run_has_its_status_and_its_next_step(store, experiment, four_runs, tmp_path) -> None:
    rows = {row.name: row for row in listed(store, experiment, 20)}
    assert {name: row.run_id for name, row in rows.items()} == four_runs
    assert rows["good"].status == "FINISHED"
    assert (rows["good"].agent, rows["good"].objective) == ("a2c", "0.7123")
    assert rows["good"].next_step() == f"python -m finai_rl.evaluate run_id={four_runs['good']}"
    told = f"python -m finai_rl.evaluate run_id={four_runs['good']} 'tracking.uri=a store.db'"
    assert rows["good"].next_step("a store.db") == told
    assert rows["bad"].status == "FAILED (ValueError: no price)"
    assert rows["bad"].next_step() == f"python -m finai_rl.train 'resume={tmp_path}/a run'"
    assert rows["dead"].status == DEAD
    # It has written no checkpoint.
    assert rows["dead"].next_step() is None
    assert rows["alive"].next_step() is None
    assert len(listed(store, experiment, 2)) == 2


def test_what_was_not_sent_is_found(tmp_path: Path) -> None:
    assert waiting_below(tmp_path) == []
    journal = Journal(tmp_path / "a run")
    journal.append({"do": "metrics", "values": {"a": 1.0}, "step": 1})
    told = f"python -m finai_rl.sync '{tmp_path}/a run'   # not sent: 1 metric value"
    assert waiting_below(tmp_path) == [told]
    assert commands([], [told], "sqlite:///x.db", "x") == ["Next:", told]


def test_the_command_prints_runs_and_next_steps(
    store, experiment, four_runs, tmp_path, capsys, monkeypatch
) -> None:
    asked = ["runs", "--uri", store, "--experiment", experiment, "--output-root", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", asked)
    runs.main()
    said = capsys.readouterr().out
    for name, run_id in four_runs.items():
        assert name in said
        assert run_id in said
    assert f"finai_rl.evaluate run_id={four_runs['good']}" in said
    monkeypatch.setattr(sys, "argv", [*asked[:4], "nothing here"])
    with pytest.raises(SystemExit, match="has no 'nothing here'"):
        runs.main()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--last", "0"], "--last: must be a whole number of at least 1, got '0'"),
        (["--uri", "sqlite:///nowhere/x.db"], "nowhere/x.db; name the store"),
        (["--output-root", "nope"], "nope/mlflow.db; name the store"),
    ],
)
def test_what_is_not_there_is_refused_and_not_made(
    asked: list[str], said: str, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["runs", *asked])
    with pytest.raises(SystemExit) as ended:
        runs.main()
    assert said in f"{ended.value}{capsys.readouterr().err}"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", ["runs", "sync"])
def test_the_command_imports_nothing_heavy_before_it_is_asked(module: str) -> None:
    code = (
        f"import sys, finai_rl.{module}; print({{'mlflow', 'torch', 'pandas'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

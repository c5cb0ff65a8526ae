"""A store that is away for a while, or for good, costs a run nothing."""

from __future__ import annotations

import errno
import math
import socket

import pytest

from finai_rl.errors import InputError
from finai_rl.sync import sync
from finai_rl.tracking import COUNTED_TAG, TrackingError
from finai_rl.tracking.history.trainings import count_trials
from finai_rl.tracking.journal.catching_up import catch_up, journals_below
from finai_rl.tracking.journal.file import Journal


def log_everything(tracker, folder, market) -> None:
    tracker.log_config({"agent": {"lr": 0.1}}, ["agent.lr=0.1"])
    tracker.set_tags({COUNTED_TAG: "true"})
    tracker.log_dataset(market, "training")
    for step in range(100):
        tracker.log_metrics({"train/loss": step / 2, "nan": math.nan}, step)
    (folder / "backtest").mkdir(parents=True, exist_ok=True)
    (folder / "backtest" / "returns.csv").write_text("date,agent\n")
    tracker.log_artifacts(folder / "backtest", "backtest")


def assert_everything_is_there(client, run_id, status="FINISHED") -> None:
    run = client.get_run(run_id)
    assert run.info.status == status
    assert run.data.params == {"agent.lr": "0.1"}
    assert run.data.tags[COUNTED_TAG] == "true"
    assert len(run.inputs.dataset_inputs) == 1
    for key in ("train/loss", "nan"):
        steps = [point.step for point in client.get_metric_history(run_id, key)]
        assert steps == list(range(100))
    paths = {entry.path for entry in client.list_artifacts(run_id)}
    assert {"backtest", "config"} <= paths
    assert [e.path for e in client.list_artifacts(run_id, "backtest")] == ["backtest/returns.csv"]


def test_a_store_that_comes_back_has_everything(
    open_tracker, client, outage, tmp_path, market
) -> None:
    tracker = open_tracker()
    tracker.journal_in(tmp_path)
    with tracker:
        outage.is_on = True
        log_everything(tracker, tmp_path, market)
        tracker.flush()
        assert client.get_run(tracker.run_id).data.metrics == {}
        outage.is_on = False
    assert_everything_is_there(client, tracker.run_id)


def test_what_a_store_that_stays_away_lacks_is_told_and_sent_later(
    open_tracker, client, outage, tmp_path, market, caplog, capsys
) -> None:
    tracker = open_tracker()
    tracker.journal_in(tmp_path / "run")
    with tracker:
        outage.is_on = True
        log_everything(tracker, tmp_path / "run", market)
    told = [record.message for record in caplog.records if "finai_rl.sync" in record.message]
    assert len(told) == 1
    assert "200 metric values" in told[0]
    assert "the status FINISHED" in told[0]
    assert f"python -m finai_rl.sync {tmp_path}/run" in told[0]
    run = client.get_run(tracker.run_id)
    assert (run.info.status, COUNTED_TAG in run.data.tags) == ("RUNNING", False)
    outage.is_on = False
    for _ in range(2):  # To send again changes nothing.
        assert sync(tmp_path)
        assert_everything_is_there(client, tracker.run_id)
    assert count_trials(client, run.info.experiment_id) == 1
    said = capsys.readouterr().out
    assert "sent 200 metric values" in said.splitlines()[0]
    assert "nothing was missing" in said.splitlines()[1]


def test_what_neither_store_nor_folder_took_is_told_as_lost(
    open_tracker, client, outage, tmp_path, monkeypatch, caplog
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    tracker = open_tracker()
    tracker.journal_in(tmp_path / "run")
    with tracker:
        outage.is_on = True
        tracker.log_metrics({"train/loss": 1.0}, 0)
        tracker.flush()
        monkeypatch.setattr(Journal, "append", full)
        tracker.log_metrics({"train/loss": 2.0}, 1)
        tracker.flush()
    told = [r.message for r in caplog.records if "finai_rl.sync" in r.message]
    assert len(told) == 1
    assert "did not take 1 metric value, " in told[0]
    (lost,) = [r.message for r in caplog.records if r.message.startswith("Lost")]
    assert lost.endswith("could be written: 1 metric value, the status FINISHED")


def test_nothing_is_doubled_where_the_mark_of_what_arrived_is_lost(
    open_tracker, client, tmp_path, market
) -> None:
    tracker = open_tracker()
    tracker.journal_in(tmp_path)
    with tracker:
        log_everything(tracker, tmp_path, market)
    (tmp_path / "tracking" / "delivered").unlink()
    catch_up(journals_below(tmp_path))
    assert_everything_is_there(client, tracker.run_id)


def test_a_run_without_a_store_is_made_when_it_answers(
    open_tracker, client, outage, tmp_path, market, caplog
) -> None:
    outage.is_on = True
    tracker = open_tracker(on_outage="buffer", run_name="first")
    tracker.journal_in(tmp_path)
    with tracker:
        log_everything(tracker, tmp_path, market)
        assert tracker.run_id is None
        outage.is_on = False
    assert_everything_is_there(client, tracker.run_id)
    assert client.get_run(tracker.run_id).info.run_name == "first"
    assert "training goes on without MLflow" in caplog.text


def test_runs_of_a_sweep_without_a_store_are_nested_when_they_are_sent(
    open_tracker, client, outage, tmp_path
) -> None:
    outage.is_on = True
    for folder in (tmp_path, tmp_path / "trial_0", tmp_path / "trial_0" / "seed_1"):
        tracker = open_tracker(on_outage="buffer")
        tracker.journal_in(folder)
        with tracker:
            tracker.set_tags({"a": "b"})
    outage.is_on = False
    parent, trial, seed = (sent.run_id for sent in catch_up(journals_below(tmp_path)))
    assert client.get_run(trial).data.tags["mlflow.parentRunId"] == parent
    assert client.get_run(seed).data.tags["mlflow.parentRunId"] == trial


def test_a_trial_that_is_begun_when_the_store_is_back_is_nested(
    open_tracker, client, outage, tmp_path
) -> None:
    outage.is_on = True
    parent = open_tracker(on_outage="buffer")
    parent.journal_in(tmp_path)
    with parent:
        parent.set_tags({"a": "b"})
        outage.is_on = False
        parent.flush()
        trial = open_tracker(on_outage="buffer")
        trial.journal_in(tmp_path / "trial_0")
        with trial:
            trial.set_tags({"a": "b"})
    assert parent.run_id is not None
    assert client.get_run(trial.run_id).data.tags["mlflow.parentRunId"] == parent.run_id
    # A run in a folder of its own is below none.
    other = open_tracker()
    other.journal_in(tmp_path / "trial_0" / "further" / "own")
    with other:
        pass
    assert "mlflow.parentRunId" not in client.get_run(other.run_id).data.tags


def test_a_start_without_a_store_is_refused_and_leaves_no_journal(
    open_tracker, outage, tmp_path
) -> None:
    outage.is_on = True
    tracker = open_tracker()
    tracker.journal_in(tmp_path)
    with pytest.raises(TrackingError, match="cannot be used"), tracker:
        pytest.fail("the run must not start")
    assert journals_below(tmp_path) == []


def test_a_run_whose_process_was_killed_is_sent_and_closed(open_tracker, client, tmp_path) -> None:
    with open_tracker() as other:
        experiment = client.get_run(other.run_id).info.experiment_id
    name = client.get_experiment(experiment).name
    dead = {"host": "", "pid": "1", "process_start": "before the flood"}
    journal = Journal(tmp_path)
    address = {"uri": other._store.uri, "experiment": name}
    tags = dead | {"host": socket.gethostname(), "journal": "0123"}
    journal.append({"do": "run", **address, "name": "x", "tags": tags, "parent": None, "time": 9})
    journal.append({"do": "metrics", "step": 1, "values": {"a": 1.0}, "time": 10})
    with journal.file.open("ab") as file:
        file.write(b'{"do":"metrics","ste')
    (sent,) = catch_up(journals_below(tmp_path))
    run = client.get_run(sent.run_id)
    assert (run.info.status, run.data.tags["killed"]) == ("KILLED", "process is gone")
    assert run.data.metrics == {"a": 1.0}
    assert run.info.start_time == 9


def test_one_that_cannot_be_sent_keeps_no_other_from_it(
    open_tracker, client, outage, tmp_path, capsys
) -> None:
    for name in ("a", "b"):
        tracker = open_tracker()
        tracker.journal_in(tmp_path / name)
        with tracker:
            outage.is_on = True
            tracker.set_tags({"kept": "yes"})
        outage.is_on = False
    gone = tmp_path / "gone.db"
    file = Journal(tmp_path / "a").file
    address = Journal(tmp_path / "a").address
    assert address is not None
    file.write_text(file.read_text().replace(address["uri"], f"sqlite:///{gone}"))
    with pytest.raises(InputError, match=rf"{tmp_path / 'a'}: .*there is no file {gone}"):
        sync(tmp_path)
    assert "sent" in capsys.readouterr().out
    assert client.get_run(tracker.run_id).data.tags["kept"] == "yes"
    assert not gone.exists()


def test_a_folder_without_a_journal_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="holds no journal"):
        sync(tmp_path)

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from finai_rl.tracking.lifecycle import _process_start, is_gone, process_tags, silent_for
from finai_rl.tracking.signals import sigterm_raises
from finai_rl.tracking.store import MLflowStore

RUN = """
import sys, time
from finai_rl.tracking import MLflowTracker
with MLflowTracker(sys.argv[1], sys.argv[2]) as tracker:
    tracker.log_metrics({"a": 1.0}, 1)
    print(tracker.run_id, flush=True)
    time.sleep(60)
"""


def interrupted_run(store: str, experiment: str, number: signal.Signals) -> tuple[str, int]:
    command = [sys.executable, "-c", RUN, store, experiment]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            run_id = process.stdout.readline().strip()
            process.send_signal(number)
            return run_id, process.wait(timeout=30)
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "reason", "exit_code"),
    [(signal.SIGTERM, "SIGTERM", 143), (signal.SIGINT, "KeyboardInterrupt", -signal.SIGINT)],
)
def test_an_interrupted_process_closes_its_run(
    open_tracker, client, store, experiment, number, reason, exit_code
) -> None:
    with open_tracker():  # The database exists before the process looks for it.
        pass
    run_id, code = interrupted_run(store, experiment, number)
    run = client.get_run(run_id)
    assert code == exit_code
    assert run.info.status == "KILLED"
    assert run.data.tags["killed"] == reason
    assert run.data.metrics == {"a": 1.0}


@pytest.mark.slow
def test_the_next_run_closes_the_run_of_a_process_that_was_killed(
    open_tracker, client, store, experiment, caplog
) -> None:
    with open_tracker() as alive:
        run_id, _ = interrupted_run(store, experiment, signal.SIGKILL)
        assert client.get_run(run_id).info.status == "RUNNING"
        with open_tracker():
            assert client.get_run(alive.run_id).info.status == "RUNNING"
    run = client.get_run(run_id)
    assert run.info.status == "KILLED"
    assert run.data.tags["killed"] == "process is gone"
    assert run_id in caplog.text


def test_runs_of_other_hosts_and_other_experiments_are_left_open(
    open_tracker, client, store
) -> None:
    dead = process_tags() | {"process_start": "before the flood"}
    with open_tracker(tags={"host": "another-host", "process_start": "x"}) as elsewhere:
        other = client.create_run(client.create_experiment("other"), tags=dead)
        unmarked = client.create_run(
            client.get_run(elsewhere.run_id).info.experiment_id, tags={"host": socket.gethostname()}
        )
        with open_tracker():
            pass
        for run_id in (elsewhere.run_id, other.info.run_id, unmarked.info.run_id):
            assert client.get_run(run_id).info.status == "RUNNING"


def test_a_reused_process_number_is_not_the_same_process() -> None:
    mine = process_tags()
    assert mine["pid"] == str(os.getpid())
    assert not is_gone(mine)
    assert is_gone(mine | {"process_start": mine["process_start"] + "0"})


def test_an_ended_process_is_gone() -> None:
    process = subprocess.Popen(["sleep", "60"])
    start = _process_start(process.pid)
    tags = {"pid": str(process.pid), "process_start": start}
    assert start != process_tags()["process_start"]
    assert not is_gone(tags)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(tags)  # Dead, though its parent has not asked yet.
    process.wait()
    assert is_gone(tags)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"pid": "x", "process_start": "1"},
        {"pid": "1"},
        {"pid": "1", "process_start": "1", "host": "another-host"},
    ],
)
def test_a_process_that_cannot_be_judged_counts_as_alive(tags) -> None:
    assert not is_gone(tags)


def test_sigterm_raises_inside_and_is_restored_after() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with pytest.raises(SystemExit) as caught, sigterm_raises():
            signal.raise_signal(signal.SIGTERM)
        assert caught.value.code == 143
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_run_outside_the_main_thread_installs_no_handler(open_tracker, client) -> None:
    handlers, runs = [], []

    def work() -> None:
        with open_tracker() as tracker:
            handlers.append(signal.getsignal(signal.SIGTERM))
            runs.append(tracker.run_id)

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before]
    assert client.get_run(runs[0]).info.status == "FINISHED"


@pytest.mark.slow
def test_four_processes_can_open_a_store_that_does_not_exist_yet(tmp_path) -> None:
    code = (
        "import sys; from finai_rl.tracking import MLflowTracker\n"
        "with MLflowTracker(sys.argv[1], 'x'): pass"
    )
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, uri], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiments = [client.get_experiment_by_name("x").experiment_id]
    assert [run.info.status for run in client.search_runs(experiments)] == ["FINISHED"] * 4


def test_a_run_of_another_host_is_closed_when_it_gives_no_sign_of_life(
    open_tracker, client
) -> None:
    with open_tracker(heartbeat_minutes=7) as tracker:
        own = client.get_run(tracker.run_id)
    assert own.data.tags["heartbeat.minutes"] == "7"
    assert abs(int(own.data.tags["heartbeat"]) - time.time()) < 60
    elsewhere = {"host": "another-host", "pid": "1", "process_start": "x", "heartbeat.minutes": "7"}
    ages = {"alive": 6 * 60, "dead": 8 * 60}
    runs = {
        name: client.create_run(
            own.info.experiment_id, tags={**elsewhere, "heartbeat": str(int(time.time()) - age)}
        ).info.run_id
        for name, age in ages.items()
    }
    with open_tracker(heartbeat_minutes=None) as tracker:
        assert "heartbeat" not in client.get_run(tracker.run_id).data.tags
    assert client.get_run(runs["alive"]).info.status == "RUNNING"
    dead = client.get_run(runs["dead"])
    assert dead.info.status == "KILLED"
    assert dead.data.tags["killed"] == "no sign of life from another-host for 8 minutes"


def test_a_run_that_was_taken_for_dead_by_mistake_goes_on(open_tracker, client) -> None:
    with open_tracker() as tracker:
        client.set_tag(tracker.run_id, "killed", "no sign of life")
        client.set_tag(tracker.run_id, "heartbeat", "1")
        client.set_terminated(tracker.run_id, "KILLED")
        tracker._record._give_sign_of_life()
        run = client.get_run(tracker.run_id)
        assert run.info.status == "RUNNING"
        assert int(run.data.tags["heartbeat"]) > 1
        client.set_tag(tracker.run_id, "killed", "no sign of life")
    run = client.get_run(tracker.run_id)
    assert (run.info.status, run.data.tags.get("killed")) == ("FINISHED", None)


@pytest.mark.parametrize(
    ("number", "error", "reason"),
    [
        (signal.SIGTERM, SystemExit, "SIGTERM"),
        (signal.SIGINT, KeyboardInterrupt, "KeyboardInterrupt"),
    ],
)
def test_a_signal_while_a_run_is_being_opened_closes_it(
    open_tracker, client, monkeypatch, number, error, reason
) -> None:
    opened, open_run = [], MLflowStore.open_run

    def signalled(store: MLflowStore, *args: object) -> str:
        opened.append(open_run(store, *args))
        os.kill(os.getpid(), number)
        return opened[0]

    monkeypatch.setattr(MLflowStore, "open_run", signalled)
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(error), open_tracker():
        pytest.fail("the run must not start")
    run = client.get_run(opened[0])
    assert (run.info.status, run.data.tags["killed"]) == ("KILLED", reason)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_a_process_of_another_container_is_judged_by_its_signs_of_life() -> None:
    """Containers of one host may share its name and see no process of one another."""
    mine = process_tags()
    other = mine | {"pid": "1", "process_start": "1", "pid_namespace": "pid:[1]"}
    assert is_gone({**other, "pid_namespace": mine["pid_namespace"]})
    assert not is_gone(other)
    beat = {"heartbeat": "1000", "heartbeat.minutes": "15"}
    assert silent_for(other | beat, now=1960.0) is not None
    assert silent_for(mine | beat, now=1960.0) is None

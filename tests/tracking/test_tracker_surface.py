import inspect
import subprocess
import sys

import pytest

from finai_rl.tracking import MLflowTracker, NoTracker, Tracker


def public_names(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")} | {"__enter__", "__exit__"}


@pytest.mark.parametrize("kind", [NoTracker, MLflowTracker])
def test_trackers_have_one_public_surface(kind: type) -> None:
    assert public_names(kind) == public_names(Tracker)
    assert {"log_metrics", "log_policy", "run_id"} <= public_names(kind)


@pytest.mark.parametrize("name", sorted(n for n in public_names(Tracker)))
def test_methods_take_the_same_arguments(name: str) -> None:
    methods = [getattr(kind, name) for kind in (Tracker, NoTracker, MLflowTracker)]
    if callable(methods[0]):
        names = [list(inspect.signature(method).parameters) for method in methods]
        assert names[0] == names[1] == names[2]
    else:
        assert all(isinstance(method, property) for method in methods)


def test_no_tracker_does_nothing(market, tmp_path) -> None:
    tracker = NoTracker()
    tracker.journal_in(tmp_path)
    tracker.reopen("run")
    with tracker:
        tracker.log_config({"a": 1}, ["a=1"])
        tracker.set_tags({"a": "b"})
        tracker.log_dataset(market, "training")
        tracker.log_metrics({"a": float("inf")}, 1)
        tracker.flush()
        tracker.log_artifact("missing.txt")
        tracker.log_artifacts("missing")
        tracker.log_checkpoint("missing.zip")
        assert tracker.log_policy(None, "missing.zip", None) is None
        assert tracker.run_id is None
        assert tracker.page_command is None
    assert list(tmp_path.iterdir()) == []


def test_no_tracker_lets_exceptions_through() -> None:
    with pytest.raises(KeyError), NoTracker():
        raise KeyError("x")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, os, finai_rl.tracking;"
        "finai_rl.tracking.NoTracker(); finai_rl.tracking.provenance_tags();"
        "print(sorted({'mlflow', 'torch', 'pandas', 'stable_baselines3'} & set(sys.modules)),"
        " os.environ['MLFLOW_DISABLE_TELEMETRY'], os.environ['MLFLOW_HTTP_REQUEST_MAX_RETRIES'])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert output.split() == ["[]", "true", "2"]


def test_an_unknown_name_is_an_attribute_error() -> None:
    import finai_rl.tracking

    with pytest.raises(AttributeError, match="WandbTracker"):
        _ = finai_rl.tracking.WandbTracker

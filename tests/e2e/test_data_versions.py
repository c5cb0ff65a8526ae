"""From the tags of a run back to the bytes that it was trained on."""

from __future__ import annotations

import hashlib
import shlex
import shutil
from pathlib import Path

import pytest

from tests.conftest import ASKS_LITTLE, Command
from tests.data.checkouts import Checkout, needs_dvc
from tests.e2e.test_train import only_run
from tests.markets import write_processed_csv

TRAIN = ("finai_rl.train", "debug=fast", "data=processed_csv", "data.path=data/features.csv")


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def project(tmp_path: Path) -> Checkout:
    """A project whose data is under DVC: v1 and v2 pushed, the working copy changed since."""
    checkout = Checkout.made(tmp_path)
    (tmp_path / ".gitignore").write_text("outputs/\nremote/\n")
    checkout.use_dvc(tmp_path / "remote")
    (tmp_path / "data").mkdir()
    for n_days, tag in ((80, "v1"), (60, "v2")):
        write_processed_csv(tmp_path / "data" / "features.csv", n_days)
        checkout.dvc("add", "-q", "data/features.csv")
        checkout.commit(tag)
        checkout.dvc("push", "-q")
    write_processed_csv(tmp_path / "data" / "features.csv", 70)
    checkout.forget()
    return checkout


@needs_dvc
@pytest.mark.slow
@pytest.mark.usefixtures("store")
def test_a_run_of_a_revision_leads_back_to_its_bytes(project: Checkout, forked: Command) -> None:
    forked(*TRAIN, "data.rev=v1", "data.risk=vix")
    run = only_run(project.root)
    tags = run.data.tags
    commit = project.git("rev-parse", "v1")
    assert (tags["data.rev"], tags["data.tag"], tags["data.dirty"]) == (commit, "v1", "false")
    assert tags["data.path"] == "data/features.csv"
    got = project.root / "got.csv"
    project.dvc("get", "-q", "--rev", tags["data.rev"], "--out", str(got), ".", tags["data.path"])
    assert sha256_of(got) == tags["data.sha256"]
    assert hashlib.md5(got.read_bytes()).hexdigest() == tags["data.md5"]
    assert run.data.params["data.rev"] == "v1"
    inputs = [{tag.key: tag.value for tag in each.tags} for each in run.inputs.dataset_inputs]
    assert [each["data.rev"] for each in inputs] == [commit, commit]
    # Later: the tag has moved, and what was fetched is gone.
    shutil.rmtree(project.root / "outputs" / "cache")
    project.git("tag", "--force", "v1", "v2")
    forked("finai_rl.evaluate", f"run_id={run.info.run_id}", *ASKS_LITTLE)


@needs_dvc
@pytest.mark.slow
@pytest.mark.usefixtures("store")
def test_the_way_back_that_an_evaluation_names(project: Checkout, forked: Command) -> None:
    project.dvc("pull", "-q", "--force")
    forked(*TRAIN)
    run = only_run(project.root)
    tags = run.data.tags
    assert (tags["data.tag"], tags["data.dirty"]) == ("v2", "false")
    file = project.root / "data" / "features.csv"
    write_processed_csv(file, 70)
    evaluate = ("finai_rl.evaluate", f"run_id={run.info.run_id}", *ASKS_LITTLE)
    told = forked(*evaluate, expect=1).stderr
    assert f"data.rev={tags['data.rev']}" in told
    tool, *arguments = shlex.split(told.partition("`")[2].partition("`")[0])
    assert tool == "dvc"
    project.dvc(*arguments)
    assert sha256_of(file) == tags["data.sha256"]
    forked(*evaluate)


@needs_dvc
@pytest.mark.slow
def test_a_run_refuses_other_bytes_before_it_starts(project: Checkout, forked: Command) -> None:
    done = forked(*TRAIN, f"data.sha256={'ab' * 32}", expect=1)
    assert sha256_of(project.root / "data" / "features.csv") in done.stderr
    assert "ab" * 32 in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.root / "outputs" / "mlflow.db").exists()

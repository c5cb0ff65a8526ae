"""The example of a DVC pipeline runs whole, then only where something has changed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from tests.conftest import own_environment
from tests.data.checkouts import DVC, Checkout, needs_dvc
from tests.stores import write_empty_store

ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / "examples" / "pipeline"
STAGES = ["prepare", "verify", "train", "evaluate", "promote"]


def repro(folder: Path, expect: int = 0) -> tuple[list[str], str]:
    """Run ``dvc repro`` as a user would, and return the stages that it ran and what was said."""
    here = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [str(DVC), "repro"],
        cwd=folder,
        env=own_environment() | here | {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == expect, done.stdout
    return re.findall(r"^Running stage '(\w+)'", done.stdout, re.MULTILINE), done.stdout


def test_every_setting_of_the_pipeline_is_tracked() -> None:
    """A stage has to run again when a file of its command's settings changes."""
    stages = yaml.safe_load((PIPELINE / "dvc.yaml").read_text())["stages"]
    assert list(stages) == STAGES
    for name, stage in stages.items():
        groups = re.search(r"\+pipeline=\[?([\w,]+)", stage["cmd"])
        assert groups is not None
        read = [f"conf/pipeline/{group}.yaml" for group in groups[1].split(",")]
        assert [next(iter(file)) for file in stage["params"]] == read, name
        assert all((PIPELINE / file).is_file() for file in read)


@needs_dvc
@pytest.mark.slow
def test_only_what_has_changed_is_run_again(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(PIPELINE, project)
    checkout = Checkout.made(project)
    client = MlflowClient(write_empty_store(project / "outputs" / "mlflow.db"))
    subprocess.run(
        [sys.executable, "make_prices.py"],
        cwd=project,
        env=own_environment() | {"PYTHONPATH": str(ROOT)},
        check=True,
    )
    checkout.use_dvc(tmp_path / "remote")
    checkout.dvc("add", "-q", "raw/prices.csv")
    checkout.commit()
    ran, _ = repro(project)
    assert ran == STAGES
    assert (project / "promotion" / "promotion" / "promotion.html").is_file()
    first = client.get_model_version_by_alias("my_agent", "champion")
    evaluated = client.get_run(str(first.run_id)).data.tags
    assert {"evaluation_validation.verdict", "promotion.outcome"} <= evaluated.keys()
    checkout.commit()
    ran, said = repro(project)
    assert ran == []
    assert "up to date" in said
    # An agent that learns nothing does not take the champion's place, which ends the pipeline.
    settings = project / "conf" / "pipeline" / "train.yaml"
    settings.write_text(settings.read_text().replace("  gamma:", "  learning_rate: 1e-9\n  gamma:"))
    ran, said = repro(project, expect=255)
    assert ran == ["train", "evaluate", "promote"]
    assert re.search(r"is not promoted to models:/my_agent@champion: refused by", said)
    still = client.get_model_version_by_alias("my_agent", "champion")
    assert (still.version, still.run_id) == (first.version, first.run_id)

"""The examples in docstrings: they run, and every public class has one."""

from __future__ import annotations

import ast
import doctest
import importlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "finai_rl"
PROMPT = ">>> "

EXEMPT = {
    "MultirunRecord": "Hydra makes it when a multirun starts",
    "StudySweeperImpl": "Hydra makes it when a multirun starts",
    "PluginSweeper": "what StudySweeperImpl is derived from",
    "RunParts": "needs a composed run, its data and its agent",
    "Session": "needs a composed multirun and its data",
    "Trial": "needs a job of a running multirun",
    "StudyTrial": "needs a trial that another process has put into a database",
    "RayJobs": "needs a Ray cluster and a composed multirun",
    "ForkedJob": "needs a composed multirun",
    "ProcessJobs": "needs a composed multirun",
    "SlurmJobs": "needs Slurm and a composed multirun",
    "FinishedRun": "needs a tracking store with a finished run",
    "Sender": "needs a tracking store with a run, and the run's journal",
    "SystemMetrics": "needs psutil, and a tracker with an open run",
    "Challenge": "needs a tracking store with finished runs, and their data",
    "PaperAccount": "needs a trained agent, its market and a folder",
}
"""Public classes whose example would be longer than their use."""


def sources() -> Iterator[Path]:
    yield from sorted(PACKAGE.rglob("*.py"))


def module_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


WITH_EXAMPLES = [module_of(file) for file in sources() if PROMPT in file.read_text()]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.startswith("finai_rl.agents.elegantrl."):
        pytest.importorskip("elegantrl")
    module = importlib.import_module(name)
    monkeypatch.chdir(tmp_path)
    # Inside a git hook, `git init` would change the repository of the hook.
    for variable in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    finished = doctest.testmod(module)
    assert finished.attempted
    assert not finished.failed
    assert not list(tmp_path.iterdir())


@cache
def public_classes() -> dict[str, ast.ClassDef]:
    """Public classes that should have an example, by file and name."""
    return {
        f"{file.relative_to(PACKAGE.parent).as_posix()}::{node.name}": node
        for file in sources()
        if PACKAGE / "config" not in file.parents
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if not is_error(node) and "Protocol" not in bases(node)
    }


def bases(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).partition("[")[0] for base in node.bases]


def is_error(node: ast.ClassDef) -> bool:
    return any(base.endswith(("Error", "Exception")) for base in bases(node))


def test_every_public_class_has_an_example_or_a_reason() -> None:
    assert len(public_classes()) > 100
    lacking = {
        place
        for place, node in public_classes().items()
        if PROMPT not in (ast.get_docstring(node) or "")
    }
    assert {place.split("::")[1] for place in lacking} == set(EXEMPT), sorted(lacking)

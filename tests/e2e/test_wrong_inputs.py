"""Wrong inputs, one table of them: one message that names the key, status 1, nothing left behind.

With ``WRONG_INPUT_TABLE=table.md`` in the environment the table is written there.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hydra.errors import HydraException

from finai_rl.config.check import check
from finai_rl.errors import InputError
from finai_rl.experiment.before_data import check_before_data
from tests.config.composition import SCHEMAS, composed
from tests.e2e.wrong_inputs import COMMANDS, IN_PROCESS, Wrong
from tests.warm import WarmProcess

TABLE = "WRONG_INPUT_TABLE"
HEAD = "| kind | command | said |\n|---|---|---|\n"


def refusal(wrong: Wrong) -> str:
    """Return what a command says of an input before it loads anything; empty where it is taken."""
    try:
        cfg = check(
            composed(*shlex.split(wrong.given, posix=False), command=wrong.command),
            SCHEMAS[wrong.command],
        )
        if wrong.command == "train":
            check_before_data(cfg)
    except (InputError, HydraException) as error:
        return str(error)
    return ""


def row(wrong: Wrong, message: str) -> str:
    """Return a line of the table."""
    lines = [line.strip(" -") for line in message.splitlines() if wrong.said in line]
    said = (lines or [message])[0][:160].replace("|", "\\|")
    return f"| {wrong.kind} | `{wrong.command} {wrong.given}` | {said} |\n"


def left_behind(cwd: Path) -> list[str]:
    """Return what a refused command has left, but for what Hydra keeps of every start."""
    return [
        str(file.relative_to(cwd))
        for file in (cwd / "outputs").rglob("*")
        if file.is_file() and ".hydra" not in file.parts and file.suffix not in (".log", ".db")
    ]


def open_runs(database: Path) -> int:
    """Return how many runs of an MLflow store have not ended."""
    if not database.is_file():
        return 0
    with closing(sqlite3.connect(database)) as store:
        (n_open,) = store.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchone()
    return int(n_open)


@pytest.mark.slow
def test_wrong_inputs(warm: WarmProcess, tmp_path: Path, subtests: pytest.Subtests) -> None:
    assert len(IN_PROCESS) + len(COMMANDS) >= 80
    table = [HEAD]
    for wrong in IN_PROCESS:
        with subtests.test(given=f"{wrong.command} {wrong.given}"):
            message = refusal(wrong)
            table.append(row(wrong, message))
            assert wrong.said in message
            assert len([line for line in message.splitlines() if line.startswith("  - ")]) == 1
    (tmp_path / "noise.csv").write_bytes(bytes(range(256)) * 8)
    for wrong in COMMANDS:
        with subtests.test(given=f"{wrong.command} {wrong.given}", command=True):
            module = f"finai_rl.{wrong.command}"
            done = warm.run(tmp_path, module, *shlex.split(wrong.given))
            table.append(row(wrong, done.stderr))
            output = done.stdout + done.stderr
            assert wrong.said in done.stderr
            assert done.returncode == 1, output
            assert "Traceback" not in output
            assert left_behind(tmp_path) == []
            assert open_runs(tmp_path / "outputs" / "mlflow.db") == 0
    if file := os.environ.get(TABLE):
        Path(file).write_text("".join(table))


@pytest.mark.parametrize("kind", sorted({wrong.kind for wrong in COMMANDS}))
def test_an_input_of_every_kind_is_refused(kind: str) -> None:
    of_kind = [wrong for wrong in IN_PROCESS if wrong.kind == kind][:1]
    assert all(wrong.said in refusal(wrong) for wrong in of_kind)

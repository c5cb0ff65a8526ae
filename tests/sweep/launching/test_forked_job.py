"""What a job finds imported, and where what it is started from cannot be."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from finai_rl.sweep.launching.forked_job import IMPORTED

BEGIN = """
from finai_rl.errors import InputError
from finai_rl.sweep.launching.forked_job import begin_importing
try:
    begin_importing()
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize("module", IMPORTED)
def test_what_is_imported_for_all_jobs_is_there(module: str) -> None:
    # Python passes over what it does not find.
    assert importlib.import_module(module)


def test_a_folder_of_too_long_a_name_is_one_message(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 100)
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", BEGIN],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{folder} has too long a name" in done.stdout
    assert "Traceback" not in done.stderr
    assert not list(folder.iterdir())

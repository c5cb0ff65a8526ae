"""What a job finds imported."""

from __future__ import annotations

import importlib

import pytest

from finai_rl.sweep.launching.forked_job import IMPORTED


@pytest.mark.parametrize("module", IMPORTED)
def test_what_is_imported_for_all_jobs_is_there(module: str) -> None:
    # Python passes over what it does not find.
    assert importlib.import_module(module)

"""Where compiled code is kept: it is run as it is found, so only this user may have written it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finai_rl.data.cache import user_folder
from finai_rl.envs.kernels.compilation import _cache_folder


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files where this package and the home cannot be written to."""
    access = os.access

    def only_below(place: Any, *arguments: Any) -> bool:
        return Path(place).is_relative_to(tmp_path) and access(place, *arguments)

    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os, "access", only_below)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    user_folder.own_folder_in.cache_clear()
    yield tmp_path
    user_folder.own_folder_in.cache_clear()


def no_home() -> Path:
    raise RuntimeError("there is no home")


@pytest.mark.parametrize("home", [no_home, lambda: Path("/root-of-somebody")])
def test_nobody_elses_code_is_taken_from_a_shared_folder(
    home: Any, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", home)
    planted = installed / f"finai_rl-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    found = Path(_cache_folder())
    assert found.name.startswith("compiled-")
    assert found.parent != planted
    assert found.parent.parent == installed
    assert found.parent.stat().st_mode & 0o777 == 0o700


def test_it_is_in_the_home_where_the_package_cannot_be_written_to(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: installed)
    assert Path(_cache_folder()).parent == installed / ".cache" / "finai_rl"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(installed / "chosen"))
    assert Path(_cache_folder()).parent == installed / "chosen"

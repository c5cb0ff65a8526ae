"""The folder of the user that keeps what is the same for all runs of theirs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from finai_rl.data.cache.user_folder import user_cache


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where everybody may write, for a user who has no home."""

    def no_home() -> Path:
        raise RuntimeError("there is no home")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


def test_it_is_below_the_home_or_where_the_desktop_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert user_cache() == tmp_path / ".cache" / "finai_rl"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert user_cache() == tmp_path / "other" / "finai_rl"


def test_without_a_home_it_is_one_that_nobody_else_may_write_to(shared: Path) -> None:
    assert user_cache().stat().st_mode & 0o777 == 0o700
    assert user_cache() == user_cache()


@pytest.mark.parametrize("kind", ["open to all", "a link"])
def test_what_somebody_else_could_have_planted_is_passed_over(kind: str, shared: Path) -> None:
    planted = shared / user_cache().name
    planted.rmdir()
    other = shared / "deeper"
    other.mkdir()
    (other / planted.name).mkdir() if kind == "a link" else planted.mkdir()
    planted.symlink_to(other / planted.name) if kind == "a link" else planted.chmod(0o777)
    from finai_rl.data.cache import user_folder

    user_folder.own_folder_in.cache_clear()
    assert user_cache() != planted
    assert user_cache().stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["a file", "a link to nowhere"])
def test_what_is_no_folder_is_passed_over(kind: str, shared: Path) -> None:
    from finai_rl.data.cache import user_folder

    planted = shared / user_cache().name
    planted.rmdir()
    planted.touch() if kind == "a file" else planted.symlink_to(shared / "nowhere")
    user_folder.own_folder_in.cache_clear()
    assert user_cache() != planted
    assert user_cache().is_dir()

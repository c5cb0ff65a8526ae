"""Damaged and exchanged files of an agent: one message each, and nothing of them is run."""

from __future__ import annotations

import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3 import A2C
from stable_baselines3.common.vec_env import VecNormalize

from finai_rl.agents.elegantrl import ElegantRLA2C
from finai_rl.agents.saved_files import (
    SavedFileError,
    check_model,
    read_statistics,
    sha256_of,
)
from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.markets import generated_market


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of either library, and statistics."""
    folder: Path = tmp_path_factory.mktemp("saved")
    env = VecNormalize(StockTradingVecEnv(generated_market(n_days=6, n_stocks=2), n_envs=1))
    env.seed(0)
    env.reset()
    A2C("MlpPolicy", env, seed=0).save(folder / "model.zip")
    ElegantRLA2C(env, seed=0, device="cpu").save(folder / "model.pth")
    env.save(str(folder / "vec_normalize.pkl"))
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "files"))


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def garbled(file: Path) -> None:
    file.write_bytes(b"not what it was\n" * 20)


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for place in range(len(content) // 2, len(content) // 2 + 8):
        content[place] ^= 0xFF
    file.write_bytes(content)


def removed(file: Path) -> None:
    file.unlink()


def folder_instead(file: Path) -> None:
    file.unlink()
    file.mkdir()


def without(name: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with zipfile.ZipFile(file) as archive:
            kept = {item: archive.read(item) for item in archive.namelist() if item != name}
        with zipfile.ZipFile(file, "w") as archive:
            for item, content in kept.items():
                archive.writestr(item, content)

    return change


def settings(text: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        without("data")(file)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("data", text)

    return change


def other_library(file: Path) -> None:
    shutil.copy(file.with_name("model.pth" if file.suffix == ".zip" else "model.zip"), file)


DAMAGE = [
    ("model.zip", emptied, "is empty"),
    ("model.zip", cut, "not a whole zip archive"),
    ("model.zip", garbled, "not a whole zip archive"),
    ("model.zip", flipped, "is damaged"),
    ("model.zip", removed, "is not there"),
    ("model.zip", folder_instead, "is a folder, not a file"),
    ("model.zip", without("data"), r"it holds no settings \(data\)"),
    ("model.zip", settings("{"), "its settings are no JSON"),
    ("model.zip", settings("{}"), "it names no observation space"),
    ("model.zip", other_library, "is named .zip and is of ElegantRL"),
    ("model.pth", emptied, "is empty"),
    ("model.pth", cut, "not a whole zip archive"),
    ("model.pth", flipped, "is damaged"),
    ("model.pth", other_library, "is named .pth and is of Stable-Baselines3"),
]


@pytest.mark.parametrize(("name", "damage", "said"), DAMAGE)
@pytest.mark.parametrize("recorded", [False, True])
def test_a_damaged_model_is_told_in_one_message(
    name: str, damage: Callable[[Path], None], said: str, recorded: bool, folder: Path
) -> None:
    file = folder / name
    sha256 = sha256_of(file)
    check_model(file, sha256)
    damage(file)
    with pytest.raises(SavedFileError) as told:
        check_model(file, sha256 if recorded else None)
    assert str(told.value).startswith(f"{file}: ")
    assert "\n" not in str(told.value)
    if not recorded:
        assert told.match(said)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (emptied, "is empty"),
        (cut, "is damaged or holds no normalization statistics"),
        (garbled, "is damaged or holds no normalization statistics"),
        (removed, "is not there"),
        (folder_instead, "is a folder"),
        (lambda file: file.write_bytes(pickle.dumps({"a": 1})), "holds no normalization stat"),
    ],
)
def test_damaged_statistics_are_told_in_one_message(
    damage: Callable[[Path], None], said: str, folder: Path
) -> None:
    file = folder / "vec_normalize.pkl"
    sha256 = sha256_of(file)
    assert read_statistics(file, sha256).obs_rms.count > 0
    damage(file)
    with pytest.raises(SavedFileError, match=said) as told:
        read_statistics(file)
    assert "\n" not in str(told.value)


def test_a_file_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    for check, name in ((check_model, "model.zip"), (read_statistics, "vec_normalize.pkl")):
        with pytest.raises(SavedFileError, match="cannot be read: Permission denied"):
            check(folder / name)


def test_another_file_in_its_place_is_told(folder: Path) -> None:
    sha256 = sha256_of(folder / "model.zip")
    env = StockTradingVecEnv(generated_market(n_days=6, n_stocks=2), n_envs=1)
    A2C("MlpPolicy", env, seed=1).save(folder / "model.zip")
    check_model(folder / "model.zip")
    with pytest.raises(SavedFileError, match=f"another file than was saved .sha256 {sha256[:12]}"):
        check_model(folder / "model.zip", sha256)


class Planted:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self.made = call, arguments

    def __reduce__(self) -> Any:
        return self.made


@pytest.mark.parametrize("call", [os.mkdir, os.system, eval])
def test_statistics_run_no_code(call: Any, folder: Path) -> None:
    mark = folder / "mark"
    said = {
        os.mkdir: str(mark),
        os.system: f"mkdir {mark}",
        eval: f"__import__('os').mkdir('{mark}')",
    }
    content = pickle.dumps(Planted(call, said[call]))
    (folder / "vec_normalize.pkl").write_bytes(content)
    with pytest.raises(SavedFileError, match="it asks for"):
        read_statistics(folder / "vec_normalize.pkl")
    assert not mark.exists()
    pickle.loads(content)
    assert mark.exists(), "the attack would work"

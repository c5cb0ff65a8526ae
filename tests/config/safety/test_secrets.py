"""Passwords and tokens are left out of texts and configs, and nothing else is."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from finai_rl.config.safety.hydra_files import leave_secrets_out
from finai_rl.config.safety.secrets import (
    argument_without_secrets,
    config_without_secrets,
    without_secrets,
)


def test_the_working_folder_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PWD", "OLDPWD"):
        monkeypatch.setenv(name, "/home/ada/experiments")
    monkeypatch.setenv("DB_PWD", "Pl4nted-long")
    said = "sqlite:////home/ada/experiments/outputs/mlflow.db"
    assert without_secrets(said) == said
    assert without_secrets("it was Pl4nted-long") == "it was ***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://bob:Pl4nted@db/o?password=Pl4nted", "postgresql://db/o?password=***"),
        ("tracking.uri=http://bob:Pl4nted@h?token=Pl4nted", "tracking.uri=http://h?token=***"),
        ("hydra.sweeper.storage=mysql://bob:Pl@4/nted@h/o", "hydra.sweeper.storage=mysql://h/o"),
        ("agent.api_key=Pl4nted with a space", "agent.api_key=***"),
        ("agent.api_key=${oc.env:KEY}", "agent.api_key=${oc.env:KEY}"),
        ("data.path=news@2024.csv", "data.path=news@2024.csv"),
        ("http://localhost:5000", "http://localhost:5000"),
        ("seed=1", "seed=1"),
        ("APCA_API_KEY_ID=Pl4nted", "APCA_API_KEY_ID=***"),
        ("APCA_API_SECRET_KEY=Pl4nted", "APCA_API_SECRET_KEY=***"),
    ],
)
def test_an_argument_keeps_all_but_its_secrets(text: str, shown: str) -> None:
    assert argument_without_secrets(text) == shown
    assert config_without_secrets({"x": [text]}) == {"x": [shown]}


def test_the_traceback_of_a_record_is_without_secrets(tmp_path: Path) -> None:
    leave_secrets_out()
    handler = logging.FileHandler(tmp_path / "train.log")
    log = logging.getLogger("tests.traceback")
    log.addHandler(handler)
    try:
        raise OSError("no answer from http://ada:hidden@localhost:1")
    except OSError:
        log.exception("It failed")
    finally:
        log.removeHandler(handler)
        handler.close()
    written = (tmp_path / "train.log").read_text()
    assert "OSError: no answer from http://localhost:1" in written
    assert "hidden" not in written

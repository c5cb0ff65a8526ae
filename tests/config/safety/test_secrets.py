"""Passwords and tokens are left out of texts and configs, and nothing else is."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from finai_rl.config.safety.hydra_files import leave_secrets_out
from finai_rl.config.safety.secrets import (
    argument_without_secrets,
    config_without_secrets,
    note_secrets,
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


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("callbacks=[{_target_: a.B, password: pw, token: 'x y'}]", "pw|x y"),
        ('{"api_key": "abc", "n": 3}', "abc"),
        ("agent.token = s3cr3t", "s3cr3t"),
        ("password: 90210", "90210"),
        ("api_key=[a1, b2] n=1", "a1|b2"),
        ("http://u:123/abc@host", "123|abc"),
    ],
)
def test_secrets_are_found_by_their_place_however_they_are_written(text: str, left: str) -> None:
    found = argument_without_secrets(text)
    assert not re.search(left, found), found
    assert without_secrets(found) == found


def test_numbers_and_lists_are_secrets_too() -> None:
    node = {"password": 90210555123, "api_key": ["abc", 5], "token": None, "n_tokens": 3}
    hidden = {"password": "***", "api_key": ["***", "***"], "token": None, "n_tokens": 3}
    assert config_without_secrets(node) == hidden
    note_secrets(node)
    assert without_secrets("an error about 90210555123") == "an error about ***"


def test_words_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "postgres")
    assert without_secrets("/home/postgres/prices.csv") == "/home/postgres/prices.csv"
    monkeypatch.setenv("PGPASSWORD", "postgres7")
    assert without_secrets("said postgres7") == "said ***"


def test_a_text_with_an_address_and_a_port_stays() -> None:
    for text in (
        "Baseline of http://wiki:8080/x, ask ada@corp.com",
        "see http://wiki:8080 or mail ada@corp.com",
    ):
        assert argument_without_secrets(text) == text


def test_a_key_keeps_all_but_its_secrets() -> None:
    note_secrets({"api_key": "sk9verysecret12345"})
    found = config_without_secrets({"ask9verysecret12345": 1, 7: {"b": "sk9verysecret12345"}})
    assert found == {"a***": 1, 7: {"b": "***"}}

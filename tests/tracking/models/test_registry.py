"""Who has an alias, and who had it before."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from finai_rl.errors import ConfigError
from finai_rl.tracking.models import registry
from finai_rl.tracking.models.registry import Registry
from tests.stores import write_empty_store

NAME = "o'brien"


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    """A store with a model of three versions, each of its own run, ``run-1`` first."""
    found = MlflowClient(write_empty_store(tmp_path / "mlflow.db"))
    found.create_registered_model(NAME)
    for number in (1, 2, 3):
        found.create_model_version(NAME, f"file://{tmp_path}/{number}", f"run-{number}")
    return found


def test_each_alias_goes_back_along_its_own_way(client: MlflowClient) -> None:
    champion, other = (Registry(client, NAME, alias) for alias in ("champion", "other"))
    for number in (1, 2, 3, 1):
        assert champion.promote(f"run-{number}") == str(number)
    for number in (2, 1):
        other.promote(f"run-{number}")
    assert [champion.roll_back() for _ in range(3)] == [("1", "3"), ("3", "2"), ("2", "1")]
    with pytest.raises(ConfigError, match="the first that was promoted"):
        champion.roll_back()
    assert other.roll_back() == ("1", "2")


def test_an_alias_that_was_moved_by_hand_is_not_taken_from_there(client: MlflowClient) -> None:
    champion = Registry(client, NAME, "champion")
    for number in (1, 2, 3):
        champion.promote(f"run-{number}")
    client.set_registered_model_alias(NAME, "champion", "1")
    with pytest.raises(ConfigError, match="version 3 was the last that was promoted to it: some"):
        champion.roll_back()
    client.set_registered_model_alias(NAME, "champion", "3")
    assert champion.roll_back() == ("3", "2")
    client.set_registered_model_alias(NAME, "champion", "3")
    with pytest.raises(ConfigError, match="version 2 was the last that was promoted to it: some"):
        champion.roll_back()


def test_a_version_that_was_deleted_is_passed_over(client: MlflowClient) -> None:
    champion = Registry(client, NAME, "champion")
    for number in (1, 2, 3):
        champion.promote(f"run-{number}")
    client.delete_model_version(NAME, "2")
    assert champion.roll_back() == ("3", "1")


def test_what_was_broken_off_is_done_once(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = Registry(client, NAME, "champion")
    champion.promote("run-1")
    with monkeypatch.context() as outage:
        outage.delattr(MlflowClient, "set_registered_model_alias")
        with pytest.raises(AttributeError):
            champion.promote("run-2", {"said": "first"})
    champion.promote("run-2", {"said": "again"})
    assert client.get_model_version(NAME, "2").tags["said"] == "again"
    assert champion.roll_back() == ("2", "1")
    with pytest.raises(ConfigError, match="the first that was promoted"):
        champion.roll_back()


def test_the_alias_of_another_than_the_run_was_held_against_stays(client: MlflowClient) -> None:
    champion = Registry(client, NAME, "champion")
    champion.promote("run-1", judged=None)
    champion.promote("run-2", judged="1")
    with pytest.raises(ConfigError, match=r"was version 1 when .*, and now is version 2: another"):
        champion.promote("run-3", judged="1")
    with pytest.raises(ConfigError, match=r"was no version when .*, and now is version 2"):
        champion.promote("run-3", judged=None)
    assert str(client.get_model_version_by_alias(NAME, "champion").version) == "2"
    assert champion.roll_back() == ("2", "1")


def test_another_promotion_while_a_run_is_registered_is_seen(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = Registry(client, NAME, "champion")
    champion.promote("run-1", judged=None)

    def meanwhile(*_: object) -> str:
        champion.promote("run-2", judged="1")
        return "3"

    monkeypatch.setattr(registry, "register_policy", meanwhile)
    with pytest.raises(ConfigError, match=r"was version 1 .* now is version 2: another promotion"):
        champion.promote("run-4", judged="1")
    assert champion.roll_back() == ("2", "1")

"""The card of a model, beside its run and on its registered versions."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient

CARD_FILE, CARD_PAGE = "model_card.md", "model_card.html"
LONGEST = 5000
"""Characters of a version's description that every database of MLflow takes."""


def write_card(client: MlflowClient, run_id: str, markdown: str, page: str) -> None:
    """Write a card beside a run and on every version that is registered of its model.

    Args:
        client: Of the store.
        run_id: The run.
        markdown: The card.
        page: The same as HTML.
    """
    client.log_text(run_id, markdown, CARD_FILE)
    client.log_text(run_id, page, CARD_PAGE)
    for version in client.search_model_versions(f"run_id = '{run_id}'"):
        describe(client, version.name, str(version.version), markdown)


def card_of(client: MlflowClient, run_id: str) -> str | None:
    """Return the card that lies beside a run; None where there is none."""
    if CARD_FILE not in {item.path for item in client.list_artifacts(run_id)}:
        return None
    with TemporaryDirectory() as folder:
        file = client.download_artifacts(run_id, CARD_FILE, folder)
        return Path(file).read_text(encoding="utf-8")


def describe(client: MlflowClient, name: str, version: str, card: str | None) -> None:
    """Make a card the description of a version; None leaves it as it is."""
    if card is not None:
        client.update_model_version(name, version, card[:LONGEST])

"""What a packaged policy was when it was saved: hashes of its files, as tags of its run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from finai_rl.agents.saved_files import STATISTICS_FILE, check_model, read_statistics, sha256_of

MODEL_TAG, STATISTICS_TAG = "model.sha256", "vec_normalize.sha256"
"""The model file, and its normalization statistics."""


def model_hashes(package: Path) -> dict[str, str]:
    """Return the tags for a packaged policy.

    Args:
        package: Folder of the MLflow model.
    """
    model, statistics = model_file(package), package / "artifacts" / STATISTICS_FILE
    tags = {MODEL_TAG: sha256_of(model)}
    if statistics.is_file():
        tags[STATISTICS_TAG] = sha256_of(statistics)
    return tags


def check_package(package: Path, tags: Mapping[str, str], called: str) -> None:
    """Refuse a packaged policy that is damaged or not the one that was saved.

    Nothing of it is unpickled, imported or run. The code that is packed beside it is not compared.

    Args:
        package: Folder of the MLflow model.
        tags: Of the run that logged it; of earlier versions without hashes.
        called: What messages call it.

    Raises:
        SavedFileError: Names the file, what is wrong with it and what to do.
    """
    model, statistics = model_file(package), package / "artifacts" / STATISTICS_FILE
    check_model(model, tags.get(MODEL_TAG), f"{called}, artifacts/{model.name}")
    if STATISTICS_TAG in tags or statistics.exists():
        place = f"{called}, artifacts/{STATISTICS_FILE}"
        read_statistics(statistics, tags.get(STATISTICS_TAG), place)


def model_file(package: Path) -> Path:
    """Return the model file of a package, whether it is there or not."""
    folder = package / "artifacts"
    return next((file for file in sorted(folder.glob("model.*"))), folder / "model.zip")

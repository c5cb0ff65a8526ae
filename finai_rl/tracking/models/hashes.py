"""What a packaged policy was when it was saved: hashes of its files, as tags of its run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from finai_rl.agents.saved_files import (
    STATISTICS_FILE,
    SavedFileError,
    check_model,
    read_statistics,
    sha256_of,
)

MODEL_TAG, STATISTICS_TAG, CODE_TAG = "model.sha256", "vec_normalize.sha256", "code.sha256"
"""The model file, its normalization statistics, and all that says what code loads them."""

NOT_RUN = (
    "MLmodel",
    "conda.yaml",
    "input_example.json",
    "python_env.yaml",
    "registered_model_meta",
    "requirements.txt",
    "serving_input_example.json",
)
"""Files of a package that no loading runs; of ``MLmodel`` one part is compared."""


def model_hashes(package: Path) -> dict[str, str]:
    """Return the tags for a packaged policy.

    Args:
        package: Folder of the MLflow model.
    """
    model, statistics = model_file(package), package / "artifacts" / STATISTICS_FILE
    tags = {MODEL_TAG: sha256_of(model), CODE_TAG: code_digest(package)}
    if statistics.is_file():
        tags[STATISTICS_TAG] = sha256_of(statistics)
    return tags


def check_package(package: Path, tags: Mapping[str, str], called: str) -> None:
    """Refuse a packaged policy that is damaged or not the one that was saved, code included.

    Nothing of it is unpickled, imported or run.

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
    known = tags.get(CODE_TAG)
    if known is not None and (now := code_digest(package)) != known:
        raise SavedFileError(
            f"{called}, its packed code (policy_model.py, code/, description.json, MLmodel)",
            f"is another one than was saved (sha256 {known[:12]}... on record, {now[:12]}... now)",
            "bring the files of this run back, or train again",
        )


def code_digest(package: Path) -> str:
    """Return the SHA-256 of all that loading a packaged policy runs or goes by, names included.

    ``MLmodel`` is written anew with every registration: what counts is which code it names.

    Args:
        package: Folder of the MLflow model.
    """
    flavors = _flavors(package / "MLmodel")
    parts = [f"MLmodel {hashlib.sha256(flavors.encode()).hexdigest()}"]
    parts += [f"{name} {sha256_of(file)}" for name, file in _that_run(package)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _flavors(file: Path) -> str:
    """Return which code a package names; of a damaged file what no package was saved with."""
    try:
        described = yaml.safe_load(file.read_text(encoding="utf-8"))
        return json.dumps(described.get("flavors"), sort_keys=True)
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError):
        return "damaged"


def _that_run(package: Path) -> Iterator[tuple[str, Path]]:
    apart = {model_file(package), package / "artifacts" / STATISTICS_FILE}
    for file in sorted(package.rglob("*")):
        name = file.relative_to(package).as_posix()
        if file.is_file() and name not in NOT_RUN and file not in apart:
            yield name, file


def model_file(package: Path) -> Path:
    """Return the model file of a package, whether it is there or not."""
    folder = package / "artifacts"
    return next((file for file in sorted(folder.glob("model.*"))), folder / "model.zip")

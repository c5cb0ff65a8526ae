"""Empty MLflow stores: the tables are made once, which takes seconds, and copied after that."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from mlflow import MlflowClient


def write_empty_store(file: Path) -> str:
    """Put the empty tables of MLflow into a file and return its tracking URI."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_empty_store())
    return f"sqlite:///{file}"


@functools.cache
def _empty_store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "mlflow.db")
        MlflowClient(f"sqlite:///{file}").search_experiments()
        return file.read_bytes()

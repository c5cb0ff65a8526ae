"""Every notebook of the examples runs from its first cell to its last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import own_environment

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.slow
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs(file: Path, tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(file, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear its outputs"
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=own_environment() | {"PYTHONPATH": str(EXAMPLES.parent)})
    shown = "".join(
        output.get("text", "") + str(output.get("data", ""))
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )
    assert "evidence" in shown
    assert (tmp_path / "outputs" / "mlflow.db").is_file()
    failed = [cell.source for cell in notebook.cells if "Traceback" in str(cell.get("outputs"))]
    assert not failed
    nbformat.write(notebook, tmp_path / file.name)

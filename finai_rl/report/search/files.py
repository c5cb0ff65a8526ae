"""The folder that a hyperparameter search leaves: pictures and one interactive page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from optuna.trial import FrozenTrial

from finai_rl.report.search.importances import parameter_importances
from finai_rl.report.search.parameter_figures import parallel_figure, slices_figure
from finai_rl.report.search.search_figures import (
    history_figure,
    importances_figure,
    overfitting_figure,
)
from finai_rl.report.search.search_page import search_page
from finai_rl.report.search.search_record import SearchRecord
from finai_rl.report.search.trials_table import save_trials_table
from finai_rl.report.search.wording import importances_note
from finai_rl.type_aliases import FloatArray

__all__ = ["save_overfitting_histogram", "save_pictures", "save_trials_table"]


def save_pictures(
    trials: Sequence[FrozenTrial],
    folder: Path,
    *,
    objective: str,
    direction: str,
    title: str,
    user_attrs: Sequence[str] = (),
    overfitting: tuple[FloatArray, float] | None = None,
    verdict: str = "",
) -> list[Path]:
    """Write the pictures of a search with one objective, finished or not.

    Args:
        trials: Of any state.
        folder: Where to write; made if it is not there.
        objective: What the objective is called.
        direction: ``"maximize"`` or ``"minimize"``.
        title: What the search is called.
        user_attrs: Names of the trials' user attributes that get a column of the page's table.
        overfitting: (n_splits,) logits of combinatorially symmetric cross-validation and the
            probability of backtest overfitting, which the page then shows too.
        verdict: What the best trial is worth, in words; for the page.

    Returns:
        The files written: ``search.html``, which needs no network, and
        ``optimization_history.png`` always; ``parallel_coordinates.png`` and ``slices.png`` with a
        completed trial and a parameter; ``parameter_importances.png`` where
        `parameter_importances` finds any.

    Raises:
        ValueError: If the direction is neither of the two.
    """
    record = SearchRecord.of(trials, objective, direction, title)
    importances = parameter_importances(record)
    note = importances_note(record, importances)
    figures = {"optimization_history": history_figure(record)}
    if importances:
        figures["parameter_importances"] = importances_figure(record, importances, note)
    if record.completed and record.parameters:
        figures["parallel_coordinates"] = parallel_figure(record)
        figures["slices"] = slices_figure(record)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "search.html"
    text = search_page(record, importances, note, user_attrs, overfitting, verdict)
    page.write_text(text, encoding="utf-8")
    return [page, *(_save(figure, folder / f"{name}.png") for name, figure in figures.items())]


def save_overfitting_histogram(logits: FloatArray, pbo: float, file: Path) -> Path:
    """Draw the logits of combinatorially symmetric cross-validation as a PNG.

    The probability of backtest overfitting is the share of logits at or below zero: of splits
    whose best trial in sample is no better than the median out of sample. Bailey, Borwein, Lopez
    de Prado and Zhu (2017), The probability of backtest overfitting, Journal of Computational
    Finance 20(4).

    Args:
        logits: (n_splits,) logits of the relative rank out of sample of the trial that is best in
            sample.
        pbo: The probability, from 0 to 1.
        file: Where to write; its folder is made if it is not there.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    return _save(overfitting_figure(logits, pbo), file)


def _save(figure: Figure, file: Path) -> Path:
    figure.savefig(file, format="png")
    return file

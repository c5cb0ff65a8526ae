"""One HTML page of a hyperparameter search, complete without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go
from optuna.trial import FrozenTrial
from plotly.offline import get_plotlyjs

from finai_rl.report.document import document
from finai_rl.report.search import wording
from finai_rl.report.search.figures import history_figure, importances_figure, overfitting_figure
from finai_rl.report.search.front import Front, front_figures
from finai_rl.report.search.importances import best_apart, n_best, parameter_importances
from finai_rl.report.search.overfitting import logit_bars, pbo_text
from finai_rl.report.search.parameter_figures import parallel_figure, slice_figure
from finai_rl.report.search.search_record import SearchRecord
from finai_rl.report.search.trials_table import trials_table
from finai_rl.type_aliases import FloatArray

_CONFIG = {"responsive": True, "displayModeBar": False}


def save_search_page(
    trials: Sequence[FrozenTrial],
    folder: Path,
    *,
    objective: str,
    direction: str,
    title: str,
    user_attrs: Sequence[str] = (),
    overfitting: tuple[FloatArray, float] | None = None,
    verdict: str = "",
    front: Front | None = None,
) -> Path:
    """Write ``search.html``, which needs no network, for a search that has ended or not.

    Args:
        trials: Of any state.
        folder: Where to write; made if it is not there.
        objective: What the objective is called.
        direction: ``"maximize"`` or ``"minimize"``.
        title: What the search is called.
        user_attrs: Names of the trials' user attributes that get a column of the page's table.
        overfitting: (n_splits,) logits of combinatorially symmetric cross-validation and the
            probability of backtest overfitting, from 0 to 1, where they are known.
        verdict: What the best trial is worth, in words.
        front: Of a search by several objectives.

    Raises:
        ValueError: If the direction is neither of the two.
    """
    record = SearchRecord.of(trials, objective, direction, title)
    shares, apart = parameter_importances(record), best_apart(record)
    drawable = record.completed and record.parameters
    columns, rows = trials_table(record.trials, objective, user_attrs)
    text = document(
        "search.html",
        record.title,
        record=record,
        wording=wording,
        plotly=get_plotlyjs(),
        verdict=verdict,
        counts=wording.counts_text(record),
        beyond=wording.beyond_text(record),
        history=_plot(history_figure(record), "history"),
        importances=_plot(importances_figure(shares), "importances") if shares else "",
        note=wording.importances_note(record, shares),
        apart=_plot(importances_figure(apart), "apart") if apart else "",
        n_best=n_best(record),
        parallel=_plot(parallel_figure(record), "parallel") if drawable else "",
        slices=[
            (axis.name, _plot(slice_figure(record, axis), f"slice-{number}"))
            for number, axis in enumerate(record.parameters if drawable else ())
        ],
        overfitting=_overfitting(*overfitting) if overfitting else None,
        front=front,
        front_rows=front.rows(record) if front else [],
        front_plots=[
            _plot(figure, f"front-{number}")
            for number, figure in enumerate(front_figures(record, front) if front else ())
        ],
        columns=columns,
        rows=[[number, wording.state_text(str(state)), *others] for number, state, *others in rows],
    )
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "search.html"
    page.write_text(text, encoding="utf-8")
    return page


def _overfitting(logits: FloatArray, pbo: float) -> tuple[str, str]:
    bars = logit_bars(logits)
    text = " ".join([f"{pbo_text(logits, pbo)}.", *bars.caveats])
    return text, _plot(overfitting_figure(bars), "overfitting")


def _plot(figure: go.Figure, name: str) -> str:
    # Plotly escapes what would end the script.
    plot = figure.to_html(_CONFIG, include_plotlyjs=False, full_html=False, div_id=f"plot-{name}")
    return str(plot)

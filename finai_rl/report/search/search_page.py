"""One HTML page of a hyperparameter search, complete without a network."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from finai_rl.report.search import interactive
from finai_rl.report.search.history import history_marks, history_range
from finai_rl.report.search.overfitting import logit_bars, pbo_text
from finai_rl.report.search.search_record import SearchRecord
from finai_rl.report.search.trials_table import trials_table
from finai_rl.report.search.wording import best_text, beyond_text, counts_text, value_text
from finai_rl.type_aliases import FloatArray

# The policy keeps the page from asking any server for anything, plotly.js included, which writes
# functions at run time for its WebGL pictures.
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src \
'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff;
  max-width: 1240px; margin: 0 auto; padding: 16px; }}
h1 {{ font-size: 1.5em; line-height: 1.2; margin: 0 0 .3em; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.15em; margin: 1.8em 0 .2em; }}
h3 {{ font-size: .9em; margin: .6em 0 0; overflow-wrap: anywhere; }}
p {{ margin: .2em 0 .6em; overflow-wrap: anywhere; }}
.quiet {{ color: #666; }}
.wide {{ overflow-x: auto; }}
.slices {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(270px, 100%), 1fr));
  gap: 8px; }}
.slices > div {{ min-width: 0; display: flex; flex-direction: column;
  justify-content: flex-end; }}
table {{ border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 3px 10px; text-align: right; white-space: nowrap;
  border-bottom: 1px solid #e6e6e6; }}
th {{ vertical-align: bottom; background: #fff; }}
td.text, th.text {{ text-align: left; }}
tr.best td {{ background: #fdeee4; font-weight: 600; }}
</style>
<script>window.PlotlyConfig = {{MathJaxConfig: 'local'}};</script>
<script>{plotly}</script>
</head>
<body>
"""
_CONFIG = {"responsive": True, "displayModeBar": False}
_STATES = {"FAIL": "failed"}


def search_page(
    record: SearchRecord,
    importances: dict[str, float],
    note: str,
    user_attrs: Sequence[str] = (),
    overfitting: tuple[FloatArray, float] | None = None,
    verdict: str = "",
) -> str:
    """Return the page: what was found, four interactive plots, all trials as a table.

    Args:
        record: The search.
        importances: Shares by name, largest first; may be empty.
        note: Which parameters have no importance, or why none has.
        user_attrs: Names of the trials' user attributes that get a column of the table.
        overfitting: (n_splits,) logits and the probability of backtest overfitting, if known.
        verdict: What the best trial is worth, in words.
    """
    title = html.escape(record.title)
    better = "larger" if record.maximize else "smaller"
    parts = [
        _HEAD.format(title=title, plotly=get_plotlyjs()),
        f"<h1>{title}</h1>\n<p>{_escaped(counts_text(record))}; "
        f"{_escaped(best_text(record))} ({better} is better).</p>\n"
        + (f"<p><strong>{_escaped(verdict)}</strong></p>\n" if verdict else ""),
        _section(
            "Optimization history",
            f"{_row_text(record)} {beyond_text(record)}".strip(),
            _plot(interactive.history(record), "history"),
        ),
        _section(
            "Parameter importances",
            note,
            _plot(interactive.importances(importances), "importances") if importances else "",
        ),
        *_parameter_sections(record),
    ]
    if overfitting is not None:
        logits, pbo = overfitting
        text = " ".join([f"{pbo_text(logits, pbo)}.", *logit_bars(logits).caveats])
        plot = _plot(interactive.overfitting(logits), "overfitting")
        parts.append(_section("Probability of backtest overfitting", text, plot))
    parts.append(_section("Trials", "", _table(record, user_attrs)))
    return "".join([*parts, "</body>\n</html>\n"])


def _parameter_sections(record: SearchRecord) -> list[str]:
    if not record.completed or not record.parameters:
        missing = "completed trial" if record.parameters else "parameter"
        return [
            _section(name, f"There is no {missing} to draw.", "")
            for name in ("Parallel coordinates", "Slices")
        ]
    width = 105 * (len(record.parameters) + 1) + 130
    parallel = _plot(interactive.parallel(record), "parallel")
    slices = "".join(
        f"<div><h3>{_escaped(axis.name)}</h3>"
        f"{_plot(interactive.slice_of(record, axis), f'slice-{number}')}</div>\n"
        for number, axis in enumerate(record.parameters)
    )
    return [
        _section(
            "Parallel coordinates",
            "Completed trials, better ones darker, the best in orange. Drag along an axis to keep "
            "the trials that pass there; click on it to keep all again.",
            f'<div class="wide"><div style="min-width:{width}px">{parallel}</div></div>',
        ),
        _section(
            "Slices",
            f"{record.objective} of completed trials against each parameter, later ones darker, "
            "the best in orange.",
            f'<div class="slices">{slices}</div>',
        ),
    ]


def _row_text(record: SearchRecord) -> str:
    lowest, low, _ = history_range(record, history_marks(record))
    return "Trials without a value are in a row at the bottom." if lowest < low else ""


def _section(heading: str, text: str, content: str) -> str:
    paragraph = f'<p class="quiet">{_escaped(text)}</p>\n' if text else ""
    return f"<section>\n<h2>{heading}</h2>\n{paragraph}{content}\n</section>\n"


def _plot(figure: go.Figure, name: str) -> str:
    return str(
        figure.to_html(
            config=_CONFIG, include_plotlyjs=False, full_html=False, div_id=f"plot-{name}"
        )
    )


def _table(record: SearchRecord, user_attrs: Sequence[str]) -> str:
    columns, rows = trials_table(record.trials, record.objective, user_attrs)
    texts_in = [any(isinstance(row[place], str) for row in rows) for place in range(len(columns))]
    heads = "".join(
        f"<th{_kind(is_text)}>{_escaped(name)}</th>"
        for name, is_text in zip(columns, texts_in, strict=True)
    )
    best = record.best.number if record.best else None
    body = []
    for number, state, *others in rows:
        cells = [number, _STATES.get(str(state), str(state).lower()), *others]
        texts = "".join(
            f"<td{_kind(isinstance(cell, str))}>{_escaped(value_text(cell))}</td>" for cell in cells
        )
        opening = '<tr class="best">' if number == best else "<tr>"
        body.append(f"{opening}{texts}</tr>\n")
    return (
        f'<div class="wide"><table>\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{''.join(body)}</tbody>\n</table></div>"
    )


def _kind(is_text: bool) -> str:
    return ' class="text"' if is_text else ""


def _escaped(text: str) -> str:
    return html.escape(text)

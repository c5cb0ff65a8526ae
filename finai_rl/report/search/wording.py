"""How the pictures and tables of a search write names, values and counts."""

from __future__ import annotations

import math
import re
import textwrap

from finai_rl.report.search.parameter_axis import number_texts
from finai_rl.report.search.search_record import SearchRecord

_STATES = {"fail": "failed"}


def shortened(text: str, width: int) -> str:
    """Return a text of at most ``width`` characters, its middle left out where it is longer."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def wrapped(name: str, width: int, lines: int = 4) -> list[str]:
    """Break a parameter's name after its separators, its middle left out if it needs too much.

    Args:
        name: The name.
        width: Most letters of a line, at least two.
        lines: Most lines.
    """
    for letters in range(width * lines, 1, -1):
        rows = _lines(shortened(name, letters), width)
        if len(rows) <= lines:
            break
    return rows


def _lines(name: str, width: int) -> list[str]:
    rows: list[str] = []
    for segment in re.findall(r"[^:./]+[:./]*|[:./]+", name):
        # Within a segment only where it does not fit a line.
        parts = [segment] if len(segment) <= width else re.findall(r"[^_]+_*|_+", segment)
        for part in parts:
            if rows and len(rows[-1]) + len(part) <= width:
                rows[-1] += part
            else:
                rows.extend(textwrap.wrap(part, width) or [part])
    return rows


def value_text(value: object) -> str:
    """Write a parameter or an objective value, numbers with six digits."""
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else str(value)
    return "" if value is None else str(value)


def counts_text(record: SearchRecord) -> str:
    """Write how many trials there are: ``"30 trials: 25 complete, 4 pruned, 1 failed"``."""
    counts = record.counts()
    parts = ", ".join(f"{count} {_STATES.get(state, state)}" for state, count in counts.items())
    n_trials = len(record.trials)
    return f"{n_trials} trial{'' if n_trials == 1 else 's'}" + (f": {parts}" if parts else "")


def best_text(record: SearchRecord) -> str:
    """Write which trial is best: ``"best: trial 12 with sharpe_ratio 1.23"``."""
    best = record.best
    if best is None:
        return "no completed trial yet"
    return (
        f"best: trial {best.number} with {shortened(record.objective, 40)} {value_text(best.value)}"
    )


def completed_text(record: SearchRecord) -> str:
    """Write how many trials have a value: ``"25 completed trials"``."""
    n_trials = len(record.completed)
    return f"{n_trials} completed trial{'' if n_trials == 1 else 's'}"


def beyond_text(record: SearchRecord) -> str:
    """Write how many trials are drawn at the edge of the objective's axis; empty if none."""
    if not record.n_beyond:
        return ""
    low, high = record.limits
    edge = number_texts([low if record.maximize else high])[0]
    side = "below" if record.maximize else "above"
    are = "1 trial is" if record.n_beyond == 1 else f"{record.n_beyond} trials are"
    return f"{are} {side} {edge} and drawn at the edge."


def not_shown_text(record: SearchRecord, most: int) -> str:
    """Write which parameters a picture has no room for; empty if it shows all."""
    rest = record.parameters[most:]
    names = ", ".join(shortened(axis.name, 60) for axis in rest[:10])
    more = f" and {len(rest) - 10} more" if len(rest) > 10 else ""
    return f"Not shown: {names}{more}." if rest else ""


def importances_note(record: SearchRecord, importances: dict[str, float]) -> str:
    """Write which parameters have no importance, or why none has; empty if all have."""
    if importances:
        names = [axis.name for axis in record.parameters if axis.name not in importances]
        few = ", ".join(shortened(name, 60) for name in names[:10])
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        return f"Left out, as not every completed trial has them: {few}{more}." if names else ""
    if len(record.completed) < 2:
        return "Importances need two completed trials."
    if not record.parameters:
        return "The trials have no parameters."
    return "The parameters that all completed trials have explain nothing of the objective."

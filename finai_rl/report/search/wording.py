"""How the page of a search writes names, values and counts."""

from __future__ import annotations

import math
import re
import textwrap

from finai_rl.report.search.parameter_axis import number_texts
from finai_rl.report.search.search_record import SearchRecord


class _NameWrapper(textwrap.TextWrapper):
    """Breaks a line after the separators of a parameter's name."""

    wordsep_re = re.compile(r"([^:./_]*[:./_]+)")


def shortened(text: str, width: int) -> str:
    """Return a text of at most ``width`` characters, its middle left out where it is longer."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def wrapped(name: str, width: int, lines: int) -> list[str]:
    """Break a parameter's name after its separators, its middle left out if it needs too much.

    Args:
        name: The name.
        width: Most letters of a line, at least two.
        lines: Most lines.
    """
    for letters in range(width * lines, 1, -1):
        rows = _NameWrapper(width).wrap(shortened(name, letters))
        if len(rows) <= lines:
            break
    return rows


def value_text(value: object) -> str:
    """Write a parameter or an objective value, numbers with six digits."""
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else str(value)
    return "" if value is None else str(value)


def state_text(state: str) -> str:
    """Write the name of a trial's state: ``"complete"``, ``"failed"``."""
    return "failed" if state == "FAIL" else state.lower()


def counts_text(record: SearchRecord) -> str:
    """Write how many trials there are: ``"30 trials: 25 complete, 4 pruned, 1 failed"``."""
    names = [trial.state.name for trial in record.trials]
    states = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")
    parts = [f"{names.count(state)} {state_text(state)}" for state in states if state in names]
    total = f"{len(names)} trial{'' if len(names) == 1 else 's'}"
    return ": ".join([total, ", ".join(parts)] if parts else [total])


def beyond_text(record: SearchRecord) -> str:
    """Write how many trials are drawn at the edge of the objective's axis; empty if none."""
    n_beyond = sum(record.is_beyond(value) for value in record.values.tolist())
    if not n_beyond:
        return ""
    edge = number_texts([record.limits[0 if record.maximize else 1]])[0]
    side = "below" if record.maximize else "above"
    are = "1 trial is" if n_beyond == 1 else f"{n_beyond} trials are"
    return f"{are} {side} {edge} and drawn at the edge."


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

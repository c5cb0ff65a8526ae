"""Sections on how far the numbers can be trusted: verdict, seeds, luck, data, run."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from finai_rl.report import charts
from finai_rl.report.formats import UNDEFINED, day, ends, escaped, number, plural, share
from finai_rl.report.markup import (
    Cell,
    definitions,
    details,
    explained,
    heading,
    paragraph,
    section,
    table,
    tiles,
)
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.terms import TERMS, label, unit
from finai_rl.statistics.returns import sharpe_ratio
from finai_rl.statistics.run_verdict import SharpeEvidence
from finai_rl.statistics.search_verdict import cautious

_KINDS = {"no evidence": "none", "weak": "weak", "strong": "strong"}
_LEVELS = {"no evidence": "No evidence", "weak": "Weak evidence", "strong": "Strong evidence"}


def verdict(report: EvaluationReport) -> str:
    """Head the page: what was evaluated, when, and what to make of it."""
    result = report.result
    first, last = day(result.dates[0]), day(result.dates[-1])
    about = [result.name, report.block, f"{first} to {last}", plural(len(result.dates), "day")]
    top = (
        f"<h1>{escaped(report.title)}</h1>\n"
        f'<p class="quiet">{escaped(" · ".join(filter(None, about)))}</p>\n'
    )
    if report.verdict is None:
        return top
    found = report.verdict
    terms = {name: TERMS[name] for name in ("PSR", "DSR", "Trials counted")}
    rule = details("The rule", paragraph(found.rule) + definitions(terms))
    return (
        f'{top}<section id="verdict" class="verdict {_KINDS[found.level]}">\n'
        f'<span class="badge">{_LEVELS[found.level]}</span>\n'
        f"<p>{escaped(found.sentence)}</p>\n{rule}</section>\n"
    )


def seeds(report: EvaluationReport) -> str:
    """Tabulate other seeds and folds."""
    found = report.seeds
    if found is None or found.table.empty:
        return ""
    names = [str(name) for name in found.table.columns]
    # One agent of a lucky seed is no evidence of its configuration.
    rows = [[_value(n, v) for n, v in zip(names, row, strict=True)] for row in _rows(found.table)]
    text = f"{plural(len(rows), 'run')} of the same configuration."
    if math.isfinite(found.iqm):
        shown = number(found.iqm, unit(found.metric))
        text += f" {label(found.metric)}: interquartile mean {shown}"
        between = ends(found.low, found.high, unit(found.metric))
        text += "." if between == UNDEFINED else f", 95 % interval {between}."
    return section(
        "seeds",
        "Seeds and folds",
        text,
        table([label(name).capitalize() for name in names], rows),
        explained({name: TERMS[name] for name in ("IQM", "Fold", "95 % interval")}),
    )


def luck(report: EvaluationReport) -> str:
    """Say how much of the Sharpe ratio may be luck."""
    found, parts = report.verdict, list[str]()
    terms = ["PSR", "DSR", "Trials counted", "MinTRL"]
    if found is not None:
        own = found.evidence
        parts.append(
            tiles(
                {
                    "PSR: confidence that the true Sharpe ratio is above 0": cautious(
                        own.probabilistic
                    ),
                    "DSR: the same, after all trials counted": cautious(own.deflated),
                    "trials counted": f"{own.n_counted:,}",
                    "needed for a PSR of 0.95 (MinTRL)": _record(report, own),
                }
            )
        )
        both = {"Its returns": own} | (
            {f"Over {found.benchmark}": found.active} if found.active else {}
        )
        parts.append(table(["", *both], _luck_rows(report, list(both.values()))))
    if report.random is not None:
        terms.append("Random agents")
        parts += _random(report)
    text = "A good Sharpe ratio may be the luck of a short record or of many tries."
    return section(
        "luck",
        "How much is luck",
        text,
        *parts,
        explained({name: TERMS[name] for name in terms}) if parts else "",
    )


def data(report: EvaluationReport) -> str:
    """Say where the data came from and what is wrong with it."""
    facts = report.data
    if facts is None:
        return ""
    entries = {"Source": facts.source, "SHA-256": facts.sha256}
    lists = {"What to keep in mind": facts.caveats, "What was mended": facts.repairs}
    return section(
        "data",
        "Data",
        "",
        definitions({name: text for name, text in entries.items() if text}),
        *(
            heading(name)
            + "<ul>"
            + "".join(f"<li>{escaped(line)}</li>" for line in lines)
            + "</ul>\n"
            for name, lines in lists.items()
            if lines
        ),
    )


def run(report: EvaluationReport) -> str:
    """Say how to run it again."""
    facts = report.run
    if facts is None:
        return ""
    entries = {"Run": facts.run_id, "Command": facts.command}
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    entries["Versions"] = versions
    content = definitions({name: text for name, text in entries.items() if text})
    if facts.config:
        content += f"<pre>{escaped(facts.config)}</pre>\n"
    if not content:
        return ""
    return section("run", "Run", "", details("Command, configuration and versions", content))


def _rows(table_: pd.DataFrame) -> list[list[object]]:
    return [list(row) for row in table_.itertuples(index=False, name=None)]


def _value(name: str, value: object) -> Cell | str:
    if isinstance(value, int | np.integer) or (
        name in ("seed", "fold") and isinstance(value, float) and value.is_integer()
    ):
        return f"{int(value)}"
    if isinstance(value, float):
        return number(value, unit(name))
    return str(value)


def _luck_rows(report: EvaluationReport, columns: list[SharpeEvidence]) -> list[list[Cell | str]]:
    year = math.sqrt(report.periods_per_year)
    rows: dict[str, list[str]] = {
        "Sharpe ratio a year": [number(c.estimate.sharpe * year, "ratio") for c in columns],
        "Luckiest trial without skill": [
            number(c.expected_maximum * year, "ratio") for c in columns
        ],
        "PSR": [cautious(c.probabilistic) for c in columns],
        "DSR": [cautious(c.deflated) for c in columns],
    }
    if any(math.isfinite(c.deflated_spread) for c in columns):
        rows["DSR by the trials' own spread"] = [
            cautious(c.deflated_spread) if math.isfinite(c.deflated_spread) else "" for c in columns
        ]
    rows["MinTRL"] = [_record(report, c) for c in columns]
    return [[name, *values] for name, values in rows.items()]


def _record(report: EvaluationReport, evidence: SharpeEvidence) -> str:
    years = evidence.min_track_record_length / report.periods_per_year
    return f"{years:,.1f} years" if math.isfinite(years) else "never"


def _random(report: EvaluationReport) -> list[str]:
    assert report.random is not None
    ratios = report.random.sharpe_ratios[np.isfinite(report.random.sharpe_ratios)]
    own = _own_sharpe(report)
    if not len(ratios) or not math.isfinite(own):
        return []
    return [
        heading("Against random agents"),
        f'<p class="quiet">Sharpe ratios of {plural(len(ratios), "random agent")}; the agent '
        f"is above {share(report.random.percentile)} of them.</p>\n",
        charts.histogram("Sharpe ratios of random agents", ratios, own, report.result.name),
    ]


def _own_sharpe(report: EvaluationReport) -> float:
    return sharpe_ratio(report.result.returns, report.periods_per_year, report.risk_free)

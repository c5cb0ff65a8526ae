"""The chart of a leaderboard."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.figure import Figure

from finai_rl.report.canvas import AGENT_COLOUR, canvas, legend
from finai_rl.report.formats import number
from finai_rl.statistics.leaderboard import BASELINE_NAME, Leaderboard

_ROW, _NAMES, _NAME_COLUMNS = 0.36, 2.35, 28


def sharpe_figure(board: Leaderboard) -> Figure:
    """Draw one row an agent: a dot, whiskers where there is an interval; equal weight dashed."""
    standings = board.standings
    figure, axes = canvas(
        "Sharpe ratios",
        "Interquartile mean over seeds and folds, with its 95 % interval; dashed: equal weight",
        panel=_ROW * len(standings) + 0.1,
        left=_NAMES,
    )
    ratios = np.array([[s.sharpe.estimate, s.sharpe.low, s.sharpe.high] for s in standings])
    ratios[~np.isfinite(ratios)] = np.nan
    estimates, lows, highs = ratios.T
    rows = np.arange(len(standings))
    known = np.isfinite(lows) & np.isfinite(highs)
    axes.hlines(rows[known], lows[known], highs[known], color=AGENT_COLOUR, linewidth=2.2)
    axes.plot(estimates, rows, "o", color=AGENT_COLOUR, markersize=8)
    mark = axes.axvline(board.baseline, color="#666666", linewidth=1.4, linestyle="--")
    names = [
        textwrap.fill(standing.name, _NAME_COLUMNS, max_lines=2, placeholder="…")
        for standing in standings
    ]
    for label in axes.set_yticks(rows, names):
        label.label1.set(parse_math=False, color="#222222")
    axes.set_ylim(len(standings) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)
    legend(axes, [mark], [f"{BASELINE_NAME}  {number(board.baseline, 'ratio')}"])
    return figure

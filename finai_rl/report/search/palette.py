"""The colours of a search's pictures."""

INK, QUIET, GRID = "#222222", "#666666", "#E6E6E6"
# Okabe and Ito (2008): told apart with any colour vision.
BLUE, BEST = "#0072B2", "#D55E00"
MARKS = {
    "complete": BLUE,
    "beyond": BLUE,
    "infinite": BLUE,
    "pruned": "#E69F00",
    "silent": "#E69F00",
    "fail": "#CC79A7",
    "running": "#009E73",
}
"""By the kinds of `finai_rl.report.search.history.Marks`."""

SHADES = ("#CBD9E6", "#6FA8D0", "#0072B2", "#08306B")
"""From worse to better, or from early to late."""

"""A figure as a drawing inside a page."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

# Texts stay texts. Of a line of more than 1,000 points, those within half a point of it go.
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "path.simplify_threshold": 0.5,
    "font.sans-serif": ["DejaVu Sans"],
}
_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
# Room for the labels around the axes, in points.
_ABOVE, _BELOW = 8.0, 34.0
_HUNDREDTHS = re.compile(r"(?<=\.\d)\d+")
_SHAPE = re.compile(r'(<path [^>]*?\bd=")([^"]*)')


def inline_svg(figure: Figure) -> Markup:
    """Return a figure with one pair of axes as an SVG element as wide as the page allows.

    Title, subtitle and footnote are left out of the drawing, which has a heading on the page;
    title and subtitle become its label, for those who cannot see it. The same figure gives the
    same text.
    """
    file = io.StringIO()
    for text in figure.texts:
        text.set_visible(False)
    # Names of shapes differ between the charts of a page and not from run to run.
    with matplotlib.rc_context(_SETTINGS | {"svg.hashsalt": figure.get_label()}):
        figure.savefig(file, format="svg", metadata=_METADATA)
    for text in figure.texts:
        text.set_visible(True)
    width, height = 72 * figure.get_size_inches()
    box = figure.axes[0].get_position()
    top, tall = height * (1 - box.y1) - _ABOVE, height * box.height + _ABOVE + _BELOW
    opening = Markup('<svg role="img" aria-label="{}" viewBox="0 {:.1f} {:.0f} {:.1f}">').format(
        figure.get_label(), top, width, tall
    )
    return opening + Markup(_small(file.getvalue()))


def _small(drawing: str) -> str:
    """Return what is inside the SVG element of matplotlib, in fewer characters."""
    content = drawing[drawing.index("<g ") :]
    content = re.sub(r"\n *", "", content)
    # Nothing refers to the names of groups, which are the same in every chart.
    content = re.sub(r'<g id="[^"]*"', "<g", content).replace("xlink:href=", "href=")
    return _SHAPE.sub(lambda found: found[1] + _tenths(found[2]), content)


def _tenths(shape: str) -> str:
    """Cut coordinates to tenths of a point."""
    return _HUNDREDTHS.sub("", shape).replace(" L ", "L")

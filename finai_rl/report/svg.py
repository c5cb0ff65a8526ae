"""A figure as a drawing inside a page."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from finai_rl.report.fonts import FIRST, missing_glyphs

# Texts stay texts. Of a line of more than 1,000 points, those within half a point of it go.
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "path.simplify_threshold": 0.5,
    "font.sans-serif": [FIRST],
}
_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
# Room for the labels around the axes, in points.
_ABOVE, _BELOW = 8.0, 34.0
# And for the titles of axes that have one.
_TITLE = 14.0
_HUNDREDTHS = re.compile(r"(?<=\.\d)\d+")
_SHAPE = re.compile(r'(<path [^>]*?\bd=")([^"]*)')


def inline_svg(figure: Figure) -> Markup:
    """Return a figure as an SVG element as wide as the page allows, from its axes' top to bottom.

    Title, subtitle and footnote are left out of the drawing, which has a heading on the page;
    title and subtitle become its label, for those who cannot see it. The same figure gives the
    same text.
    """
    file = io.StringIO()
    for text in figure.texts:
        text.set_visible(False)
    # Names of shapes differ between the charts of a page and not from run to run.
    # A character that the font lacks is drawn by the browser, with a font of its own.
    names = {"svg.hashsalt": figure.get_label()}
    with matplotlib.rc_context(_SETTINGS | names), missing_glyphs():
        figure.savefig(file, format="svg", metadata=_METADATA)
    for text in figure.texts:
        text.set_visible(True)
    width, height = 72 * figure.get_size_inches()
    boxes = [axes.get_position() for axes in figure.axes]
    titled = any(axes.get_title(loc="left") for axes in figure.axes)
    above = _ABOVE + _TITLE * titled
    high, low = max(box.y1 for box in boxes), min(box.y0 for box in boxes)
    top, tall = height * (1 - high) - above, height * (high - low) + above + _BELOW
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

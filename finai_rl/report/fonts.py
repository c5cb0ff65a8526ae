"""Fonts of the charts: characters that matplotlib's own font lacks, Chinese and Japanese ones."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.text import Text

log = logging.getLogger(__name__)

FIRST = "DejaVu Sans"
"""Comes with matplotlib, and draws all that it has a glyph for."""
OTHERS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK TC", "Noto Sans CJK KR", "Noto Sans SC",
    "Noto Sans JP", "Noto Sans TC", "Noto Sans KR", "Source Han Sans SC", "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei", "Droid Sans Fallback", "PingFang SC", "Hiragino Sans GB",
    "Hiragino Sans", "Arial Unicode MS", "Microsoft YaHei", "SimHei", "Yu Gothic", "Meiryo",
    "MS Gothic", "Malgun Gothic", "Apple SD Gothic Neo", "IPAexGothic", "IPAGothic", "TakaoGothic",
)  # fmt: skip
"""Fonts with Chinese, Japanese and Korean, of Linux, macOS and Windows; those that are there help
out for a character that the first font lacks, in this order."""
_MISSING = re.compile(r"Glyph (\d+) \(.*\) missing from (?:current )?font")


def save_pictures(pictures: Mapping[Path, Figure]) -> None:
    """Write figures as PNG files, and say once which characters no font of this machine has.

    Args:
        pictures: Figures by file.
    """
    boxes: dict[str, None] = {}
    for file, figure in pictures.items():
        with _with_others(figure), missing_glyphs(boxes):
            figure.savefig(file)
    if boxes:
        log.warning(
            "Pictures (PNG) in %s have boxes in place of %s: no font of this machine has these. A "
            "page shows them with the fonts of its reader. Install one, such as Noto Sans CJK "
            "(Debian and Ubuntu: fonts-noto-cjk), and remove matplotlib's list of fonts in %s",
            next(iter(pictures)).parent,
            "".join(boxes),
            matplotlib.get_cachedir(),
        )


@contextmanager
def _with_others(figure: Figure) -> Iterator[None]:
    # A generic family is one font to matplotlib: only a list of names has one help another out.
    found = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    texts = [(text, text.get_fontfamily()) for text in found if not text.get_text().isascii()]
    for text, _ in texts:
        text.set_fontfamily([FIRST, *installed()])
    try:
        yield
    finally:
        for text, family in texts:
            text.set_fontfamily(family)


@contextmanager
def missing_glyphs(found: dict[str, None] | None = None) -> Iterator[None]:
    """Keep quiet about missing glyphs, of which matplotlib warns one by one.

    Args:
        found: Where to put the characters, if anywhere.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        if missing := _MISSING.match(str(warning.message)):
            if found is not None:
                found[chr(int(missing[1]))] = None
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )


@cache
def installed() -> tuple[str, ...]:
    """Return those of `OTHERS` that this machine has."""
    names = {font.name for font in fontManager.ttflist}
    return tuple(name for name in OTHERS if name in names)

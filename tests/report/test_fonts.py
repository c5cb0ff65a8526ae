import logging
import warnings

import pytest
from matplotlib.font_manager import fontManager

from finai_rl.report import fonts
from finai_rl.report.canvas import canvas, legend, shortened
from finai_rl.report.svg import inline_svg

NOWHERE = "\U0010fffd"
"""For private use: no font has it."""


def figure_of(*names):
    figure, axes = canvas(names[0], "in words", [names[-1]])
    legend(axes, [axes.plot([1, 2])[0] for _ in names], names)
    return figure


def test_characters_without_a_font_get_one_note_and_no_warning(tmp_path, caplog):
    pictures = {tmp_path / f"{n}.png": figure_of("贵州茅台", NOWHERE) for n in range(2)}
    with caplog.at_level(logging.WARNING), warnings.catch_warnings():
        warnings.simplefilter("error")
        fonts.save_pictures(pictures)
        inline_svg(figure_of(NOWHERE))
    assert all(file.stat().st_size > 1000 for file in pictures)
    (note,) = [r.getMessage() for r in caplog.records if r.name == "finai_rl.report.fonts"]
    assert NOWHERE in note
    assert "fonts-noto-cjk" in note


def test_names_that_the_first_font_can_draw_get_no_note(tmp_path, caplog):
    fonts.save_pictures({tmp_path / "a.png": figure_of("Société_Générale", "M&M.NS", "$^$")})
    assert not caplog.records


def test_an_installed_font_helps_out(tmp_path, monkeypatch, caplog):
    # A sign that DejaVu Sans lacks, and another font that comes with matplotlib has.
    assert "STIXNonUnicode" in {font.name for font in fontManager.ttflist}
    figure = figure_of("\ue000")
    monkeypatch.setattr(fonts, "installed", lambda: ())
    fonts.save_pictures({tmp_path / "without.png": figure})
    assert len(caplog.records) == 1
    monkeypatch.setattr(fonts, "installed", lambda: ("STIXNonUnicode",))
    fonts.save_pictures({tmp_path / "with.png": figure})
    assert len(caplog.records) == 1
    assert "STIX" not in inline_svg(figure)


def test_other_warnings_pass():
    with pytest.warns(UserWarning, match="of something else"), fonts.missing_glyphs():
        warnings.warn("of something else", stacklevel=1)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", ""),
        ("AAPL", "AAPL"),
        ("ABCDEFGH", "ABCDEFGH"),
        ("ABCDEFGHI", "ABCDEFG…"),
        ("贵州茅台", "贵州茅台"),
        ("贵州茅台酒", "贵州茅…"),
        ("A贵州茅台", "A贵州茅…"),
    ],
)
def test_names_are_cut_by_the_columns_they_take(name, shown):
    assert shortened(name, 8) == shown


def test_the_browser_draws_chinese_names():
    drawing = inline_svg(figure_of("贵州茅台", "トヨタ自動車", "M&M.NS", "<b>"))
    for text in ("贵州茅台", "トヨタ自動車", "M&amp;M.NS", "&lt;b&gt;"):
        assert f">{text}</text>" in drawing
    assert "sans-serif" in drawing

import html
import re

import pytest
from matplotlib.figure import Figure

from finai_rl.report.canvas import canvas, legend
from finai_rl.report.svg import inline_svg

NAME = "<script>alert('1.2345')</script> & \"co\""


@pytest.fixture
def figure():
    figure, axes = canvas(NAME, "in words", ["A caveat."])
    legend(axes, axes.plot([1.23456, 2, 4], label=NAME), [NAME])
    return figure


def test_a_drawing_is_labelled_and_leaves_its_heading_to_the_page(figure):
    drawing = inline_svg(figure)
    label = re.match('<svg role="img" aria-label="([^"]*)"', drawing)[1]
    assert html.unescape(label) == f"{NAME}. in words"
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawing)
    assert texts.count("&lt;script&gt;alert('1.2345')&lt;/script&gt; &amp; \"co\"") == 1
    assert not {"in words", "A caveat."} & set(texts)
    assert "<script" not in drawing
    assert all(text.get_visible() for text in figure.texts)


def test_the_same_figure_gives_the_same_text_with_few_digits(figure):
    drawing = inline_svg(figure)
    assert drawing == inline_svg(figure)
    assert not re.search(r'<path [^>]*\bd="[^"]*\.\d\d', drawing)
    assert not re.search(r"https?:|<metadata|<!|<style", drawing)
    ids = re.findall(r' id="([^"]*)"', drawing)
    assert len(ids) == len(set(ids))
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]*)', drawing))
    assert referred == set(ids)


def test_nothing_but_the_heading_is_outside_the_drawing(figure):
    box = re.search(r'viewBox="0 ([\d.]+) \d+ ([\d.]+)"', inline_svg(figure))
    top, height = map(float, box.groups())
    figure.set_dpi(72)
    figure.canvas.draw()
    total = 72 * figure.get_figheight()
    box = figure.axes[0].get_tightbbox()
    assert total - box.y1 >= top
    assert total - box.y0 <= top + height
    assert all(total - text.get_window_extent().y0 <= top for text in figure.texts[:2])


def test_a_figure_of_several_axes_is_shown_whole():
    figure = Figure(figsize=(10, 5))
    for bottom in (0.1, 0.6):
        figure.add_axes((0.1, bottom, 0.8, 0.3)).set_title("name", loc="left")
    box = re.search(r'viewBox="0 ([\d.]+) 720 ([\d.]+)"', inline_svg(figure))
    top, tall = float(box[1]), float(box[2])
    assert top <= 0.1 * 360 - 14
    assert top + tall >= 0.9 * 360 + 20

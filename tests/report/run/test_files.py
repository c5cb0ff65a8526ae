import itertools
import warnings
from dataclasses import replace

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from finai_rl.report.canvas import CurrencyFormatter, _spread, currency
from finai_rl.report.run.files import (
    account_value_figure,
    drawdown_figure,
    holdings_figure,
    save_report,
)
from tests.evaluation.accounts import sold_short, traded

CAVEATS = (
    "The sample's 20 stocks are survivors, which flatters every strategy that buys them.",
    "A fee of $1 and a_fee of $2 are not modelled.",
) * 3


@pytest.fixture(scope="module")
def agent():
    return traded(120, 12, size=0.1)


@pytest.fixture(scope="module")
def baseline():
    return replace(traded(120, 12, seed=1), name="equal-weight buy and hold")


def _inside(figure, artists):
    """Whether all artists are drawn within the figure, in pixels."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    boxes = [artist.get_window_extent() for artist in artists]
    return all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= width and b.y1 <= height for b in boxes)


def test_writes_pictures_and_tables(tmp_path, agent, baseline):
    index = np.linspace(1e6, 1.2e6, 120)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = save_report(agent, [baseline], index, "index", (), tmp_path / "new" / "report")
    names = ["account_value.png", "drawdown.png", "holdings.png"]
    tables = ["account_value.csv", "holdings.csv", "trades.csv"]
    assert [path.name for path in paths] == names + tables
    for path in paths[:3]:
        picture = matplotlib.image.imread(path)
        assert picture.shape[:2] == (817, 1500)
        assert len(np.unique(picture[..., 0])) > 10


def test_works_without_baselines_index_and_caveats(tmp_path, agent):
    assert len(save_report(agent, [], None, "", (), tmp_path)) == 6


def test_pyplot_knows_of_no_figure(agent):
    before = plt.get_fignums()
    holdings_figure(agent)
    account_value_figure(agent)
    assert plt.get_fignums() == before


def test_the_footnote_is_added_below_and_the_axes_keep_their_size(agent):
    plain, noted = account_value_figure(agent), account_value_figure(agent, caveats=CAVEATS)
    heights = [f.get_size_inches()[1] * f.axes[0].get_position().height for f in (plain, noted)]
    assert heights[0] == pytest.approx(heights[1])
    assert noted.get_size_inches()[1] > plain.get_size_inches()[1]
    footnote = noted.texts[-1]
    assert footnote.get_text().replace("\n", " ") == " ".join(CAVEATS)
    assert _inside(noted, noted.texts)
    axis = noted.axes[0].xaxis
    low = min(
        label.get_window_extent().y0 for label in [*axis.get_ticklabels(), axis.get_offset_text()]
    )
    assert footnote.get_window_extent().y1 < low


def test_account_value_labels_every_line_at_its_end(agent, baseline):
    close = replace(agent, name="a name that is far too long for the margin of the figure")
    figure = account_value_figure(agent, [baseline, close], agent.account_value, "S&P 500")
    axes = figure.axes[0]
    assert len(axes.get_lines()) == 4
    labels = [text.get_text() for text in axes.texts]
    ends = (agent, baseline, close, agent)
    names = ("agent", "equal-weight buy and hold", "a name that is far too lo…", "S&P 500")
    assert [label.split("\n")[0] for label in labels] == list(names)
    for label, end in zip(labels, ends, strict=True):
        change = end.account_value[-1] / end.account_value[0] - 1
        assert label.endswith(f"({change:+.1%})")
    assert _inside(figure, axes.texts)
    # An annotation's own extent counts the line that leads to it.
    boxes = sorted((Text.get_window_extent(text) for text in axes.texts), key=lambda box: box.y0)
    for lower, upper in itertools.pairwise(boxes):
        assert lower.y1 <= upper.y0, "labels overlap"


def test_drawdown_lines_start_at_zero_and_never_rise_above(agent, baseline):
    figure = drawdown_figure(agent, [baseline])
    axes = figure.axes[0]
    for line, result in zip(axes.get_lines(), (agent, baseline), strict=True):
        peak = np.maximum.accumulate(result.account_value)
        np.testing.assert_allclose(line.get_ydata(), result.account_value / peak - 1, atol=1e-12)
    assert axes.get_ylim()[1] == 0
    worst = (agent.account_value / np.maximum.accumulate(agent.account_value) - 1).min()
    texts = axes.get_legend().get_texts()
    assert texts[0].get_text() == f"agent\nworst {worst:.1%}"
    assert _inside(figure, texts)


def test_a_dollar_sign_is_not_mathematics(agent):
    odd = replace(agent, name="$x$", tickers=tuple(f"${ticker}$" for ticker in agent.tickers))
    for figure in (
        account_value_figure(odd, caveats=CAVEATS),
        drawdown_figure(odd),
        holdings_figure(odd),
    ):
        box = figure.axes[0].get_legend()
        texts = [*figure.texts, *figure.axes[0].texts, *(box.get_texts() if box else ())]
        assert not any(text.get_parse_math() for text in texts)


def test_the_agent_is_drawn_on_top(agent, baseline):
    lines = account_value_figure(agent, [baseline], agent.account_value).axes[0].get_lines()
    assert lines[0].get_zorder() > lines[1].get_zorder() > lines[2].get_zorder()


def test_holdings_between_two_closes_are_those_the_later_one_finds():
    result = traded(2, 1, seed=1, cash=1000.0)
    assert result.weights[1, 0] > 0.5, "the market must buy on the first day"
    axes = holdings_figure(result).axes[0]
    noon = np.mean(axes.get_xlim())
    stock, cash = (area.get_paths()[0] for area in axes.collections)
    assert stock.contains_point((noon, 0.5))
    assert not cash.contains_point((noon, 0.5))


@pytest.mark.parametrize("close", [[10.0, 30.0, 10.0], [10.0, 12.0, 25.0, 10.0]])
def test_a_ruined_account_is_drawn_up_to_its_ruin(tmp_path, close):
    result = sold_short(close, shares=100)
    n_days = len(result.dates)
    assert n_days < len(close)
    baseline = sold_short(close, shares=0).head(n_days)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = save_report(result, [baseline], np.full(n_days, 1000.0), "index", (), tmp_path)
        axes = drawdown_figure(result, [baseline]).axes[0]
    assert all(path.stat().st_size for path in paths)
    assert axes.get_lines()[0].get_ydata()[-1] < -1
    subtitle = account_value_figure(result).texts[1].get_text()
    assert subtitle.endswith(f"to {result.dates[-1]}, when it was ruined")


def test_short_positions_are_drawn_below_zero():
    result = sold_short([10.0, 12.0, 11.0], shares=50)
    figure = holdings_figure(result)
    axes = figure.axes[0]
    assert "short positions below zero" in figure.texts[1].get_text()
    low, high = axes.get_ylim()
    assert low == pytest.approx(-600 / 900)
    assert high == pytest.approx(1500 / 900)
    stock, cash, *_ = (area.get_paths()[0].vertices[:, 1] for area in axes.collections)
    assert stock.max() == 0
    assert cash.max() == pytest.approx(1500 / 900)


def test_leverage_just_before_ruin_does_not_hide_the_other_days():
    axes = holdings_figure(sold_short([10.0, 19.9, 18.0], shares=100)).axes[0]
    assert axes.get_ylim() == (-3, 4)


def test_holdings_show_the_largest_stocks_the_others_and_cash(agent):
    axes = holdings_figure(agent).axes[0]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    average = agent.weights.mean(axis=0)[:-1]
    largest = [agent.tickers[stock] for stock in np.argsort(-average)[:8]]
    assert names == ["cash", "4 other stocks", *largest[::-1]]
    assert len(axes.collections) == 10
    tops = [area.get_paths()[0].vertices[:, 1].max() for area in axes.collections]
    assert tops[-1] == pytest.approx(1)


@pytest.mark.parametrize("n_stocks", [1, 8, 9])
def test_holdings_of_few_stocks(n_stocks):
    figure = holdings_figure(traded(30, n_stocks))
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert ("1 other stock" in names) == (n_stocks == 9)
    assert len(names) == min(n_stocks, 8) + 1 + (n_stocks == 9)


@pytest.mark.parametrize("hourly", [False, True])
@pytest.mark.parametrize("n_days", [2, 30, 5000])
def test_from_two_days_to_twenty_years_and_by_the_hour(n_days, hourly):
    result = traded(n_days, 2, size=0.01)
    if hourly:
        hours = np.arange(n_days) * np.timedelta64(1, "h")
        result = replace(result, dates=np.datetime64("2024-01-02T10:00", "s") + hours)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for figure in (account_value_figure(result), holdings_figure(result)):
            figure.canvas.draw()
    ticks = figure.axes[0].xaxis.get_ticklabels()
    low, high = figure.axes[0].get_xlim()
    assert 2 <= sum(low <= tick.get_position()[0] <= high for tick in ticks) <= 12


def test_refuses_an_index_over_other_days(agent):
    with pytest.raises(ValueError, match="index has 3 values for the 120 days of 'agent'"):
        account_value_figure(agent, index=np.ones(3))


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([0, 1e6, 2e6], ["0.0M", "1.0M", "2.0M"]),
        ([0.95e6, 1.0e6, 1.05e6], ["0.95M", "1.00M", "1.05M"]),
        ([1_000_000, 1_002_500], ["1.0000M", "1.0025M"]),
        ([10e3, 20e3], ["10k", "20k"]),
        ([0, 2.5], ["0.0", "2.5"]),
        ([2e9], ["2.0B"]),
        ([], []),
    ],
)
def test_currency_ticks_share_a_unit_and_differ(ticks, labels):
    assert CurrencyFormatter().format_ticks(ticks) == labels


@pytest.mark.parametrize(
    ("amount", "text"), [(1_042_000, "1.04M"), (950_240, "950.2k"), (12.5, "12.50"), (3e9, "3.00B")]
)
def test_currency_amounts(amount, text):
    assert currency(amount) == text


def test_labels_move_as_little_as_they_can():
    placed = _spread(np.array([0.5, 0.1, 0.5]), 0.2, 0.0, 1.0)
    np.testing.assert_allclose(placed, [0.4, 0.1, 0.6])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 0.5))
def test_labels_keep_their_distance_their_order_and_the_axes(heights, gap):
    placed = _spread(np.array(heights), gap, 0.0, 1.0)
    gap = min(gap, 1 / max(len(heights) - 1, 1))
    order = np.argsort(heights, kind="stable")
    assert (np.diff(placed[order]) >= gap - 1e-9).all()
    assert placed.min() >= -1e-9
    assert placed.max() <= 1 + 1e-9
    if (np.diff(np.sort(heights)) > gap).all():
        np.testing.assert_allclose(placed, heights, atol=1e-9)

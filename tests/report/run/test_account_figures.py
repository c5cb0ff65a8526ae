import itertools
import warnings
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text

from finai_rl.evaluation.run_statistics import statistics_of
from finai_rl.report.formats import number
from finai_rl.report.run.account_figures import (
    account_value_figure,
    drawdown_figure,
    random_agents_figure,
    rolling_sharpe_figure,
)
from finai_rl.report.run.contents import DataFacts, EvaluationReport
from finai_rl.report.run.files import figures
from finai_rl.report.run.trading_figures import holdings_figure
from finai_rl.statistics.returns import sharpe_ratio
from tests.evaluation.accounts import sold_short, traded
from tests.report.run.reports import band

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


def report(agent, *baselines, **parts):
    return EvaluationReport("t", agent, {b.name: b for b in baselines}, **parts)


def _inside(figure, artists):
    """Whether all artists are drawn within the figure, in pixels."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    boxes = [artist.get_window_extent() for artist in artists]
    return all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= width and b.y1 <= height for b in boxes)


def test_pyplot_knows_of_no_figure(agent):
    before = plt.get_fignums()
    figures(report(agent, statistics=statistics_of(agent, n_resamples=2)))
    assert plt.get_fignums() == before


def test_the_footnote_is_added_below_and_the_axes_keep_their_size(agent):
    plain = account_value_figure(report(agent))
    noted = account_value_figure(report(agent, data=DataFacts(caveats=CAVEATS)))
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
    index = {"index": agent.account_value, "index_name": "S&P 500"}
    figure = account_value_figure(report(agent, baseline, close, **index))
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


def test_random_agents_are_two_nested_bands_and_a_median(agent):
    draws = band(agent, [traded(120, 12, seed=seed, size=0.1) for seed in range(2, 22)])
    figure = account_value_figure(report(agent, random=draws))
    assert "grey: 50 % and 90 % of random agents" in figure.texts[1].get_text()
    axes = figure.axes[0]
    outer, inner = (area.get_paths()[0].vertices[:, 1] for area in axes.collections)
    quantiles = draws.quantiles()
    for area, low, high in ((outer, 0, 4), (inner, 1, 3)):
        assert (area.min(), area.max()) == (quantiles[low].min(), quantiles[high].max())
    np.testing.assert_array_equal(axes.get_lines()[0].get_ydata(), quantiles[2])


def test_drawdown_lines_start_at_zero_and_never_rise_above(agent, baseline):
    figure = drawdown_figure(report(agent, baseline))
    axes = figure.axes[0]
    for line, result in zip(axes.get_lines(), (agent, baseline), strict=True):
        peak = np.maximum.accumulate(result.account_value)
        np.testing.assert_allclose(line.get_ydata(), result.account_value / peak - 1, atol=1e-12)
    assert axes.get_ylim()[1] == 0
    worst = (agent.account_value / np.maximum.accumulate(agent.account_value) - 1).min()
    texts = axes.get_legend().get_texts()
    assert texts[0].get_text() == f"agent\nworst {worst:.1%}"
    assert _inside(figure, texts)


def test_rolling_sharpe_ratios_stand_at_the_last_of_their_days(agent, baseline):
    found = statistics_of(agent, {baseline.name: baseline}, window=40, n_resamples=2)
    axes = rolling_sharpe_figure(report(agent, baseline, statistics=found)).axes[0]
    lines = dict(zip((agent.name, baseline.name), axes.get_lines(), strict=False))
    for name, line in lines.items():
        np.testing.assert_array_equal(line.get_xdata(), agent.dates[1:])
        np.testing.assert_array_equal(line.get_ydata(), found.rolling_sharpe[name])
    low, high = axes.get_ylim()
    assert low < 0 < high
    short = statistics_of(agent, window=500, n_resamples=2)
    assert rolling_sharpe_figure(report(agent, statistics=short)) is None


def test_the_histogram_holds_every_random_agent_and_marks_the_own(agent):
    draws = band(agent, [traded(120, 12, seed=seed, size=0.1) for seed in range(2, 22)])
    own = sharpe_ratio(agent.returns)
    undefined = np.append(draws.sharpe_ratio[1:], np.nan)
    for ratios, n_defined in ((draws.sharpe_ratio, 20), (undefined, 19)):
        random = replace(draws, sharpe_ratio=ratios)
        axes = random_agents_figure(report(agent, random=random)).axes[0]
        counts, edges, _ = axes.patches[0].get_data()
        assert counts.sum() == n_defined
        assert (edges[0], edges[-1]) == (np.nanmin(ratios), np.nanmax(ratios))
        assert axes.get_lines()[0].get_xdata() == [own, own]
        assert axes.get_legend().get_texts()[0].get_text() == f"agent\n{number(own, 'ratio')}"
        low, high = axes.get_xlim()
        assert low <= min(own, edges[0]) < max(own, edges[-1]) <= high
    nothing = replace(draws, sharpe_ratio=np.full(20, np.nan))
    assert random_agents_figure(report(agent, random=nothing)) is None


def test_a_dollar_sign_is_not_mathematics(agent):
    odd = replace(agent, name="$x$", tickers=tuple(f"${ticker}$" for ticker in agent.tickers))
    everything = report(
        odd,
        statistics=statistics_of(odd, window=30, n_resamples=2),
        random=band(odd, [agent]),
        data=DataFacts(caveats=CAVEATS),
    )
    for name, figure in figures(everything).items():
        if name == "monthly_returns":
            continue
        box = figure.axes[0].get_legend()
        texts = [*figure.texts, *figure.axes[0].texts, *(box.get_texts() if box else ())]
        assert not any(text.get_parse_math() for text in texts)


def test_the_agent_is_drawn_on_top(agent, baseline):
    figure = account_value_figure(report(agent, baseline, index=agent.account_value))
    lines = figure.axes[0].get_lines()
    assert lines[0].get_zorder() > lines[1].get_zorder() > lines[2].get_zorder()


@pytest.mark.parametrize("close", [[10.0, 30.0, 10.0], [10.0, 12.0, 25.0, 10.0]])
def test_a_ruined_account_is_drawn_up_to_its_ruin(close):
    result = sold_short(close, shares=100)
    n_days = len(result.dates)
    baseline = replace(sold_short(close, shares=0).head(n_days), name="b")
    for make in (account_value_figure, drawdown_figure):
        figure = make(report(result, baseline))
        axes = figure.axes[0]
        assert len(axes.get_lines()[0].get_ydata()) == n_days
        assert axes.get_xlim() == tuple(axes.convert_xunits(result.dates[[0, -1]]))
        assert figure.get_label().endswith(f"to {result.dates[-1]}, when it was ruined")
    assert axes.get_lines()[0].get_ydata()[-1] < -1


@pytest.mark.parametrize("hourly", [False, True])
@pytest.mark.parametrize("n_days", [2, 30, 5000])
def test_from_two_days_to_twenty_years_and_by_the_hour(n_days, hourly):
    result = traded(n_days, 2, size=0.01)
    if hourly:
        hours = np.arange(n_days) * np.timedelta64(1, "h")
        result = replace(result, dates=np.datetime64("2024-01-02T10:00", "s") + hours)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for figure in (account_value_figure(report(result)), holdings_figure(report(result))):
            figure.canvas.draw()
            axes = figure.axes[0]
            assert axes.get_xlim() == tuple(axes.convert_xunits(result.dates[[0, -1]]))
            ticks = axes.xaxis.get_ticklabels()
            low, high = axes.get_xlim()
            assert 2 <= sum(low <= tick.get_position()[0] <= high for tick in ticks) <= 12

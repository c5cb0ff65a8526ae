import numpy as np
import pandas as pd
import pytest

from finai_rl.evaluation.run_statistics import statistics_of
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.trading_figures import (
    costs_figure,
    holdings_figure,
    monthly_figure,
    turnover_figure,
)
from tests.evaluation.accounts import sold_short, traded


@pytest.fixture(scope="module")
def agent():
    return traded(120, 12, size=0.1)


def holdings(result):
    """The figure, and the tops of its areas by what the legend calls them."""
    figure = holdings_figure(EvaluationReport("t", result))
    axes = figure.axes[0]
    names = [text.get_text().rpartition("  ")[0] for text in axes.get_legend().get_texts()]
    heights = [area.get_data().values for area in axes.patches]
    return figure, names, heights


def test_holdings_between_two_closes_are_those_the_later_one_finds():
    result = traded(2, 1, seed=1, cash=1000.0)
    assert result.weights[1, 0] > 0.5, "the market must buy on the first day"
    figure, names, (cash, stock) = holdings(result)
    assert names == ["cash", result.tickers[0]]
    assert stock == [result.weights[1, 0]]
    assert cash == [pytest.approx(1)]
    edges = figure.axes[0].patches[0].get_data().edges
    np.testing.assert_array_equal(edges, figure.axes[0].convert_xunits(result.dates))


def test_short_positions_are_drawn_below_zero():
    result = sold_short([10.0, 12.0, 11.0], shares=50)
    figure, _, (cash_above, stock_above, cash_below, stock_below) = holdings(result)
    assert "short positions below zero" in figure.texts[1].get_text()
    low, high = figure.axes[0].get_ylim()
    assert low == pytest.approx(-600 / 900)
    assert high == pytest.approx(1500 / 900)
    assert stock_above.max() == 0
    assert cash_above.max() == pytest.approx(1500 / 900)
    assert stock_below.min() == cash_below.min() == pytest.approx(-600 / 900)


def test_leverage_just_before_ruin_does_not_hide_the_other_days():
    figure, *_ = holdings(sold_short([10.0, 19.9, 18.0], shares=100))
    assert figure.axes[0].get_ylim() == (-3, 4)


def test_holdings_show_the_largest_stocks_the_others_and_cash(agent):
    figure, names, heights = holdings(agent)
    average = agent.weights.mean(axis=0)
    largest = np.argsort(-average[:-1])[:8]
    assert names == ["cash", "4 other stocks", *(agent.tickers[n] for n in largest[::-1])]
    np.testing.assert_allclose(heights[0], 1)
    tops = np.cumsum(agent.weights[1:, largest], axis=1).T
    np.testing.assert_allclose(heights[2:], tops[::-1])
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts[0] == f"cash  {100 * average[-1]:.0f} %"
    assert texts[-1].endswith(f"  {100 * average[largest[0]]:.0f} %")


@pytest.mark.parametrize("n_stocks", [1, 8, 9])
def test_holdings_of_few_stocks(n_stocks):
    _, names, _ = holdings(traded(30, n_stocks))
    assert ("1 other stock" in names) == (n_stocks == 9)
    assert len(names) == min(n_stocks, 8) + 1 + (n_stocks == 9)


def test_a_long_history_is_drawn_on_some_days_to_its_end():
    result = traded(5000, 3, size=0.02)
    figure, _, heights = holdings(result)
    assert len(heights[0]) < 500
    edges = figure.axes[0].patches[0].get_data().edges
    np.testing.assert_array_equal(
        edges[[0, -1]], figure.axes[0].convert_xunits(result.dates[[0, -1]])
    )
    largest = result.weights[:, :-1].mean(axis=0).argmax()
    assert heights[-1][-1] == result.weights[-1, largest]


def test_turnover_of_a_month_is_that_of_its_days(agent):
    found = statistics_of(agent, n_resamples=2)
    bars = turnover_figure(EvaluationReport("t", agent), found).axes[0].patches
    by_month = pd.Series(found.turnover, agent.dates[:-1]).groupby(agent.dates[:-1].astype("M8[M]"))
    np.testing.assert_allclose([bar.get_height() for bar in bars], by_month.sum())


def test_costs_add_up(agent):
    found = statistics_of(agent, n_resamples=2)
    axes = costs_figure(EvaluationReport("t", agent), found).axes[0]
    line = axes.get_lines()[0].get_ydata()
    np.testing.assert_allclose(np.diff(line), found.costs)
    assert line[0] == axes.get_ylim()[0] == 0
    text = axes.get_legend().get_texts()[0].get_text()
    assert text == f"agent\n{100 * found.costs.sum():.1f} % in all"


def test_monthly_returns_are_written_into_their_fields(agent):
    found = statistics_of(agent, n_resamples=2)
    axes = monthly_figure(EvaluationReport("t", agent), found).axes[0]
    texts = {text.get_position()[::-1]: float(text.get_text()) for text in axes.texts}
    values = 100 * found.monthly.to_numpy(dtype=float)
    known = np.argwhere(np.isfinite(values))
    assert texts == {
        (row, column): pytest.approx(values[row, column], abs=0.051) for row, column in known
    }

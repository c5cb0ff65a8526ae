"""The part of a page that is about days after the backtest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from finai_rl.evaluation.metrics import metrics
from finai_rl.evaluation.run_statistics import statistics_of
from finai_rl.report.run.contents import EvaluationReport
from finai_rl.report.run.files import figures
from finai_rl.report.run.live import LiveDays, Period, comparison
from finai_rl.report.run.page import html_page
from finai_rl.statistics.exchangeability import exchangeability_test
from finai_rl.statistics.intervals.estimates import return_intervals
from tests.evaluation.accounts import traded
from tests.report.run.test_page import Reader

ACCOUNT = traded(200, 12, size=0.1)
DATES = ACCOUNT.dates[150:]
LATE = ["2020-06-01", "2020-06-02"]


def live(loss: float = 0.0) -> LiveDays:
    earlier, later = ACCOUNT.returns[:149], ACCOUNT.returns[150:] - loss
    in_time = np.isin(DATES[:-1].astype(str), LATE, invert=True)
    return LiveDays(
        DATES,
        {
            "Backtest": Period(150, metrics(ACCOUNT.head(150)), return_intervals(earlier)),
            "Live": Period(50, {"total_return": 0.1234}, return_intervals(later[:10])),
        },
        exchangeability_test(earlier, later[in_time]),
        len(earlier),
        {"Chain": "checked <all>"},
        LATE,
        ["A note."],
    )


def report(days: LiveDays | None) -> EvaluationReport:
    statistics = statistics_of(ACCOUNT, n_resamples=50)
    return EvaluationReport("Mine", ACCOUNT, statistics=statistics, live=days)


def test_a_page_shows_live_days_the_bet_and_the_books() -> None:
    shown = report(live())
    page = Reader(html_page(shown, figures(shown)))
    assert page.sections[0] == "live"
    assert any("20: evidence at 5 %" in text for text in page.texts["live"])
    rows = page.rows("live")
    assert rows["Total return"][2] == "12.3 %"
    # 149 returns of a backtest have an interval, 10 have none.
    assert "to" in rows["Sharpe ratio"][1]
    assert rows["Sharpe ratio"][3] == ""
    for said in ("checked <all>", "2 days not decided when they came", "2020-06-02", "A note."):
        assert said in page.text
    assert "no evidence that they are lower" in page.text


def test_the_bet_is_on_days_that_were_decided_when_they_came() -> None:
    days = live()
    (line, *_) = figures(report(days))["bet"].axes[0].lines
    assert days.test is not None
    assert len(line.get_xdata()) == 1 + len(days.test.wealth) == len(DATES) - len(LATE)


def test_live_returns_that_are_lower_are_told() -> None:
    assert live(loss=0.05).sentence.endswith("are lower than the backtest's, at the level of 5 %.")


@pytest.mark.parametrize("name", ["account_value", "drawdown", "holdings", "turnover", "costs"])
def test_live_days_are_marked_in_every_chart_over_days(name: str) -> None:
    marked, plain = (figures(report(days))[name].axes[0] for days in (live(), None))
    assert [text.get_text() for text in marked.texts].count("live") == 1
    assert "live" not in [text.get_text() for text in plain.texts]
    assert len(marked.patches) == len(plain.patches) + 1


def test_without_live_days_a_page_says_nothing_of_them() -> None:
    shown = report(None)
    assert "live" not in Reader(html_page(shown, figures(shown))).sections


def test_a_period_without_intervals_has_no_column_of_them() -> None:
    days = replace(live(), periods={"Live": Period(5, {}), "Held": Period(1, {})})
    assert comparison(days).heads == ["", "Live, 5 days", "Held, 1 day"]

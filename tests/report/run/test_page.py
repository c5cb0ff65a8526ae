import re
import warnings
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.evaluation.metrics import metrics
from finai_rl.evaluation.run_statistics import CostScenario, statistics_of
from finai_rl.evaluation.verdict import judge_run
from finai_rl.report.formats import ends, number
from finai_rl.report.run.contents import DataFacts, EvaluationReport, RunFacts, seed_scores
from finai_rl.report.run.files import figures, save_page
from finai_rl.report.run.page import html_page
from finai_rl.report.run.terms import METRICS
from tests.evaluation.accounts import sold_short, traded
from tests.report.run.reports import band, behaviour_of

N_DAYS = 300
SECTIONS = [
    "verdict",
    "behaviour",
    "account-value",
    "key-numbers",
    "reasons",
    "drawdowns",
    "monthly-returns",
    "rolling-sharpe",
    "holdings",
    "trading",
    "regimes",
    "seeds",
    "luck",
    "data",
    "run",
]
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Reader(HTMLParser):
    """Checks that tags are balanced; keeps sections, tables and charts by section, and the text."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.sections, self.tables, self.words = [], [], {}, []
        self.charts, self.texts = {}, {}
        self.cell = None
        self.feed(page)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self.sections.append(attrs["id"])
        elif tag == "svg":
            assert attrs["role"] == "img"
            self.charts.setdefault(self.sections[-1], []).append(attrs["aria-label"])
        elif tag == "table":
            self.tables.setdefault(self.sections[-1], []).append([])
        elif tag == "tr":
            self.tables[self.sections[-1]][-1].append([])
        elif tag in ("td", "th"):
            self.cell = []

    def handle_startendtag(self, tag, attrs):
        assert tag in {"path", "rect", "use", "g"}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.tables[self.sections[-1]][-1][-1].append("".join(self.cell))
            self.cell = None

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words.append(data)
        if "svg" in self.open and data.strip():
            self.texts.setdefault(self.sections[-1], []).append(data)
        if self.cell is not None:
            self.cell.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def rows(self, section, number=0):
        return {row[0]: row[1:] for row in self.tables[section][number]}


def page_of(report):
    return html_page(report, figures(report))


@pytest.fixture(scope="module")
def report():
    agent = traded(N_DAYS, 12, size=0.1)
    hold = replace(traded(N_DAYS, 12, seed=1, size=0.02), name="equal weight")
    draws = [traded(N_DAYS, 12, seed=seed, size=0.1) for seed in range(2, 22)]
    seeds = [
        {"seed": seed, "fold": fold, "sharpe_ratio": 0.5 + seed / 10, "max_drawdown": -0.1}
        for fold in (1, 2)
        for seed in range(5)
    ]
    return EvaluationReport(
        title="Agent <1> & others",
        result=agent,
        baselines={"equal weight": hold},
        block="test",
        verdict=judge_run(agent, hold, 12, trial_variance=0.002),
        statistics=statistics_of(
            agent,
            {"equal weight": hold},
            risk=np.random.default_rng(0).uniform(1, 100, N_DAYS),
            risk_name="turbulence",
            n_resamples=200,
        ),
        metrics={
            "agent": metrics(agent, benchmark_returns=hold.returns),
            "equal weight": metrics(hold),
        },
        benchmark_name="equal weight",
        random=band(agent, draws),
        index=np.linspace(1e6, 1.3e6, N_DAYS),
        index_name="S&P 500",
        seeds=seed_scores(pd.DataFrame(seeds)),
        behaviour=behaviour_of(agent),
        data=DataFacts("closes", "ab" * 32, ["Stocks are survivors."], ["A <gap> was filled."]),
        run=RunFacts("run-7", "train seed=3", "seed: 3", {"numpy": "2.4"}),
    )


@pytest.fixture(scope="module")
def page(report):
    return page_of(report)


def test_shows_every_section_in_order(page):
    reader = Reader(page)
    assert reader.sections == SECTIONS
    for words in (
        "Agent <1> & others",
        "test · 2020-01-01 to",
        "20 random agents",
        "S&P 500",
        "interquartile mean 0.70",
        "benchmark of alpha, beta and the like is equal weight.",
        "Over equal weight",
        "Stocks are survivors.",
        "A <gap> was filled.",
        "ab" * 32,
        "run-7",
        "train seed=3",
        "numpy 2.4",
        "Break-even cost",
        "Minimum track record length",
    ):
        assert words in reader.text, words


def test_leaves_out_what_is_missing(report):
    bare = EvaluationReport("bare", report.result)
    assert Reader(page_of(bare)).sections == ["account-value", "drawdowns"]
    without = {
        "verdict": ({"verdict": None}, {"verdict"}),
        "behaviour": ({"behaviour": None}, {"behaviour", "reasons"}),
        "metrics": ({"metrics": {}}, {"key-numbers"}),
        "seeds": ({"seeds": None}, {"seeds"}),
        "data": ({"data": None}, {"data"}),
        "run": ({"run": RunFacts()}, {"run"}),
        "luck": ({"verdict": None, "random": None}, {"verdict", "luck"}),
        "statistics": (
            {"statistics": None},
            {"monthly-returns", "rolling-sharpe", "holdings", "trading", "regimes"},
        ),
    }
    for changes, gone in without.values():
        left = Reader(page_of(replace(report, **changes))).sections
        assert left == [name for name in SECTIONS if name not in gone]


def test_asks_no_server_for_anything(page):
    assert not re.search(r"https?:|//[a-z]|src=|href=(?!\"#)|@import|url\((?!#)", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert "<script" not in page
    assert len(page) < 500_000
    names = re.findall(r' id="([^"]*)"', page)
    assert len(names) == len(set(names))


def test_every_chart_is_drawn_labelled_and_covers_the_days(report, page):
    reader = Reader(page)
    days = f"{report.result.dates[0]} to {report.result.dates[-1]}"
    titles = {
        "behaviour": ["Traded so far"],
        "account-value": ["Account value"],
        "reasons": [
            "What its Sharpe ratio owes to what it sees",
            "What its Sharpe ratio owes to each stock's numbers",
            "How its positions answer",
        ],
        "drawdowns": ["Drawdown"],
        "rolling-sharpe": ["Rolling Sharpe ratio"],
        "holdings": ["Holdings"],
        "trading": ["Turnover by month", "Costs of trading so far"],
        "luck": ["Sharpe ratios of random agents"],
    }
    assert list(reader.charts) == list(titles)
    for section, labels in reader.charts.items():
        for label, title in zip(labels, titles[section], strict=True):
            assert label.startswith(f"{title}. ")
            assert days in label or section in ("luck", "reasons")
    gain = f"{report.metrics['agent']['total_return']:+.1%}"
    assert any(gain in text for text in reader.texts["account-value"])
    assert "S&P 500" in reader.texts["account-value"]
    assert f"worst {report.metrics['agent']['max_drawdown']:.1%}" in reader.texts["drawdowns"]
    shares = report.statistics.holdings.mean()
    names = [f"{name}  {100 * shares[name]:.0f} %" for name in shares.index]
    assert [text for text in reader.texts["holdings"] if text in names] == names[::-1]


def test_hostile_names_are_only_text(report):
    hostile = "</svg><script>x</script>\" onload='x' &amp;"
    odd = replace(report.result, name=hostile, tickers=(hostile, *report.result.tickers[1:]))
    page = page_of(
        EvaluationReport(
            hostile,
            odd,
            {f"{hostile} 2": report.baselines["equal weight"]},
            statistics=statistics_of(odd, n_resamples=2),
            index=report.index,
            index_name=hostile,
            run=RunFacts(hostile, hostile, hostile, {hostile: hostile}),
        )
    )
    reader = Reader(page)
    assert "<script" not in page
    assert hostile in reader.charts["holdings"][0]
    assert any(text.startswith("</svg><script>x</script>") for text in reader.texts["holdings"])
    assert reader.text.count(hostile) >= 8


def test_the_same_report_gives_the_same_page(report, page):
    assert page_of(report) == page


def test_numbers_are_the_metrics(report, page):
    rows = Reader(page).rows("key-numbers")
    assert rows[""] == ["agent", "95 % interval", "equal weight"]
    for name, (label, unit, _) in METRICS.items():
        if name == "sharpe_ratio_lo" or name not in report.metrics["agent"]:
            continue
        assert rows[label][0] == number(report.metrics["agent"][name], unit)
        if name in report.metrics["equal weight"]:
            assert rows[label][2] == number(report.metrics["equal weight"][name], unit)
    found = report.statistics.intervals["sharpe_ratio"]
    assert rows["Sharpe ratio"][1] == f"{found.low:.2f} to {found.high:.2f}"
    difference = report.statistics.sharpe_differences["equal weight"]
    assert rows["Sharpe ratio, agent minus this"][2] == f"{difference.estimate:.2f}"
    assert rows["95 % interval of the difference"][2] == ends(
        difference.low, difference.high, "ratio"
    )


def test_the_monthly_table_multiplies_up_to_the_total_return(report, page):
    rows = Reader(page).rows("monthly-returns")
    months = [float(text) for year, row in rows.items() if year for text in row[:-1] if text]
    years = [float(row[-1]) for year, row in rows.items() if year]
    total = 1 + report.metrics["agent"]["total_return"]
    for parts in (months, years):
        assert np.prod(1 + np.array(parts) / 100) == pytest.approx(total, abs=0.01)


def test_tables_of_drawdowns_costs_regimes_and_seeds(report, page):
    reader = Reader(page)
    deepest = report.statistics.drawdowns[0]
    assert str(deepest.start) in reader.rows("drawdowns")
    assert reader.tables["drawdowns"][0][1][3] == number(deepest.depth, "percent")
    assert reader.rows("trading")["1 times"][1] == reader.rows("key-numbers")["Total return"][0]
    regimes = [row[2] for row in reader.tables["regimes"][0][1:]]
    assert sum(int(n) for n in regimes) == 2 * (N_DAYS - 1)
    assert len(reader.tables["seeds"][0]) == 11
    exact = replace(report, cost_scenarios=[CostScenario(3.0, 0.12, -0.5)])
    assert Reader(page_of(exact)).rows("trading")["3 times"] == ["0.12", "-50.0 %"]


def test_the_verdict_and_its_statistics(report, page):
    reader = Reader(page)
    assert report.verdict.sentence in reader.text
    assert report.verdict.rule in reader.text
    rows = reader.rows("luck")
    assert float(rows["PSR"][0]) == pytest.approx(report.verdict.evidence.probabilistic, abs=0.01)
    assert float(rows["DSR"][1]) == pytest.approx(report.verdict.active.deflated, abs=0.01)


def test_writes_the_page_and_pictures(tmp_path, report, page):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = save_page(report, tmp_path / "new" / "folder")
    names = ["account_value", "drawdown", "holdings", "monthly_returns", "rolling_sharpe"]
    assert [path.name for path in paths] == ["report.html", *(f"{name}.png" for name in names)]
    assert paths[0].read_text(encoding="utf-8") == page
    for path in paths[1:]:
        picture = matplotlib.image.imread(path)
        assert picture.shape[1] == 1500
        assert len(np.unique(picture[..., 0])) > 10
    few = save_page(EvaluationReport("bare", report.result), tmp_path)
    assert [path.name for path in few][1:] == [f"{name}.png" for name in names[:3]]


def test_a_long_history_keeps_its_extremes_and_is_thinned():
    result = traded(5000, 3, size=0.02)
    report = EvaluationReport("long", result, statistics=statistics_of(result, n_resamples=20))
    drawn = figures(report)
    page = html_page(report, drawn)
    assert len(page) < 250_000
    line = re.search(r'd="([^"]*)"[^>]*stroke: #0072b2; stroke-width: 2', page)[1]
    heights = -np.array([float(y) for y in re.findall(r"[ML] ?[\d.]+ ([\d.]+)", line)])
    assert len(heights) < 1800
    axes = drawn["account_value"].axes[0]
    inches = drawn["account_value"].get_figheight() * axes.get_position().height
    low, high = axes.get_ylim()
    spread = np.ptp(heights) / (72 * inches) * (high - low)
    assert spread == pytest.approx(np.ptp(result.account_value), rel=2e-3)
    assert heights.argmax() / len(heights) == pytest.approx(
        result.account_value.argmax() / 5000, abs=0.1
    )


def accounts():
    short = st.builds(
        lambda close, shares: sold_short([float(price) for price in close], float(shares)),
        st.lists(st.integers(1, 40), min_size=2, max_size=30),
        st.integers(-90, 150),
    )
    long = st.builds(
        lambda n, stocks, seed, size: traded(n, stocks, seed, size=size),
        st.integers(2, 300),
        st.integers(1, 11),
        st.integers(0, 50),
        st.sampled_from([0.0, 0.01, 1.0]),
    )
    return st.one_of(short, long)


@pytest.mark.slow
@given(result=accounts(), window=st.integers(2, 40), counted=st.integers(1, 50))
@settings(max_examples=25, deadline=None)
def test_any_account_has_a_page(result, window, counted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        n_days = len(result.dates)
        baseline = replace(result, name="same")
        statistics = statistics_of(
            result,
            {"same": baseline},
            risk=np.linspace(0, 1, n_days) ** 2,
            window=window,
            n_resamples=20,
        )
        report = EvaluationReport(
            "any",
            result,
            {"same": baseline},
            verdict=judge_run(result, baseline, counted),
            statistics=statistics,
            metrics={name: metrics(result) for name in (result.name, "same")},
            random=band(result, [baseline, baseline]),
            behaviour=behaviour_of(result),
        )
        reader = Reader(page_of(report))
    assert not re.search(r"\b(nan|inf)\b", reader.text.lower())
    for name, value in report.metrics[result.name].items():
        if np.isnan(value) and name in METRICS and name != "sharpe_ratio_lo":
            assert reader.rows("key-numbers")[METRICS[name][0]][0] == "undefined"


@pytest.mark.parametrize("close", [[10.0, 30.0], [10.0, 12.0, 25.0, 10.0]])
def test_pictures_of_ruined_accounts(tmp_path, close):
    result = sold_short(close, shares=100)
    report = EvaluationReport("ruin", result, statistics=statistics_of(result, window=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(path.stat().st_size for path in save_page(report, tmp_path))


def test_a_ruined_baseline_ends_early():
    close = [10.0, 12.0, 25.0, 10.0, 9.0]
    result, ruined = sold_short(close, shares=0), sold_short(close, shares=100)
    statistics = statistics_of(result, {"ruined": ruined}, window=2, risk=np.arange(5.0))
    assert not statistics.sharpe_differences
    page = page_of(EvaluationReport("r", result, {"ruined": ruined}, statistics=statistics))
    assert "ruined" in Reader(page).texts["account-value"]


def test_refuses_what_covers_other_days(report):
    agent, n_days = report.result, len(report.result.dates)
    with pytest.raises(ValueError, match="'b' does not cover the days of 'agent'"):
        EvaluationReport("t", agent, {"b": agent.head(n_days - 1)})
    with pytest.raises(ValueError, match="has the agent's name"):
        EvaluationReport("t", agent, {"agent": agent})
    with pytest.raises(ValueError, match=f"index has 3 values for {n_days} days"):
        EvaluationReport("t", agent, index=np.ones(3))
    with pytest.raises(ValueError, match=f"random agents have {n_days} days, not 50"):
        EvaluationReport("t", agent.head(50), random=report.random)
    longer = EvaluationReport("t", agent.head(50), {"b": agent})
    assert len(longer.shown_baselines["b"].dates) == 50


def test_seed_scores():
    table = pd.DataFrame(
        {"seed": [0, 1, 0, 1], "fold": [1, 1, 2, 2], "sharpe_ratio": [0, 1, 2, 3.0]}
    )
    found = seed_scores(table)
    assert found.iqm == 1.5
    assert found.low < 1.5 < found.high
    holes = seed_scores(table.iloc[:3])
    assert holes.iqm == 1
    assert np.isnan(holes.low)
    assert np.isnan(seed_scores(table.assign(sharpe_ratio=np.nan)).iqm)
    with pytest.raises(ValueError, match=r"lacks \['fold'\]"):
        seed_scores(table.drop(columns="fold"))


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.1234, "percent", "12.3 %"),
        (0.00123, "percent", "0.12 %"),
        (-1e-9, "percent", "0.00 %"),
        (11.604, "percent", "1,160 %"),
        (0.0, "percent", "0 %"),
        (1.005e6, "money", "1.00M"),
        (-0.001, "ratio", "-0.001"),
        (-0.0001, "ratio", "0.00"),
        (2.84, "bps", "2.8 bps"),
        (180.4, "bps", "180 bps"),
        (15.0, "count", "15"),
        (float("nan"), "ratio", "undefined"),
        (float("inf"), "percent", "undefined"),
    ],
)
def test_numbers_have_the_digits_of_their_unit(value, unit, text):
    assert number(value, unit) == text


def test_an_interval_has_its_unit_once():
    assert ends(0.1, 0.25, "percent") == "10.0 to 25.0 %"
    assert ends(-0.4, 1.2, "ratio") == "-0.40 to 1.20"
    assert ends(float("nan"), 1.0, "ratio") == "undefined"

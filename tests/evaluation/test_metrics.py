import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.evaluation import metrics as m
from finai_rl.evaluation.result import BacktestResult
from finai_rl.statistics.benchmark import market_model
from tests.evaluation.accounts import sold_short, traded

BENCHMARK_NAMES = {
    "excess_return",
    "information_ratio",
    "alpha",
    "beta",
    "alpha_standard_error",
    "beta_standard_error",
}


@pytest.fixture
def by_hand():
    """Two stocks: buy 50 of the first and 10 of the second at a cost of 7, then sell 25."""
    close = np.array([[10.0, 20.0], [12.0, 20.0], [12.0, 20.0]])
    trades = np.array([[50.0, 10.0], [-25.0, 0.0]])
    costs = np.array([7.0, 3.0])
    cash = np.array([1000.0, 293.0, 590.0])
    shares = np.array([[0.0, 0.0], [50.0, 10.0], [25.0, 10.0]])
    return BacktestResult(
        name="by hand",
        dates=np.arange("2020-01-01", "2020-01-04", dtype="datetime64[D]"),
        tickers=("A", "B"),
        close=close,
        account_value=cash + (shares * close).sum(axis=1),
        cash=cash,
        shares=shares,
        trades=trades,
        fill_price=close[:-1],
        costs=costs,
        financing=np.zeros(2),
    )


def test_trading_measures_by_hand(by_hand):
    first = np.array([500, 200, 293]) / 993
    drifted = np.array([600, 200, 293]) / 1093
    second = np.array([300, 200, 590]) / 1090
    turnover = (first[0] + first[1] + 1 - first[2]) / 2 + np.abs(second - drifted).sum() / 2
    assert m.annual_turnover(by_hand, 252) == pytest.approx(turnover / 2 * 252)
    assert m.cost_drag(by_hand, 252) == pytest.approx((7 / 1000 + 3 / 1093) / 2 * 252 * 1e4)
    assert m.average_exposure(by_hand) == pytest.approx((700 / 993 + 500 / 1090) / 2)
    concentration = ((5 / 7) ** 2 + (2 / 7) ** 2 + 0.6**2 + 0.4**2) / 2
    assert m.concentration(by_hand) == pytest.approx(concentration)
    values = m.metrics(by_hand)
    assert values["n_trades"] == 3
    assert values["total_costs"] == 10
    assert values["final_account_value"] == 1090
    assert values["total_return"] == pytest.approx(0.09)


def test_metrics_are_those_of_the_returns():
    result = traded()
    values = m.metrics(result, periods_per_year=100, risk_free=0.03)
    assert values["sharpe_ratio"] == m.sharpe_ratio(result.returns, 100, 0.03)
    assert values["sortino_ratio"] == m.sortino_ratio(result.returns, 100, 0.03)
    assert values["volatility"] == m.volatility(result.returns, 100)
    assert values["calmar_ratio"] == m.calmar_ratio(result.returns, 100)
    assert values["annual_turnover"] == m.annual_turnover(result, 100)
    assert not BENCHMARK_NAMES & set(values)
    assert all(type(value) is float for value in values.values())


@given(seed=st.integers(0, 10_000), n_stocks=st.integers(1, 5), size=st.floats(0.01, 5))
@settings(max_examples=30, deadline=None)
def test_bounds_of_trading_measures(seed, n_stocks, size):
    result = traded(20, n_stocks, seed, size=size, cash=50_000.0)
    assert 0 <= m.annual_turnover(result, 1) <= 1 + 1e-12
    assert 0 <= m.average_exposure(result) <= 1 + 1e-9
    assert m.cost_drag(result) >= 0
    if result.trades.any():
        assert 1 / n_stocks - 1e-12 <= m.concentration(result) <= 1 + 1e-12


def test_an_account_left_in_cash():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = m.metrics(traded(size=0.0))
    for name in ("sharpe_ratio", "sortino_ratio", "calmar_ratio", "total_return", "max_drawdown"):
        assert values[name] == 0
    for name in ("annual_turnover", "cost_drag", "average_exposure", "n_trades", "total_costs"):
        assert values[name] == 0
    undefined = {name for name, value in values.items() if np.isnan(value)}
    assert undefined == {
        "profit_factor",
        "tail_ratio",
        "skewness",
        "kurtosis",
        "autocorrelation",
        "concentration",
        "holding_period",
    }
    assert not any(np.isinf(list(values.values())))


def test_two_days_give_numbers_or_nan_without_warnings():
    result = traded(n_days=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = m.metrics(result, benchmark_returns=np.array([0.01]))
    assert np.isnan(values["sharpe_ratio"])
    assert not any(np.isinf(list(values.values())))


def test_benchmark_measures():
    rng = np.random.default_rng(3)
    result = traded(n_days=200)
    market = rng.normal(0, 0.01, 199)
    values = m.metrics(result, benchmark_returns=market)
    assert set(values) >= BENCHMARK_NAMES
    difference = result.returns - market
    assert values["excess_return"] == pytest.approx(difference.mean() * 252)
    assert values["information_ratio"] == pytest.approx(m.sharpe_ratio(difference))
    slope, intercept = np.polyfit(market, result.returns, 1)
    assert values["beta"] == pytest.approx(slope)
    assert values["alpha"] == pytest.approx(intercept * 252)


def test_the_benchmark_itself_has_beta_one_and_no_alpha():
    result = traded()
    values = m.metrics(result, risk_free=0.02, benchmark_returns=result.returns)
    assert values["beta"] == pytest.approx(1)
    assert values["alpha"] == pytest.approx(0, abs=1e-12)
    assert values["excess_return"] == values["information_ratio"] == 0


def test_alpha_is_over_the_risk_free_rate():
    market = np.random.default_rng(0).normal(0, 0.01, 100)
    rate = 1.03 ** (1 / 252) - 1
    lifted = rate + 0.0002 + 0.5 * (market - rate)
    values = m.benchmark_metrics(lifted, market, 252, 0.03)
    assert values["alpha"] == pytest.approx(0.0002 * 252)
    assert values["beta"] == pytest.approx(0.5)


def test_a_constant_benchmark_has_no_beta():
    values = m.metrics(traded(), benchmark_returns=np.full(59, 0.001))
    assert np.isnan([values["alpha"], values["beta"], values["beta_standard_error"]]).all()


def test_refuses_a_benchmark_over_other_days():
    with pytest.raises(ValueError, match="60 benchmark returns for 59 returns"):
        m.metrics(traded(), benchmark_returns=np.zeros(60))


def test_newey_west_errors_cover_autocorrelated_noise():
    rng = np.random.default_rng(1)
    n, estimates, naive, robust = 400, [], [], []
    for _ in range(300):
        noise, x = (np.convolve(rng.normal(size=n + 5), np.ones(6), "valid") for _ in range(2))
        coefficients, errors = market_model(noise, x, lags=10)
        estimates.append(coefficients[1])
        robust.append(errors[1])
        naive.append(market_model(noise, x, lags=0)[1][1])
    spread = np.std(estimates)
    assert np.mean(robust) == pytest.approx(spread, rel=0.25)
    assert np.mean(naive) < 0.7 * spread


def test_default_number_of_lags():
    rng = np.random.default_rng(2)
    y, x = rng.normal(size=(2, 2000))
    np.testing.assert_array_equal(market_model(y, x)[1], market_model(y, x, lags=7)[1])
    assert market_model(y, x, lags=8)[1][1] != market_model(y, x)[1][1]


def test_objective_returns_the_named_metric():
    values = m.metrics(traded())
    assert m.objective(values, "sharpe_ratio") == values["sharpe_ratio"]


def test_an_account_in_cash_has_an_objective_over_any_rate():
    for rate in (0.0, 0.02):
        values = m.metrics(traded(size=0.0), risk_free=rate)
        assert m.objective(values, "sharpe_ratio") == 0.0


@pytest.mark.parametrize(("volatility", "total_return"), [(0.0, 0.1), (np.nan, 0.1), (np.nan, 0.0)])
def test_only_an_account_in_cash_has_an_objective_without_a_sharpe_ratio(volatility, total_return):
    values = {"sharpe_ratio": np.nan, "volatility": volatility, "total_return": total_return}
    with pytest.raises(ValueError, match="'sharpe_ratio' is undefined"):
        m.objective(values, "sharpe_ratio")


def test_objective_lists_the_names_it_knows():
    with pytest.raises(ValueError, match=r"no metric 'sharpe'.*'cagr'.*'sharpe_ratio'"):
        m.objective(m.metrics(traded()), "sharpe")


@pytest.mark.parametrize(
    ("name", "why"), [("profit_factor", "stays in cash"), ("concentration", "no stock was ever")]
)
def test_objective_never_hands_on_nan(name, why):
    with pytest.raises(ValueError, match=f"'{name}' is undefined on this backtest .nan.: .*{why}"):
        m.objective(m.metrics(traded(size=0.0)), name)


def test_objective_never_hands_on_infinity():
    with pytest.raises(ValueError, match="undefined"):
        m.objective({"cagr": float("inf")}, "cagr")


def test_costs_lower_what_an_account_earns(by_hand):
    cash = by_hand.cash + np.append(0, np.cumsum(by_hand.costs))
    value = by_hand.account_value + np.array([0, 7, 10])
    free = replace(by_hand, cash=cash, costs=np.zeros(2), account_value=value)
    assert m.metrics(free)["total_return"] > m.metrics(by_hand)["total_return"]
    assert m.metrics(free)["cost_drag"] == 0


def test_holding_period_by_hand(by_hand):
    exposure = m.average_exposure(by_hand)
    assert m.holding_period(by_hand) == pytest.approx(exposure / m.annual_turnover(by_hand, 1))


def test_break_even_cost_by_hand(by_hand):
    # 1100 before costs with 1000 traded, against 1000 before costs with 600 traded.
    baseline = BacktestResult(
        name="baseline",
        dates=by_hand.dates,
        tickers=by_hand.tickers,
        close=by_hand.close,
        account_value=np.array([1000.0, 1045.0, 1045.0]),
        cash=np.array([1000.0, 445.0, 445.0]),
        shares=np.array([[0.0, 0.0], [0.0, 30.0], [0.0, 30.0]]),
        trades=np.array([[0.0, 30.0], [0.0, 0.0]]),
        fill_price=by_hand.fill_price,
        costs=np.array([-45.0, 0.0]),
        financing=np.zeros(2),
    )
    gross, traded_value = 1090 + 10, 500 + 200 + 300
    expected = 1e4 * (gross - (1045 - 45)) / (traded_value - 600)
    assert m.break_even_cost(by_hand, baseline) == pytest.approx(expected)
    assert np.isnan(m.break_even_cost(baseline, by_hand))


def test_at_its_break_even_cost_a_backtest_ends_where_its_baseline_does(by_hand):
    idle = BacktestResult(
        name="idle",
        dates=by_hand.dates,
        tickers=by_hand.tickers,
        close=by_hand.close,
        account_value=np.full(3, 1000.0),
        cash=np.full(3, 1000.0),
        shares=np.zeros((3, 2)),
        trades=np.zeros((2, 2)),
        fill_price=by_hand.fill_price,
        costs=np.zeros(2),
        financing=np.zeros(2),
    )
    rate = m.break_even_cost(by_hand, idle) / 1e4
    assert 1100 - rate * 1000 == pytest.approx(1000)


@pytest.fixture
def later_fills():
    """A fraction of A sold short and ten of B, filled after the close; then some of A back."""
    close = np.array([[10.0, 20.0], [12.0, 20.0], [8.0, 25.0]])
    cash = np.array([1000.0, 1350.0, 1160.0])
    shares = np.array([[0.0, 0.0], [-50.5, 10.0], [-30.0, 10.0]])
    return BacktestResult(
        name="later fills",
        dates=np.arange("2020-01-01", "2020-01-04", dtype="datetime64[D]"),
        tickers=("A", "B"),
        close=close,
        account_value=np.array([1000.0, 944.0, 1170.0]),
        cash=cash,
        shares=shares,
        trades=np.array([[-50.5, 10.0], [20.5, 0.0]]),
        fill_price=np.array([[11.0, 20.0], [9.0, 24.0]]),
        costs=np.array([5.5, 1.5]),
        financing=np.array([0.0, 4.0]),
    )


def test_trading_measures_of_later_fills_and_short_positions_by_hand(later_fills):
    values = m.metrics(later_fills)
    # Before the second row's trades: -454.5 of A, 240 of B, 1350 cash; after: -270, 240, 1164.
    before, after = np.array([-454.5, 240, 1350]) / 1135.5, np.array([-270, 240, 1164]) / 1134
    turnover = (555.5 / 994.5 + np.abs(after - before).sum() / 2) / 2
    assert values["annual_turnover"] == pytest.approx(turnover * 252)
    assert values["average_exposure"] == pytest.approx((755.5 / 994.5 + 510 / 1134) / 2)
    assert values["net_exposure"] == pytest.approx((-355.5 / 994.5 - 30 / 1134) / 2)
    concentration = (555.5**2 + 200**2) / 755.5**2 + (270**2 + 240**2) / 510**2
    assert values["concentration"] == pytest.approx(concentration / 2)
    assert values["holding_period"] == pytest.approx(values["average_exposure"] / turnover)
    assert values["cost_drag"] == pytest.approx((5.5 / 1000 + 1.5 / 944) / 2 * 252 * 1e4)
    assert values["financing_drag"] == pytest.approx(4 / 944 / 2 * 252 * 1e4)
    assert (values["total_costs"], values["total_financing"]) == (7.0, 4.0)
    assert values["n_trades"] == 3
    assert values["total_return"] == pytest.approx(0.17)


def test_break_even_cost_of_later_fills_by_hand(later_fills, by_hand):
    idle = replace(
        later_fills.head(3),
        account_value=np.full(3, 1000.0),
        cash=np.full(3, 1000.0),
        shares=np.zeros((3, 2)),
        trades=np.zeros((2, 2)),
        costs=np.zeros(2),
        financing=np.zeros(2),
    )
    # 1177 before costs, borrow fees paid, with 555.5 + 200 + 184.5 traded.
    assert m.break_even_cost(later_fills, idle) == pytest.approx(1e4 * 177 / 940)
    elsewhere = replace(idle, dates=idle.dates + 1)
    with pytest.raises(ValueError, match="'later fills' does not cover the days of 'by hand'"):
        m.break_even_cost(by_hand, replace(elsewhere, name="later fills"))


def test_measures_of_short_positions_and_financing_are_added_only_where_there_are_any():
    extra = {"net_exposure", "financing_drag", "total_financing"}
    assert not extra & set(m.metrics(traded()))
    values = m.metrics(sold_short([10.0, 11.0, 10.0], shares=10))
    assert extra & set(values) == {"net_exposure"}
    assert values["net_exposure"] < 0 < values["average_exposure"]


def test_selling_the_whole_account_short_is_a_turnover_of_one():
    result = sold_short([10.0, 10.0], shares=100)
    assert m.annual_turnover(result, 1) == 1
    assert m.average_exposure(result) == 1
    assert m.net_exposure(result) == -1


def test_a_ruined_account_by_hand():
    result = sold_short([10.0, 12.0, 25.0, 11.0, 11.0], shares=100)
    index = np.array([0.01, 0.02])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = m.metrics(result, benchmark_returns=index)
    returns = np.array([-0.2, -1.625])
    assert values["total_return"] == pytest.approx(-1.5)
    assert values["cagr"] == -1
    assert values["max_drawdown"] == pytest.approx(-1.5)
    assert values["calmar_ratio"] == pytest.approx(-1 / 1.5)
    assert values["sharpe_ratio"] == pytest.approx(returns.mean() / returns.std(ddof=1) * 252**0.5)
    assert values["excess_return"] == pytest.approx((returns - index).mean() * 252)
    assert values["final_account_value"] == -500
    assert not any(np.isinf(list(values.values())))
    assert m.objective(values, "sharpe_ratio") < 0


def test_ruin_on_the_first_day_gives_numbers_or_nan_without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = m.metrics(sold_short([10.0, 30.0], shares=100), benchmark_returns=np.array([0.1]))
    assert values["total_return"] == -2
    assert values["cagr"] == -1
    assert not any(np.isinf(list(values.values())))


def test_a_baseline_is_compared_up_to_the_day_of_ruin():
    ruined = sold_short([10.0, 12.0, 25.0, 11.0, 11.0], shares=100)
    # Holds nothing: the account of a seller of no shares goes on to the fifth day.
    idle = sold_short([10.0, 12.0, 25.0, 11.0, 11.0], shares=0)
    assert len(idle.dates) > len(ruined.dates)
    assert m.break_even_cost(ruined, idle) == pytest.approx(1e4 * (-500 - 1000) / 1000)


def test_a_row_without_worth_at_its_fill_prices_is_left_out_of_the_trading_measures():
    # Short 100 of a stock that opens at 25 and closes at 12: worth -500 at the fill of row 2.
    result = BacktestResult(
        name="scare at the open",
        dates=np.arange("2020-01-01", "2020-01-04", dtype="datetime64[D]"),
        tickers=("A",),
        close=np.array([[10.0], [10.0], [12.0]]),
        account_value=np.array([1000.0, 1000.0, 150.0]),
        cash=np.array([1000.0, 2000.0, 750.0]),
        shares=np.array([[0.0], [-100.0], [-50.0]]),
        trades=np.array([[-100.0], [50.0]]),
        fill_price=np.array([[10.0], [25.0]]),
        costs=np.zeros(2),
        financing=np.zeros(2),
    )
    assert np.isnan(result.drifted_weights[1]).all()
    assert m.annual_turnover(result, 1) == 1
    assert m.average_exposure(result) == 1

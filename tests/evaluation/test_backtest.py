from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.evaluation.backtest import backtest, backtests, save_tables
from tests.evaluation.accounts import (
    HMAX,
    RecordingMarket,
    ScriptedPolicy,
    sold_short,
    traded,
)
from tests.markets import generated_market


@pytest.fixture
def data():
    return generated_market(n_days=6, n_stocks=2)


@given(
    seed=st.integers(0, 10_000),
    cost=st.floats(0, 0.05),
    n_stocks=st.integers(1, 5),
    n_days=st.integers(2, 25),
)
@settings(max_examples=40, deadline=None)
def test_the_account_can_be_rebuilt_from_its_trades(seed, cost, n_stocks, n_days):
    result = traded(n_days, n_stocks, seed, cost=cost, cash=100_000.0)
    assume(result.trades.any())
    spent = (result.trades * result.close[:-1]).sum(axis=1) + result.costs
    shares = np.vstack([np.zeros(n_stocks), result.trades.cumsum(axis=0)])
    value = 100_000.0 - np.append(0, spent.cumsum()) + (shares * result.close).sum(axis=1)
    np.testing.assert_allclose(result.account_value, value, rtol=1e-9)
    np.testing.assert_allclose(np.prod(1 + result.returns), value[-1] / value[0], rtol=1e-9)


def test_one_trade_by_hand(data):
    close = np.array([[10.0, 20.0], [12.0, 20.0], [9.0, 20.0], [9, 20], [9, 20], [9, 20]])
    data = replace(data, close=close)
    actions = np.zeros((6, 2))
    actions[0, 0], actions[1, 0] = 50.5 / HMAX, -20.5 / HMAX
    result = backtest(
        ScriptedPolicy(actions), RecordingMarket(data, cash=1000.0, cost=0.01), data, "by hand"
    )
    assert result.trades[:2].tolist() == [[50, 0], [-20, 0]]
    np.testing.assert_allclose(result.costs[:3], [5.0, 2.4, 0.0])
    np.testing.assert_allclose(result.cash[:3], [1000, 495, 732.6])
    np.testing.assert_allclose(result.account_value[:3], [1000, 1095, 1002.6])
    np.testing.assert_allclose(result.returns[0], 0.095)
    np.testing.assert_allclose(result.weights[1], [600 / 1095, 0, 495 / 1095])
    np.testing.assert_allclose(result.traded_weights[1], [360 / 1092.6, 0, 732.6 / 1092.6])


def traded_later(seed, n_days=12, n_stocks=3):
    """Random fractional orders, short ones too, that fill off the close and pay borrow fees."""
    data = generated_market(n_days, n_stocks, seed=seed)
    rng = np.random.default_rng(seed)
    fill_price = data.close[:-1] * np.exp(rng.normal(0, 0.02, (n_days - 1, n_stocks)))
    env = RecordingMarket(data, short=True, borrow_fee=0.001, fill_price=fill_price)
    actions = rng.uniform(-0.5, 0.5, (n_days, n_stocks))
    return backtest(ScriptedPolicy(actions), env, data, "later fills"), fill_price


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_an_account_of_later_fills_can_be_rebuilt_from_its_trades(seed):
    result, fill_price = traded_later(seed)
    steps = len(result.trades)
    spent = (result.trades * fill_price[:steps]).sum(axis=1) + result.costs + result.financing
    value = 1e6 - np.append(0, spent.cumsum())
    value[1:] += (result.trades.cumsum(axis=0) * result.close[1:]).sum(axis=1)
    np.testing.assert_allclose(result.account_value, value, rtol=1e-9)


@given(seed=st.integers(0, 10_000), field=st.sampled_from(["trades", "costs", "financing"]))
@settings(max_examples=60, deadline=None)
def test_one_wrong_sign_is_refused(seed, field):
    result, _ = traded_later(seed)
    amounts = getattr(result, field).copy()
    place = np.unravel_index(np.abs(amounts).argmax(), amounts.shape)
    gross = (np.abs(result.cash) + np.abs(result.shares * result.close).sum(axis=1)).max()
    assume(np.abs(amounts[place]) > 1e-5 * gross or field == "trades")
    amounts[place] *= -1
    with pytest.raises(ValueError, match=r"do(es)? not follow"):
        replace(result, **{field: amounts})


def test_trades_that_filled_at_another_price_are_refused():
    result, _ = traded_later(seed=1)
    with pytest.raises(ValueError, match="cash does not follow from trades, fill prices"):
        replace(result, fill_price=result.close[:-1])


def test_a_ledger_without_fill_prices_fills_at_the_close_and_finances_nothing():
    result = traded()
    assert result.fill_price.tolist() == result.close[:-1].tolist()
    assert result.financing.tolist() == [0.0] * 59
    np.testing.assert_array_equal(result.drifted_weights, result.weights[:-1])


def test_the_fill_prices_of_a_ledger_are_kept():
    result, fill_price = traded_later(seed=2)
    assert result.fill_price.tolist() == fill_price.tolist()
    assert result.financing.any()


def test_weights_of_a_short_position_are_negative_and_its_proceeds_are_cash():
    result = sold_short([10.0, 12.0, 11.0], shares=50)
    assert result.account_value.tolist() == [1000, 900, 950]
    np.testing.assert_allclose(result.weights[1], [-600 / 900, 1500 / 900])
    np.testing.assert_allclose(result.traded_weights[0], [-0.5, 1.5])
    assert not result.ruined


def test_a_ruined_account_is_kept_up_to_its_last_day():
    result = sold_short([10.0, 12.0, 25.0, 11.0, 11.0], shares=100)
    assert result.ruined
    assert result.account_value.tolist() == [1000, 800, -500]
    np.testing.assert_allclose(result.returns, [-0.2, -1.625])
    np.testing.assert_allclose(result.weights[1], [-1200 / 800, 2000 / 800])
    assert np.isnan(result.weights[2]).all()
    assert np.isfinite(result.traded_weights).all()


def test_an_account_worth_exactly_nothing_is_ruined():
    result = sold_short([10.0, 20.0, 10.0], shares=100)
    assert result.ruined
    assert result.returns.tolist() == [-1.0]


def test_nothing_goes_on_after_ruin():
    result = sold_short([10.0, 12.0, 25.0], shares=100)
    more = {
        "dates": np.append(result.dates, result.dates[-1] + 1),
        "close": np.vstack([result.close, [[11.0]]]),
        "account_value": np.append(result.account_value, 900.0),
        "cash": np.append(result.cash, 2000.0),
        "shares": np.vstack([result.shares, [[-100.0]]]),
        "trades": np.vstack([result.trades, [[0.0]]]),
        "fill_price": np.vstack([result.fill_price, [[25.0]]]),
        "costs": np.append(result.costs, 0.0),
        "financing": np.append(result.financing, 0.0),
    }
    with pytest.raises(ValueError, match=r"worth -500\.0 on 2020-01-03, and the episode goes on"):
        replace(result, **more)


def test_head_is_the_account_of_the_first_days():
    result = traded()
    first = result.head(10)
    assert len(first.dates) == 10
    assert first.trades.tolist() == result.trades[:9].tolist()
    np.testing.assert_array_equal(first.returns, result.returns[:9])
    assert result.head(1000).account_value.tolist() == result.account_value.tolist()
    with pytest.raises(ValueError, match="at least 2 are needed"):
        result.head(1)


def test_policy_is_deterministic_and_gets_its_state_and_the_start_of_the_episode(data):
    policy = ScriptedPolicy(np.zeros((6, 2)))
    backtest(policy, RecordingMarket(data), data, "calls")
    _, states, starts, deterministic = zip(*policy.calls, strict=True)
    assert states[0] is None
    assert [int(state[0][0]) for state in states[1:]] == [1, 2, 3, 4]
    assert [start.tolist() for start in starts] == [[True], [False], [False], [False], [False]]
    assert all(deterministic)


def test_an_environment_with_a_last_step_without_trades_gives_the_same_account(data):
    actions = np.full((6, 2), 0.01)
    plain = backtest(ScriptedPolicy(actions), RecordingMarket(data), data, "plain")
    extra = backtest(ScriptedPolicy(actions), RecordingMarket(data, extra_step=True), data, "extra")
    assert extra.account_value.tolist() == plain.account_value.tolist()
    assert len(extra.dates) == data.n_days


def test_refuses_several_environments(data):
    with pytest.raises(ValueError, match="exactly one environment, got num_envs=2"):
        backtest(ScriptedPolicy(np.zeros((6, 2))), RecordingMarket(data, n_envs=2), data, "two")


class Several(ScriptedPolicy):
    """As `ScriptedPolicy`, of actions (n_days, n_accounts, n_stocks)."""

    def predict(self, *asked, **others):
        actions, state = super().predict(*asked, **others)
        return actions[0], state


def test_an_account_that_is_ruined_before_the_others_keeps_its_own_days():
    close = np.array([10.0, 11.0, 12.0, 25.0, 11.0, 11.0, 12.0, 13.0])
    data = replace(generated_market(8, 1), close=close[:, None])
    env = StockTradingVecEnv(
        data, n_envs=2, hmax=HMAX, initial_amount=1000, buy_cost_pct=0, sell_cost_pct=0,
        allow_short=True, borrow_rate=0.0, maintenance_margin=0.0, record=True,
    )  # fmt: skip
    orders = np.zeros((8, 2, 1))
    # The first account begins anew on the third day, and is ruined again.
    orders[0], orders[3, 0] = [[-100], [50]], -150
    short, long = backtests(Several(orders / HMAX), env, data, ["short", "long"])
    assert (short.name, long.name) == ("short", "long")
    assert short.ruined
    assert short.account_value.tolist() == [1000, 900, 800, -500]
    assert long.account_value.tolist() == (500 + 50 * close).tolist()


def test_says_how_to_get_a_ledger(data):
    with pytest.raises(ValueError, match="record=True"):
        backtest(ScriptedPolicy(np.zeros((6, 2))), RecordingMarket(data, record=False), data, "x")


class _LedgerChanged(RecordingMarket):
    """Hands out a changed ledger and keeps it."""

    def __init__(self, data, change):
        self.change = change
        super().__init__(data)

    def step_wait(self):
        *rest, infos = super().step_wait()
        if infos[0]:
            self.ledger = infos[0]["ledger"]
            self.change(self.ledger)
        return *rest, infos


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ledger: ledger.pop("costs"), r"lacks \['costs'\]"),
        (lambda ledger: ledger.update(days=ledger["days"] + 1), r"increase within 0\.\.5"),
        (lambda ledger: ledger.update(days=ledger["days"] - 1), r"increase within 0\.\.5"),
        (lambda ledger: ledger.update(days=ledger["days"] * 0), r"increase within 0\.\.5"),
    ],
)
def test_refuses_a_ledger_that_does_not_fit(data, change, message):
    with pytest.raises(ValueError, match=message):
        backtest(ScriptedPolicy(np.zeros((6, 2))), _LedgerChanged(data, change), data, "x")


def test_the_result_has_arrays_of_its_own(data):
    env = _LedgerChanged(data, change=lambda ledger: None)
    result = backtest(ScriptedPolicy(np.zeros((6, 2))), env, data, "x")
    env.ledger["account_value"][:] = 0
    assert (result.account_value == 1_000_000).all()


def test_refuses_an_episode_longer_than_the_data(data):
    with pytest.raises(ValueError, match="did not end within the 4 days"):
        backtest(
            ScriptedPolicy(np.zeros((6, 2))), RecordingMarket(data), data.slice_days(0, 4), "x"
        )


def test_refuses_a_ledger_about_other_prices(data):
    other = replace(data, close=data.close * 1.01)
    with pytest.raises(ValueError, match="account_value is not cash"):
        backtest(ScriptedPolicy(np.full((6, 2), 0.01)), RecordingMarket(data), other, "x")


@pytest.mark.parametrize(
    ("field", "change", "message"),
    [
        ("cash", lambda array: array[:-1], r"cash has shape \(59,\), expected \(60,\)"),
        ("costs", lambda array: array + 500.0, "cash does not follow"),
        ("financing", lambda array: array + 500.0, "cash does not follow"),
        ("financing", lambda array: array[:-1], r"financing has shape \(58,\), expected \(59,\)"),
        ("fill_price", lambda array: array * np.nan, "fill_price is not finite"),
        ("fill_price", lambda array: array * 1.01, "cash does not follow"),
        ("trades", lambda array: array + np.eye(59, 4), "cash does not follow"),
        ("trades", lambda array: array * np.nan, "trades is not finite"),
        ("account_value", lambda array: array - array.max(), "worth"),
    ],
)
def test_refuses_an_account_that_does_not_add_up(field, change, message):
    result = traded()
    with pytest.raises(ValueError, match=message):
        replace(result, **{field: change(getattr(result, field))})


def test_refuses_shares_that_do_not_follow_from_trades():
    result = traded()
    shares, cash = result.shares.copy(), result.cash.copy()
    shares[-1, 0] += 1
    with pytest.raises(ValueError, match="shares do not follow from trades, first on 2020-02-28"):
        replace(
            result,
            shares=shares,
            account_value=cash + (shares * result.close).sum(axis=1),
        )


def test_weights_add_up_to_one():
    result = traded()
    assert result.weights.shape == (60, 5)
    assert result.traded_weights.shape == (59, 5)
    np.testing.assert_allclose(result.weights.sum(axis=1), 1)
    np.testing.assert_allclose(result.traded_weights.sum(axis=1), 1)


@pytest.mark.parametrize("hourly", [False, True])
def test_tables_read_back_as_the_same_numbers(tmp_path, hourly):
    result = traded(n_days=20)
    if hourly:
        hours = np.datetime64("2024-01-02T10:00", "s") + np.arange(20) * np.timedelta64(1, "h")
        result = replace(result, dates=hours)
    paths = save_tables(result, tmp_path / "deep" / "folder")
    assert [path.name for path in paths] == ["account_value.csv", "holdings.csv", "trades.csv"]
    account, holdings, trades = (
        pd.read_csv(path, index_col="date", dtype=str).astype(float) for path in paths
    )
    assert (pd.DatetimeIndex(account.index).to_numpy() == result.dates).all()
    assert list(account.columns) == ["account_value", "cash", "daily_return", "costs"]
    assert account["account_value"].to_numpy().tolist() == result.account_value.tolist()
    assert account["cash"].to_numpy().tolist() == result.cash.tolist()
    assert account["daily_return"].to_numpy()[1:].tolist() == result.returns.tolist()
    assert account["costs"].to_numpy()[:-1].tolist() == result.costs.tolist()
    assert np.isnan(account["daily_return"].iloc[0])
    assert np.isnan(account["costs"].iloc[-1])
    assert tuple(holdings.columns) == tuple(trades.columns) == result.tickers
    assert holdings.to_numpy().tolist() == result.shares.tolist()
    assert trades.to_numpy().tolist() == result.trades.tolist()


def test_fill_prices_and_financing_join_the_tables_where_they_tell_something(tmp_path):
    result, fill_price = traded_later(seed=3)
    assert [path.name for path in save_tables(result, tmp_path)] == [
        "account_value.csv",
        "holdings.csv",
        "trades.csv",
        "fill_price.csv",
    ]
    account = pd.read_csv(tmp_path / "account_value.csv")
    assert account["financing"].tolist()[:-1] == result.financing.tolist()
    fills = pd.read_csv(tmp_path / "fill_price.csv", index_col="date")
    assert fills.to_numpy().tolist() == fill_price.tolist()
    assert len(fills) == len(result.dates) - 1


def test_the_tables_of_a_ruined_account_end_with_it(tmp_path):
    account = sold_short([10.0, 12.0, 25.0, 11.0], shares=100).tables["account_value"]
    assert account["account_value"].tolist() == [1000, 800, -500]
    assert account["daily_return"].tolist()[1:] == pytest.approx([-0.2, -1.625])

"""What must hold in both markets for any settings and actions, whatever the implementation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.settings import per_stock
from finai_rl.envs.terms import FILLS, impact_coefficients
from tests.envs.cases import MARKETS, Case, cases, volatile_market

any_case = st.one_of(*(cases(market) for market in MARKETS))
thorough = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Played:
    """One account's episode: its books, and the prices on their days."""

    book: dict[str, NDArray[Any]]
    close: NDArray[np.float64]
    margin_calls: int
    terminated: bool

    @property
    def money(self) -> float:
        """The rounding error that sums of this account's size may have."""
        gross = np.abs(self.book["cash"]).max() + (np.abs(self.book["shares"]) @ self.close.T).max()
        return float(1e-9 * (gross + self.book["costs"].sum() + 1e-3))


def play(case: Case, **changed: Any) -> list[Played]:
    """Run an episode in every environment and return the accounts' books."""
    env = case.env(**changed)
    env.reset()
    for actions in case.actions:
        env.advance(actions)
    played = []
    for position, account in enumerate(env.accounts):
        info = env.episode_info(position)
        close = case.data.close[info["ledger"]["days"]]
        calls = info["account"].get("margin_calls", 0)
        played.append(Played(info["ledger"], close, calls, bool(account["terminated"])))
    return played


@thorough
@given(any_case)
def test_account_value_changes_by_gains_less_costs_and_fees(case: Case) -> None:
    for played in play(case):
        book, close = played.book, played.close
        before, after, fill = book["shares"][:-1], book["shares"][1:], book["fill_price"]
        gains = before * (fill - close[:-1]) + after * (close[1:] - fill)
        changes = gains.sum(axis=1) - book["costs"] - book["financing"]
        np.testing.assert_allclose(np.diff(book["account_value"]), changes, atol=played.money)


@thorough
@given(any_case)
def test_no_cash_and_no_share_appears_from_nowhere(case: Case) -> None:
    for played in play(case):
        book, fill = played.book, played.book["fill_price"]
        paid = (book["trades"] * fill).sum(axis=1) + book["costs"] + book["financing"]
        np.testing.assert_allclose(np.diff(book["cash"]), -paid, atol=played.money)
        np.testing.assert_allclose(
            np.diff(book["shares"], axis=0), book["trades"], rtol=1e-9, atol=1e-9
        )
        worth = book["cash"] + (book["shares"] * played.close).sum(axis=1)
        np.testing.assert_allclose(book["account_value"], worth, atol=played.money)


@thorough
@given(any_case)
def test_costs_are_fees_slippage_and_the_impact_of_the_whole_order(case: Case) -> None:
    data, chosen = case.data, case.settings
    slippage = chosen["slippage_bps"] * 1e-4
    buying = per_stock("buy_cost_pct", chosen["buy_cost_pct"], data) + slippage
    selling = per_stock("sell_cost_pct", chosen["sell_cost_pct"], data) + slippage
    moved = impact_coefficients(data, chosen["impact"]) if chosen["impact"] else 0 * data.close
    for played in play(case):
        trades, days = played.book["trades"], played.book["days"][:-1]
        pressure = np.minimum(moved[days] * np.sqrt(np.abs(trades)), 0.5)
        fraction = np.where(trades > 0, buying, selling) + pressure
        costs = (np.abs(trades) * played.book["fill_price"] * fraction).sum(axis=1)
        np.testing.assert_allclose(played.book["costs"], costs, rtol=1e-9, atol=played.money)
        assert (played.book["financing"] >= 0).all()


@thorough
@given(any_case)
def test_without_short_sales_nothing_is_owed(case: Case) -> None:
    for played in play(case, allow_short=False):
        assert (played.book["cash"] >= 0).all()
        assert (played.book["shares"] >= 0).all()
        assert (played.book["financing"] == 0).all()


@thorough
@given(any_case)
def test_whole_shares_stay_whole(case: Case) -> None:
    held = np.arange(case.data.n_stocks) % 5
    for played in play(case, fractional_shares=False, num_stock_shares=held):
        assert (played.book["shares"] == np.trunc(played.book["shares"])).all()


def opened(book: dict[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Say on which days an account opened a position or added to one."""
    before, after = book["shares"][:-1], book["shares"][1:]
    more = (after > np.maximum(before, 0)) | (after < np.minimum(before, 0))
    return np.asarray(more.any(axis=1))


@thorough
@given(any_case)
def test_what_is_opened_is_covered_by_its_margin(case: Case) -> None:
    margin = case.settings["initial_margin"]
    for played in play(case, allow_short=True):
        book = played.book
        short = np.maximum(-book["shares"][1:], 0) * book["fill_price"]
        cash = book["cash"][1:] + book["financing"]
        excess = cash - (1 + margin) * short.sum(axis=1)
        assert (excess[opened(book)] >= -played.money).all()


@thorough
@given(any_case)
def test_where_nothing_moves_and_nothing_costs_nothing_changes(case: Case) -> None:
    flat = np.broadcast_to(case.data.close[0], case.data.close.shape).copy()
    still = replace(case, data=replace(case.data, close=flat, open=flat))
    free: dict[str, Any] = {
        "buy_cost_pct": 0.0,
        "sell_cost_pct": 0.0,
        "slippage_bps": 0.0,
        "impact": 0.0,
    }
    for played in play(still, **free, borrow_rate=0.0):
        value = played.book["account_value"]
        np.testing.assert_allclose(value, value[0], atol=played.money)


@thorough
@given(any_case)
def test_forced_closing_leaves_no_position_and_opens_none(case: Case) -> None:
    threshold = 25.0
    assert case.data.risk is not None
    for played in play(case, turbulence_threshold=threshold):
        days = played.book["days"][:-1]
        at_risk = case.data.risk[days] >= threshold
        assert (played.book["shares"][1:][at_risk] == 0).all()


@thorough
@given(any_case)
def test_accounts_below_their_maintenance_margin_are_closed(case: Case) -> None:
    maintenance = case.settings["maintenance_margin"]
    for played in play(case, allow_short=True, turbulence_threshold=None):
        short = (np.maximum(-played.book["shares"], 0) * played.close).sum(axis=1)[:-1]
        needed = maintenance * short
        below = (short > 0) & (played.book["account_value"][:-1] < needed - played.money)
        safe = (short == 0) | (played.book["account_value"][:-1] > needed + played.money)
        assert (played.book["shares"][1:][below] == 0).all()
        assert below.sum() <= played.margin_calls <= (~safe).sum()


@thorough
@given(any_case)
def test_episodes_end_by_ruin_or_by_the_end_of_the_data(case: Case) -> None:
    env = case.env()
    env.reset()
    ended = np.zeros(env.num_envs, dtype=bool)
    for actions in case.actions:
        days, last = env.accounts["day"].copy(), env.accounts["last_day"].copy()
        _, _, dones, infos = env.step(actions)
        for position in np.flatnonzero(dones):
            info = infos[position]
            ruined = info["account"]["account_value"] <= 0
            assert info["TimeLimit.truncated"] is not ruined
            assert ruined or days[position] + 1 == last[position]
            assert info["ledger"]["days"][-1] == days[position] + 1
        for position in np.flatnonzero(~dones):
            assert infos[position] == {}
            assert env.accounts[position]["value"] > 0
        ended |= dones
    assert ended.all()


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("fill", FILLS)
def test_doing_nothing_keeps_the_cash(market: type[MarketVecEnv], fill: str) -> None:
    data = volatile_market(30, 3, seed=4, volatility=5.0)
    # All weight on cash; or every entry at the bottom, which asks for nothing at all.
    nothing = [np.zeros((29, 1, 3))]
    if market is PortfolioVecEnv:
        cash_only = np.concatenate([np.full((29, 1, 3), -1.0), np.ones((29, 1, 1))], axis=2)
        nothing = [cash_only, np.full((29, 1, 4), -1.0)]
    for actions in nothing:
        case = Case(
            market, data, {"fill": fill, "impact": 1.0, "initial_amount": 12_345.6}, actions
        )
        book = play(case)[0].book
        assert (book["account_value"] == 12_345.6).all()
        assert (book["cash"] == 12_345.6).all()
        assert (book["trades"] == 0).all()


DEARER: dict[str, dict[str, Any]] = {
    "buy_cost_pct": {"buy_cost_pct": 0.04},
    "sell_cost_pct": {"sell_cost_pct": 0.04},
    "slippage_bps": {"slippage_bps": 20.0},
    "impact": {"impact": 2.0},
    "borrow_rate": {"borrow_rate": 2.0},
}


@pytest.mark.parametrize("dearer", DEARER)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=any_case)
def test_higher_costs_never_leave_more_money_for_the_same_trades(case: Case, dearer: str) -> None:
    cheap = play(case, allow_short=True)
    for one, other in zip(cheap, play(case, allow_short=True, **DEARER[dearer]), strict=True):
        steps = min(len(one.book["trades"]), len(other.book["trades"]))
        same = (one.book["trades"][:steps] == other.book["trades"][:steps]).all(axis=1)
        alike = steps if same.all() else int(np.argmin(same))
        less = one.book["cash"][: alike + 1] - other.book["cash"][: alike + 1]
        assert (less >= -one.money).all()
        spent = other.book["costs"][:alike] + other.book["financing"][:alike]
        before = one.book["costs"][:alike] + one.book["financing"][:alike]
        np.testing.assert_allclose(np.diff(less), spent - before, atol=2 * one.money)

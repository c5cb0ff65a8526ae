"""Both markets against the plain oracle, step by step, for random settings over all options."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.settings import per_stock
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.terms import FILLS
from tests.envs.cases import MARKETS, SETTINGS, Case, cases, volatile_market
from tests.envs.oracle import Account, Conditions, World
from tests.markets import generated_market

RTOL = 1e-9
EPSILON, OPERATIONS = 2.0**-52, 8
"""The rounding of one operation, and how many a day's money goes through."""


def conditions_of(case: Case) -> Conditions:
    """Say a case's settings to the oracle."""
    chosen, data = case.settings, case.data

    def rate(name: str) -> list[float]:
        return [
            float(cost) + chosen["slippage_bps"] / 10_000
            for cost in per_stock(name, chosen[name], data)
        ]

    return Conditions(
        weights=case.market is PortfolioVecEnv,
        hmax=chosen.get("hmax", 0),
        buy_rate=rate("buy_cost_pct"),
        sell_rate=rate("sell_cost_pct"),
        impact=chosen["impact"],
        fill=chosen["fill"],
        whole=not chosen["fractional_shares"],
        margin=chosen["initial_margin"] if chosen["allow_short"] else None,
        maintenance=chosen["maintenance_margin"],
        borrow_rate=per_stock("borrow_rate", chosen["borrow_rate"], data).tolist(),
        threshold=chosen["turbulence_threshold"],
        scaling=1e-4,
        delisting_loss=chosen.get("delisting_loss", 0.0),
    )


def size(account: Account) -> float:
    """Return what numbers an account's are rounded at."""
    unit = np.max(account.world.close[account.day])
    return float(abs(account.cash) + unit * np.abs(account.shares).sum() + account.cost)


def rounding(account: Account, before: float) -> float:
    """Return what rounding may move the value of an account by.

    Args:
        account: The account.
        before: The sum of its sizes so far: what was rounded in a rich account stays in a poor one.
    """
    return RTOL * (size(account) + 1.0) + OPERATIONS * EPSILON * before


def assert_same(account: Account, env: Any, position: int, before: float, money: float) -> None:
    """Compare an account with one of the environment's, in money and in shares.

    ``money`` is the rounding of this day, ``before`` that of the day before: a reward is the
    difference of two days.
    """
    theirs, world = env.accounts[position], account.world
    shares = RTOL * (1.0 + np.abs(account.shares).max() + money / np.min(world.close))
    for name in ("cash", "value", "cost", "financing"):
        np.testing.assert_allclose(theirs[name], getattr(account, name), RTOL, money, err_msg=name)
    np.testing.assert_allclose(env.shares[position], account.shares, RTOL, shares)
    np.testing.assert_allclose(
        theirs["reward"], account.reward, RTOL, (before + money) * account.conditions.scaling
    )
    np.testing.assert_allclose(theirs["turnover"], account.turnover, 1e-7, 1e-9)
    for name in ("trades", "margin_calls", "terminated", "day"):
        assert theirs[name] == getattr(account, name), name


def take_over(account: Account, env: Any, position: int) -> None:
    """Let an account go on from where the environment stands, after a close call."""
    theirs = env.accounts[position]
    for name in ("cash", "value", "cost", "financing", "turnover", "reward"):
        setattr(account, name, float(theirs[name]))
    account.shares = env.shares[position].tolist()
    account.trades, account.margin_calls = int(theirs["trades"]), int(theirs["margin_calls"])
    account.terminated = bool(theirs["terminated"])


def assert_same_books(account: Account, info: dict[str, Any], world: World) -> None:
    """Compare an episode's ledger and statistics with the oracle's."""
    ledger, books = info["ledger"], account.books
    price = np.max(world.close)
    money = RTOL * (np.abs(books.shares).sum(axis=1).max() * price + np.abs(books.cash).max() + 1)
    limits = dict.fromkeys(("account_value", "cash", "costs", "financing"), money)
    # A rounding of money is one of more shares where a share costs less than 1.
    limits |= dict.fromkeys(("shares", "trades"), money / min(1.0, float(np.min(world.close))))
    # Where every stock always is listed, nothing is settled, and there are no books of it.
    limits |= dict.fromkeys(("losses", "settled"), money) if "losses" in ledger else {}
    for name, limit in limits.items():
        kept = np.asarray(getattr(books, name))
        np.testing.assert_allclose(ledger[name], kept, RTOL, limit, err_msg=name)
    first = int(ledger["days"][0])
    assert ledger["fill_price"].tolist() == world.fill_price[first : first + len(books.trades)]
    said = info["account"]
    assert (said["trades"], said.get("margin_calls", 0)) == (account.trades, account.margin_calls)
    np.testing.assert_allclose(said["turnover"], account.turnover / len(books.trades), 1e-7, 1e-9)


def accounts_of(case: Case, env: Any, world: World) -> list[Account]:
    """Open the oracle's accounts on the days on which the environment's have started."""
    opening = case.settings["num_stock_shares"]
    shares = [0.0] * case.data.n_stocks if opening is None else [float(held) for held in opening]
    cash = case.settings["initial_amount"]
    return [
        Account(world, cash, shares, int(theirs["first_day"]), int(theirs["last_day"]))
        for theirs in env.accounts
    ]


def has_crumbs(shares: NDArray[np.float64]) -> bool:
    """Say whether rounding has left a position, as 0.1 + 0.2 - 0.3 does; it may be traded."""
    return bool(((shares != 0) & (np.abs(shares) < 1e-12)).any())


def compare(case: Case) -> Counter[str]:
    """Step both through an episode, compare everything, and count what has happened."""
    env, seen = case.env(), Counter[str]()
    env.reset()
    world = World(case.data, conditions_of(case))
    accounts = dict(enumerate(accounts_of(case, env, world)))
    sure = set(accounts)
    sizes = dict.fromkeys(accounts, 0.0)
    for actions in case.actions:
        crumbs = [has_crumbs(shares) for shares in env.shares]
        _, rewards, dones, _ = env.advance(actions)
        for position, account in list(accounts.items()):
            seen["steps"] += not account.done
            before = rounding(account, sizes[position])
            sizes[position] += size(account)
            account.step(actions[position].tolist(), actions.dtype == np.float32)
            account.close_call |= crumbs[position]
            seen["close calls"] += account.close_call or account.perhaps_ruined
            if account.perhaps_ruined:
                del accounts[position]
                continue
            if account.close_call:
                sure.discard(position)
                take_over(account, env, position)
                sizes[position] = 0.0
            assert_same(account, env, position, before, rounding(account, sizes[position]))
            assert rewards[position] == np.float32(env.accounts[position]["reward"])
            assert dones[position] == account.done
    for position, account in accounts.items():
        seen["margin calls"] += account.margin_calls
        seen["ruins"] += account.terminated
        if position in sure:
            assert_same_books(account, env.episode_info(position), world)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("market", MARKETS)
def test_every_step_is_the_oracles(market: type[MarketVecEnv]) -> None:
    @settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(cases(market))
    def check(case: Case) -> None:
        compare(case)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("market", MARKETS)
def test_few_decisions_are_left_open(market: type[MarketVecEnv]) -> None:
    """Or the test above would test nothing. Of the same cases each time: one case has many."""
    seen: Counter[str] = Counter()

    @settings(
        max_examples=500,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(cases(market))
    def count(case: Case) -> None:
        seen.update(compare(case))

    count()
    assert seen["close calls"] < 0.02 * seen["steps"]


@pytest.mark.slow
@pytest.mark.parametrize("market", MARKETS)
def test_margin_calls_and_ruins_are_the_oracles(market: type[MarketVecEnv]) -> None:
    seen: Counter[str] = Counter()
    for seed in range(40):
        data = volatile_market(25, 3, seed, volatility=15.0)
        shape = (24, 4, 3 + (market is PortfolioVecEnv))
        chosen: dict[str, Any] = {
            **SETTINGS,
            "allow_short": True,
            "fill": FILLS[seed % 3],
            "initial_amount": 20_000.0,
            "fractional_shares": seed % 2 == 0,
        }
        if market is StockTradingVecEnv:
            chosen["hmax"] = 1_000
        actions = np.random.default_rng(seed).normal(-0.5, 1.0, shape)
        actions[..., 3:] -= 3.0  # no weight on cash
        seen.update(compare(Case(market, data, chosen, actions)))
    assert seen["margin calls"] > 20, seen
    assert seen["ruins"] > 3, seen


def market_at(price: list[float], next_price: list[float] | None = None) -> MarketData:
    """Make a market of two days with given prices."""
    data = generated_market(n_days=2, n_stocks=len(price))
    return replace(data, close=np.array([price, next_price or price], dtype=float))


def traded(market: type[MarketVecEnv], data: MarketData, action: list[float], **chosen: Any) -> Any:
    """Return the shares that one action trades, without costs unless some are given."""
    make: Any = market
    free: dict[str, Any] = {"buy_cost_pct": 0.0, "sell_cost_pct": 0.0}
    env = make(data, record=True, **{**free, **chosen})
    env.reset()
    env.advance(np.array([action]))
    return env.episode_info(0)["ledger"]["trades"][0].tolist()


@pytest.mark.parametrize(
    ("cash", "bought"), [(100.0, 10), (99.999, 9), (109.999, 10), (9.999, 0), (10.0, 1), (0.5, 0)]
)
def test_money_for_exactly_so_many_shares_buys_them(cash: float, bought: int) -> None:
    data = market_at([10.0])
    assert traded(StockTradingVecEnv, data, [1.0], hmax=16, initial_amount=cash) == [bought]


def test_margin_for_exactly_so_many_shares_sells_them_short() -> None:
    data = market_at([10.0])
    for cash, sold in ((40.0, 8), (39.999, 7)):
        chosen: dict[str, Any] = {"hmax": 16, "initial_amount": cash, "allow_short": True}
        assert traded(StockTradingVecEnv, data, [-1.0], **chosen) == [-sold]


def test_scarce_money_goes_to_purchases_and_short_sales_in_order_of_size() -> None:
    data = market_at([10.0, 10.0, 10.0])
    chosen: dict[str, Any] = {"hmax": 8, "initial_amount": 45.0, "allow_short": True}
    assert traded(StockTradingVecEnv, data, [0.5, -1.0, 0.0], **chosen) == [0, -8, 0]
    assert traded(StockTradingVecEnv, data, [0.5, -0.25, 0.5], **chosen) == [4, -1, 0]
    chosen["initial_amount"] = 40.0
    assert traded(StockTradingVecEnv, data, [0.5, -0.5, 0.5], **chosen) == [4, 0, 0]


def test_whole_orders_from_broken_holdings_rank_by_whole_shares() -> None:
    chosen: dict[str, Any] = {
        "hmax": 10,
        "initial_amount": 0.0,
        "allow_short": True,
        "num_stock_shares": [0, 3.5],
    }
    data = market_at([10.0, 10.0])
    # Selling 3.5 pays the margin of 7: of the 6.5 left of the second order and the 6 of the first,
    # the first ticker's are served, being as many whole ones.
    assert traded(StockTradingVecEnv, data, [-0.6, -1.0], **chosen) == [-6.0, -4.5]


@pytest.mark.parametrize(("dtype", "shares"), [(np.float32, 29), (np.float64, 28)])
def test_orders_are_multiplied_in_the_precision_of_the_actions(dtype: type, shares: int) -> None:
    env = StockTradingVecEnv(market_at([10.0]), hmax=100)
    env.reset()
    env.advance(np.array([[0.29]], dtype=dtype))
    assert env.shares[0, 0] == shares


@pytest.mark.parametrize("market", MARKETS)
def test_the_risk_threshold_itself_closes_everything(market: type[MarketVecEnv]) -> None:
    data = generated_market(n_days=3, n_stocks=1)
    assert data.risk is not None
    make: Any = market
    for threshold, held in ((data.risk[0], 0), (np.nextafter(data.risk[0], np.inf), 5)):
        env = make(data, num_stock_shares=[5], turbulence_threshold=threshold)
        env.reset()
        keeping = [0.0]
        if market is PortfolioVecEnv:
            weight = 5 * data.close[0, 0] / env.accounts[0]["value"]
            keeping = [2 * weight - 1, 1 - 2 * weight]
        env.advance(np.array([keeping]))
        assert env.shares[0, 0] == held


def test_a_position_is_kept_at_exactly_the_maintenance_margin() -> None:
    for close, called in ((12.5, 0), (12.51, 1)):
        data = generated_market(n_days=3, n_stocks=1)
        data = replace(data, close=np.array([[10.0], [close], [close]]))
        env = StockTradingVecEnv(
            data, hmax=10, initial_amount=62.5, allow_short=True, borrow_rate=0.0,
            buy_cost_pct=0.0, sell_cost_pct=0.0, maintenance_margin=0.3,
        )  # fmt: skip
        env.reset()
        env.advance(np.array([[-1.0]]))
        assert env.shares[0, 0] == -10
        env.advance(np.array([[0.0]]))
        assert env.accounts[0]["margin_calls"] == called
        assert env.shares[0, 0] == (0 if called else -10)

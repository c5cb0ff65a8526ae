"""How many shares weights come to: as much as costs leave room for, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from finai_rl.evaluation.policies.sizing import Account, shares_for


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rate=st.sampled_from([1e-4, 1e-3, 0.05, 0.4]),
    impact=st.sampled_from([0.0, 1e-4]),
    part=st.booleans(),
)
def test_it_is_the_most_that_pays_for_itself(
    seed: int, rate: float, impact: float, part: bool
) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 30))
    price, weights = 10 ** random.uniform(-2, 4, n), random.dirichlet(np.ones(n))
    held = np.floor(random.uniform(0, 100, n)) if part else np.zeros(n)

    def costs(orders: np.ndarray) -> np.ndarray:
        quantity = np.abs(orders)
        return np.asarray(quantity * price * np.minimum(rate + impact * np.sqrt(quantity), 0.5))

    account = Account(10 ** random.uniform(2, 7), price, held, costs)
    shares = shares_for(weights, account, whole=False)
    assert account.pays_for(shares) >= 0
    assume((weights > 1e-6).all())
    # A hundred-millionth more of the portfolio is not paid for.
    assert account.pays_for(shares * (1 + 1e-8)) < 0
    # It is the portfolio that was asked for.
    assert shares * price / (shares @ price) == pytest.approx(weights, rel=1e-9)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_accounts=st.integers(1, 6),
    rate=st.sampled_from([0.0, 1e-3, 0.05]),
    impact=st.sampled_from([0.0, 1e-4]),
    whole=st.booleans(),
)
def test_several_accounts_get_what_each_gets_alone_to_the_last_bit(
    seed: int, n_accounts: int, rate: float, impact: float, whole: bool
) -> None:
    random = np.random.default_rng(seed)
    shape = (n_accounts, int(random.integers(1, 40)))
    price, weights = (
        10 ** random.uniform(-1, 3, shape),
        random.dirichlet(np.ones(shape[1]), shape[0]),
    )
    held = np.floor(random.uniform(0, 100, shape)) * (random.random(shape) < 0.5)
    # Some accounts have nothing at all, and some keep a part of their shares.
    cash = 10 ** random.uniform(2, 7, n_accounts) * (random.random(n_accounts) < 0.8)
    held[random.random(n_accounts) < 0.2] = 0.0
    traded = random.random(shape) < random.choice([0.3, 1.0], (n_accounts, 1))

    def account(rows: int | slice) -> Account:
        def costs(orders: np.ndarray) -> np.ndarray:
            quantity = np.abs(orders)
            share = np.minimum(rate + impact * np.sqrt(quantity), 0.5)
            return np.asarray(quantity * price[rows] * share)

        return Account(cash[rows], price[rows], held[rows], costs)

    together = shares_for(weights, account(slice(None)), whole=whole, traded=traded)
    for row in range(n_accounts):
        alone = shares_for(weights[row], account(row), whole=whole, traded=traded[row])
        assert together[row].tobytes() == alone.tobytes()


def plain_search(weights: np.ndarray, account: Account, traded: np.ndarray) -> np.ndarray:
    """Size by bisection that asks at every step, from 0 and 1 unless costs say where it is."""
    worth, price, held = float(account.worth), account.price, account.held
    wanted = np.where(traded, weights, 0.0) * worth / price

    def scaled(scale: float) -> np.ndarray:
        return np.where(traded, scale * wanted, held)

    def affordable(scale: float) -> bool:
        costs = float(account.costs_of(scaled(scale) - held).sum())
        return scale * worth + costs <= worth and bool(account.pays_for(scaled(scale)) >= 0)

    if affordable(1.0):
        return scaled(1.0)
    lower, upper, near = 0.0, 1.0, 1.0
    if worth > 0:
        for _ in range(6):
            near = 1.0 - float(account.costs_of(scaled(near) - held).sum()) / worth
        around = near * (1 - 1e-14), near * (1 + 1e-14)
        if affordable(around[0]) and not affordable(around[1]):
            lower, upper = around
    for _ in range(60):
        middle = (lower + upper) / 2
        if middle in (lower, upper):
            break
        lower, upper = (middle, upper) if affordable(middle) else (lower, middle)
    return scaled(lower)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    rate=st.sampled_from([0.0, 1e-4, 1e-3, 0.02, 0.3]),
    impact=st.sampled_from([0.0, 1e-4]),
    share=st.sampled_from([0.05, 0.3, 0.7, 1.0]),
)
def test_it_is_what_a_plain_search_finds_to_the_last_bit(
    seed: int, rate: float, impact: float, share: float
) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 40))
    price, weights = 10 ** random.uniform(-1, 3, n), random.dirichlet(np.full(n, 0.5))
    held = np.floor(10 ** random.uniform(0, 4, n)) * (random.random(n) < 0.7)
    traded = random.random(n) < share

    def costs(orders: np.ndarray) -> np.ndarray:
        quantity = np.abs(orders)
        return np.asarray(quantity * price * np.minimum(rate + impact * np.sqrt(quantity), 0.5))

    cash = float(held @ price) * 10 ** random.uniform(-6, 1) * (random.random() < 0.9)
    account = Account(cash, price, held, costs)
    found = shares_for(weights, account, whole=False, traded=traded)
    assert found.tobytes() == plain_search(weights, account, traded).tobytes()

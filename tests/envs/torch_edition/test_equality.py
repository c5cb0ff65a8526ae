"""Accounts on tensors are those of the compiled environments: days, orders, costs, rewards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.rewards import ExcessReturn, LogReturn, MeanVariance
from finai_rl.envs.stock_trading import StockTradingVecEnv
from finai_rl.envs.torch_edition.environment import TorchVecEnv
from tests.envs.cases import Case, cases
from tests.markets import generated_market

REWARDS = (None, LogReturn(), ExcessReturn(risk_aversion=3.0), MeanVariance(decay=0.2))
NOT_ON_TENSORS = {"impact": 0.0, "allow_short": False}
thorough = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def tensor_cases(draw: st.DrawFn) -> Case:
    """Draw a case of what accounts on tensors do, whose episodes end and begin on the way."""
    market = draw(st.sampled_from([StockTradingVecEnv, PortfolioVecEnv]))
    case = draw(cases(market, n_envs=3))
    chosen = {**case.settings, **NOT_ON_TENSORS}
    chosen["observation"] = draw(st.sampled_from(["finrl", "relative", "ranks"]))
    chosen["reward"] = draw(st.sampled_from(REWARDS))
    if market is StockTradingVecEnv:
        chosen["pro_rata"] = draw(st.booleans())
        chosen["max_order"] = draw(st.sampled_from([None, 0.05, 3.0]))
    else:
        chosen["weights"] = draw(st.sampled_from(["linear", "softmax"]))
    days = draw(st.sampled_from([None, 3]))
    if days is not None:
        chosen |= {"episode_days": days, "random_start": draw(st.booleans())}
    return replace(case, settings=chosen)


def both(case: Case, precision: str = "float64") -> tuple[Any, TorchVecEnv]:
    """Make both editions of a case's environment, seeded alike."""
    compiled = case.env(record=False, seed=5)
    tensors = TorchVecEnv(case.env(record=False, seed=5), "cpu", precision)
    for env in (compiled, tensors):
        env.seed(7)
    return compiled, tensors


@thorough
@given(tensor_cases())
def test_every_step_is_that_of_the_compiled_edition(case: Case) -> None:
    compiled, tensors = both(case)
    # Exponentials of two libraries may differ in their last bit.
    close: Any = {"rtol": 1e-6 if case.settings.get("weights") == "softmax" else 0.0, "atol": 0.0}
    assert_allclose(tensors.reset(), compiled.reset(), **close)
    for _ in range(2):
        for actions in case.actions:
            (seen, rewards, dones, infos), (seen_there, rewards_there, dones_there, there) = (
                env.step(actions) for env in (tensors, compiled)
            )
            assert_array_equal(dones, dones_there)
            assert_allclose(seen, seen_there, rtol=close["rtol"], atol=close["rtol"])
            assert_allclose(rewards, rewards_there, rtol=close["rtol"], atol=close["rtol"])
            assert_same_accounts(tensors, compiled, exact=close["rtol"] == 0.0)
            for info, other in zip(infos, there, strict=True):
                assert info.keys() == other.keys()
                if info:
                    assert info["TimeLimit.truncated"] == other["TimeLimit.truncated"]
                    for name, value in info["account"].items():
                        assert value == pytest.approx(other["account"][name], rel=1e-9)
                    assert_allclose(
                        info["terminal_observation"], other["terminal_observation"],
                        rtol=close["rtol"], atol=close["rtol"],
                    )  # fmt: skip


def assert_same_accounts(tensors: TorchVecEnv, compiled: Any, *, exact: bool) -> None:
    accounts, there = tensors.accounts, compiled.accounts
    assert_array_equal(accounts.day, there["day"])
    money = 1e-9 * (1.0 + there["value"].max())
    for name, least in {"cash": money, "value": money, "cost": money, "turnover": 1e-12}.items():
        here = getattr(accounts, name).numpy()
        if exact and name in ("cash", "value"):
            assert_array_equal(here, there[name])
        assert_allclose(here, there[name], rtol=1e-9, atol=least)
    assert_array_equal(accounts.trades, there["trades"])
    if exact:
        assert_array_equal(accounts.shares, compiled.shares)


@pytest.mark.parametrize("market", [StockTradingVecEnv, PortfolioVecEnv])
def test_money_that_does_not_last_for_all_buys_as_much_of_what_follows(market: Any) -> None:
    """A cheaper stock later in the ranking is bought with what a dearer one has left."""
    data = generated_market(n_days=12, n_stocks=9)
    make: Any = market
    options: dict[str, Any] = {"fractional_shares": False, "initial_amount": 3_000.0, "n_envs": 4}
    compiled, tensors = (
        make(data, **options),
        TorchVecEnv(make(data, **options)),
    )
    assert_array_equal(tensors.reset(), compiled.reset())
    rng = np.random.default_rng(0)
    left = []
    for _ in range(11):
        actions = rng.uniform(0, 1, (4, *compiled.action_space.shape)).astype(np.float32)
        one, other = tensors.step(actions), compiled.step(actions)
        assert_allclose(one[0], other[0], rtol=1e-6)
        left.append(compiled.accounts["cash"].min())
    # Less than the dearest stock costs: cash was what bound.
    assert min(left) < data.close.max()


def test_float32_is_close_and_half_of_the_memory() -> None:
    data = generated_market(n_days=30, n_stocks=9)
    options: dict[str, Any] = {"n_envs": 8, "fractional_shares": True}
    compiled = PortfolioVecEnv(data, **options)
    tensors = TorchVecEnv(PortfolioVecEnv(data, **options), "cpu", "float32")
    assert tensors.accounts.shares.dtype == tensors.accounts.close.dtype == torch.float32
    tensors.reset(), compiled.reset()
    rng = np.random.default_rng(0)
    for _ in range(28):
        actions = rng.uniform(-1, 1, (8, 10)).astype(np.float32)
        tensors.step(actions), compiled.step(actions)
        assert_allclose(tensors.accounts.value, compiled.accounts["value"], rtol=1e-4)
        assert (tensors.accounts.cash >= 0.0).all()


def test_a_seed_gives_the_windows_of_the_compiled_edition_again_and_again() -> None:
    data = generated_market(n_days=40)
    options: dict[str, Any] = {"n_envs": 5, "episode_days": 6, "random_start": True}
    compiled = StockTradingVecEnv(data, **options)
    tensors = TorchVecEnv(StockTradingVecEnv(data, **options))
    first = []
    for env in (compiled, tensors, tensors):
        env.seed(3)
        env.reset()
        days: Any = env.accounts["first_day"] if env is compiled else env.accounts.first_day
        first.append(days.tolist())
    assert first[0] == first[1] == first[2]
    assert len(set(first[0])) > 1

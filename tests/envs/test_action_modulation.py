"""Scaling by sentiment, against FinRL-DeepSeek's factors written out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from finai_rl.data.market import MarketData
from finai_rl.envs.action_modulation import SentimentModulation
from finai_rl.envs.settings import state_features
from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.markets import generated_market

# Factors of a purchase and of a sale at a score of 0, 1, .., 5.
FACTORS = {
    "finrl_deepseek": ([1, 0.9, 0.95, 0.98, 1.05, 1.1], [1, 1.1, 1.05, 0.98, 0.95, 0.9]),
    "finrl_deepseek_1": ([1, 0.99, 0.995, 1, 1.005, 1.01], [1, 1.01, 1.005, 1, 0.995, 0.99]),
    "finrl_deepseek_01": (
        [1, 0.999, 0.9995, 1, 1.0005, 1.001],
        [1, 1.001, 1.0005, 1, 0.9995, 0.999],
    ),
}


def scored_market(scores: Any, *names: str) -> MarketData:
    """Make a market of six stocks with scores (n_days, n_stocks) in its first sentiment column."""
    scores = np.asarray(scores, dtype=float)
    data = generated_market(n_days=len(scores), n_stocks=6)
    names = names or ("llm_sentiment",)
    columns = np.stack([scores] + [scores * 0 + 0.5] * (len(names) - 1), axis=1)
    return replace(data, sentiment=columns, sentiment_names=names)


def trades(data: MarketData, actions: NDArray[Any], **chosen: Any) -> NDArray[np.float64]:
    """Return what actions (n_steps, 1, n_stocks) trade, with money and shares for everything."""
    env = StockTradingVecEnv(
        data, record=True, initial_amount=1e9, num_stock_shares=[10_000] * 6, **chosen
    )
    env.reset()
    for action in actions:
        env.advance(action)
    ledger: dict[str, NDArray[np.float64]] = env.episode_info(0)["ledger"]
    return ledger["trades"]


@pytest.mark.parametrize("variant", FACTORS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_factors_are_finrl_deepseeks(variant: str, dtype: type) -> None:
    data = scored_market([range(6)] * 3)
    modulation = SentimentModulation(data, variant)
    purchase, sale = FACTORS[variant]
    days = np.array([0, 1])
    actions = np.array([[0.3] * 6, [-0.7] * 6], dtype=dtype)
    scaled = modulation.scaled(actions, days)
    assert scaled.dtype == dtype
    np.testing.assert_array_equal(scaled[0], actions[0] * np.array(purchase, dtype=dtype))
    np.testing.assert_array_equal(scaled[1], actions[1] * np.array(sale, dtype=dtype))
    assert (modulation.scaled(np.zeros((2, 6), dtype), days) == 0).all()


@pytest.mark.parametrize("variant", FACTORS)
def test_fractional_orders_show_the_factors_of_their_day(variant: str) -> None:
    scores = np.array([[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [0] * 6])
    actions = np.array([[[0.5] * 6], [[-0.5] * 6]])
    done = trades(
        scored_market(scores), actions, sentiment_modulation=variant, fractional_shares=True
    )
    purchase, sale = FACTORS[variant]
    np.testing.assert_allclose(done[0], 50 * np.array(purchase), rtol=1e-12)
    np.testing.assert_allclose(done[1], -50 * np.array(sale)[scores[1]], rtol=1e-12)


def test_the_callers_actions_are_left_alone() -> None:
    env = StockTradingVecEnv(scored_market([[5] * 6] * 3), sentiment_modulation="finrl_deepseek")
    env.reset()
    actions = np.full((1, 6), 0.5, dtype=np.float32)
    env.step(actions)
    np.testing.assert_array_equal(actions, np.full((1, 6), 0.5, dtype=np.float32))


@pytest.mark.parametrize(("compat", "most"), [(False, 100), (True, 110)])
def test_only_finrls_mode_trades_more_than_hmax(compat: bool, most: int) -> None:
    data = scored_market([[5] * 6, [1] * 6, [0] * 6])
    actions = np.array([[[1.0] * 6], [[-1.0] * 6]], dtype=np.float32)
    done = trades(data, actions, sentiment_modulation="finrl_deepseek", finrl_compat=compat)
    np.testing.assert_array_equal(np.abs(done[:2]), np.full((2, 6), most))


def test_another_column_may_be_beside_the_scores() -> None:
    data = scored_market([[5] * 6] * 3, "llm_sentiment", "llm_risk")
    done = trades(data, np.full((1, 1, 6), 0.5), sentiment_modulation="finrl_deepseek")
    assert (done[0] == 55).all()


def test_what_has_no_scores_is_refused() -> None:
    good = scored_market([[5] * 6] * 3)
    for data, variant, said in (
        (good, "finrl", "must be null or one of finrl_deepseek, "),
        (replace(good, sentiment=None, sentiment_names=()), "finrl_deepseek", "'llm_sentiment'"),
        (scored_market([[5] * 6] * 3, "one", "other"), "finrl_deepseek", "has ['one', 'other']"),
        (scored_market([[5, 4, 3, 2.5, 0, 6]] * 3), "finrl_deepseek", "has [2.5, 6.0]"),
    ):
        with pytest.raises(ValueError, match=r".+") as refusal:
            StockTradingVecEnv(data, sentiment_modulation=variant)
        assert said in str(refusal.value)


def test_the_placebo_keeps_everything_of_sentiment_but_its_day() -> None:
    data = generated_market(n_days=80, n_stocks=3)
    assert data.sentiment is not None
    real = state_features(data, None, True)
    placebo = state_features(data, None, "shuffled")
    n_features = len(data.feature_names)
    np.testing.assert_array_equal(real[:, :n_features], placebo[:, :n_features])
    assert (real[:, n_features:] != placebo[:, n_features:]).any(axis=(1, 2)).mean() > 0.9
    order = np.argsort(placebo[:, n_features, 0])
    np.testing.assert_array_equal(
        placebo[order, n_features:], data.sentiment[np.argsort(data.sentiment[:, 0, 0])]
    )


def test_sentiment_is_on_off_or_shuffled() -> None:
    with pytest.raises(ValueError, match="true, false or shuffled, got 'maybe'"):
        state_features(generated_market(), None, "maybe")

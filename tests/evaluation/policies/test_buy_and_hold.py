from dataclasses import replace

import numpy as np

from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.policies.buy_and_hold import (
    ConstantAction,
    bought_once,
    index_account_value,
)
from tests.evaluation.accounts import RecordingMarket
from tests.markets import generated_market


def test_what_is_bought_once_is_decided_on_the_first_day():
    targets = bought_once([0.25, 0.5], 3)
    assert targets[0].tolist() == [0.25, 0.5]
    assert np.isnan(targets[1:]).all()


def test_a_constant_action_is_taken_every_day():
    data = generated_market(n_days=5, n_stocks=2)
    action = np.array([0.003, 0.0], dtype=np.float32)
    result = backtest(ConstantAction(action), RecordingMarket(data), data, "constant")
    assert result.trades.tolist() == [[3.0, 0.0]] * 4
    taken, _ = ConstantAction(np.zeros(4, dtype=np.float32)).predict(np.zeros((6, 9)))
    assert (taken.shape, taken.dtype) == ((6, 4), np.float32)
    taken, _ = ConstantAction(np.int64(0)).predict(np.zeros((6, 9)))
    assert taken.shape == (6,)


def test_index_is_rebased_to_the_initial_amount():
    data = replace(generated_market(n_days=3), benchmark=np.array([50.0, 55.0, 40.0]))
    np.testing.assert_allclose(index_account_value(data, 1000.0), [1000, 1100, 800])
    assert index_account_value(replace(data, benchmark=None), 1000.0) is None

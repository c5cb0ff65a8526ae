"""Networks are put in evaluation mode once for many predictions."""

import numpy as np
import pytest
from stable_baselines3 import SAC

from finai_rl.agents.evaluation_mode import predicting
from finai_rl.envs.stock_trading import StockTradingVecEnv
from tests.markets import generated_market


def test_predictions_are_the_same_and_the_modules_are_walked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = SAC("MlpPolicy", StockTradingVecEnv(generated_market(n_days=12)), seed=0, device="cpu")
    observations = np.random.default_rng(0).normal(size=(5, *agent.observation_space.shape))
    expected, _ = agent.predict(observations, deterministic=True)
    walks: list[bool] = []
    set_mode = type(agent.policy).set_training_mode

    def counted(policy, mode) -> None:
        walks.append(mode)
        set_mode(policy, mode)

    monkeypatch.setattr(type(agent.policy), "set_training_mode", counted)
    agent.policy.set_training_mode(True)
    with predicting(agent), predicting(agent):
        assert not any(module.training for module in agent.policy.modules())
        for _ in range(3):
            np.testing.assert_array_equal(
                agent.predict(observations, deterministic=True)[0], expected
            )
        with pytest.raises(AssertionError, match="cannot be trained"):
            agent.policy.set_training_mode(True)
    assert walks == [True, False]
    agent.policy.set_training_mode(True)
    assert agent.policy.training


def test_a_rule_is_left_as_it_is() -> None:
    with predicting(object()):
        pass

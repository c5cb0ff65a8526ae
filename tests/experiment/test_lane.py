"""The lane of a run: how much a training does, and what it does once only."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.experiment.backtests import holdout
from finai_rl.train import train
from tests.config.composition import composed


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a run builds an environment, backtests and measures an account."""
    counted: Counter[str] = Counter()

    def count(place: Any, name: str, called: str) -> None:
        function = getattr(place, name)

        def wrapped(*arguments: Any, **settings: Any) -> Any:
            counted[called] += 1
            return function(*arguments, **settings)

        monkeypatch.setattr(place, name, wrapped)

    count(MarketVecEnv, "__init__", "environments")
    count(holdout, "backtest", "backtests of accounts")
    count(holdout, "equal_weight", "backtests of equal weight")
    count(holdout, "metrics", "measurements")
    return counted


def test_a_run_does_everything_once(calls: Counter[str], tmp_path: Path) -> None:
    cfg = composed("agent=a2c", "env.sentiment=true", "debug=fast", "tracking=none")
    train(cfg, tmp_path)
    assert calls == {
        "environments": 3,  # To train in, to be evaluated in, and equal weight's.
        "backtests of accounts": 2,  # The dry run and the agent.
        "backtests of equal weight": 1,
        "measurements": 2,  # Equal weight and the agent.
    }

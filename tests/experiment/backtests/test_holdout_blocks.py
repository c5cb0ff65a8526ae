"""What is said of an agent over several blocks of days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finai_rl.evaluation.metrics import net_exposure
from finai_rl.experiment.backtests.holdout_blocks import HoldoutBlocks
from finai_rl.experiment.environments import Environments
from tests.agents.test_registry import tiny
from tests.markets import generated_market

MARKET = generated_market(n_days=40, n_stocks=3)
BLOCKS = [MARKET.slice_days(0, 20), MARKET.slice_days(20, 40)]


class ShortIn:
    """Is short of the first stock in one of the blocks, long of it in the other."""

    def __init__(self, block: int) -> None:
        self.block, self.n_asked = block, 0

    def predict(self, observation: Any, **_: Any) -> tuple[Any, None]:
        here = self.n_asked // 19
        self.n_asked += 1
        return np.array([[-1.0 if here == self.block else 1.0, 0, 0]], dtype=np.float32), None


@pytest.mark.parametrize("short_in", [0, 1])
def test_what_occurs_in_one_block_alone_is_a_mean_over_both(short_in: int, tmp_path: Path) -> None:
    cfg = tiny("agent=a2c", "env.allow_short=true", "env.normalize=false")
    agent: Any = ShortIn(short_in)
    holdout = HoldoutBlocks(Environments(cfg), BLOCKS)
    report = holdout.backtest(agent, None, "agent", tmp_path)
    found, (one, other) = report.metrics["agent"], report.results
    assert found["total_financing"] == pytest.approx(
        (one.financing.sum() + other.financing.sum()) / 2
    )
    assert found["total_financing"] > 0
    assert found["net_exposure"] == pytest.approx((net_exposure(one) + net_exposure(other)) / 2)

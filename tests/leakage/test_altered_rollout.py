"""An environment that shows tomorrow is caught."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from finai_rl.envs.observations import Observed
from finai_rl.leakage.finding import leaks
from tests.leakage.panels import verified


def test_an_environment_that_shows_tomorrow_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from finai_rl.envs import stock_trading

    honest = stock_trading.observed_market

    def ahead(*args: Any, **settings: Any) -> Observed:
        observed = honest(*args, **settings)
        return replace(observed, rows=np.roll(observed.rows, -1, axis=0))

    monkeypatch.setattr(stock_trading, "observed_market", ahead)
    found = verified("data=synthetic", "data.n_days=200", "env.normalize=false")
    assert [one.check for one in leaks(found)] == ["another future, environment"]
    assert "observation of" in leaks(found)[0].evidence

"""An environment that shows tomorrow is caught."""

from __future__ import annotations

import numpy as np
import pytest

from finai_rl.leakage.finding import leaks
from tests.leakage.panels import verified


def test_an_environment_that_shows_tomorrow_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from finai_rl.envs import stock_trading

    honest = stock_trading.state_features

    def ahead(*args: object) -> np.ndarray:
        return np.roll(honest(*args), -1, axis=0)  # type: ignore[arg-type]

    monkeypatch.setattr(stock_trading, "state_features", ahead)
    found = verified("data=synthetic", "data.n_days=200", "env.normalize=false")
    assert [one.check for one in leaks(found)] == ["another future, environment"]
    assert "observation of" in leaks(found)[0].evidence

"""Days that a turbulence threshold closes: counted as the environments close them, and told."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finai_rl.data.market import MarketData
from finai_rl.data.split import Split
from finai_rl.errors import ConfigError
from finai_rl.evaluation.backtest import backtest
from finai_rl.evaluation.policies.buy_and_hold import ConstantAction
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.risk_threshold import ClosedDays, check_risk_threshold
from finai_rl.train import train
from tests.config.composition import composed
from tests.markets import generated_market

ENVS = {
    "stock_trading": ("env=stock_trading",),
    "portfolio": ("env=portfolio",),
    "finrl": ("env=finrl",),
    "compat": ("env.finrl_compat=true",),
}


def market(risk: Any, name: str = "turbulence") -> MarketData:
    days = generated_market(n_days=len(risk), n_stocks=2)
    return replace(days, risk=np.asarray(risk, dtype=np.float64), risk_name=name)


def split_of(train_risk: Any, validation_risk: Any, **settings: Any) -> Split:
    train_days = market(train_risk, **settings)
    later = market([*train_risk, *validation_risk], **settings)
    return Split(train_days, later.slice_days(len(train_risk), later.n_days), None)


def told(caplog: pytest.LogCaptureFixture, split: Split, *overrides: str) -> tuple[str, str] | None:
    """Return the level and the text of what is said of a threshold; None for nothing."""
    caplog.clear()
    with caplog.at_level(logging.INFO):
        check_risk_threshold(Environments(composed(*overrides)), split)
    assert len(caplog.records) <= 1
    return next(((entry.levelname, entry.getMessage()) for entry in caplog.records), None)


def refused(split: Split, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        check_risk_threshold(Environments(composed(*overrides)), split)
    return str(error.value)


@pytest.mark.parametrize("name", ENVS)
@pytest.mark.parametrize("threshold", [0.0, 20.0, 35.0, 60.0])
def test_days_are_closed_as_the_environment_closes_them(name: str, threshold: float) -> None:
    data = generated_market(n_days=40, n_stocks=1, seed=3)
    settings = ("env.hmax=1",) if name != "portfolio" else ()
    cfg = composed(*ENVS[name], *settings, f"env.turbulence_threshold={threshold}")
    env = Environments(cfg).evaluation(data)
    action = np.full(env.action_space.shape or (), 1.0, np.float32)
    if name == "portfolio":
        action[-1] = 0.0  # Cash.
    result = backtest(ConstantAction(action), env, data, name)
    held = (result.shares > 0).any(axis=1)
    free = name in ("finrl", "compat")
    counted = ClosedDays.of([data], threshold, free_start=free)
    # What was bought on a day is there on the next, and sold on a day that is closed.
    assert int(held[1:].sum()) == counted.days - counted.closed
    assert counted.days == 39


@pytest.mark.parametrize("name", ["stock_trading", "portfolio"])
def test_a_threshold_below_every_training_day_is_refused(name: str) -> None:
    split = split_of(np.linspace(900.0, 2000.0, 50), np.linspace(100, 200, 10))
    message = refused(split, *ENVS[name], "env.turbulence_threshold=140")
    assert "env.turbulence_threshold: turbulence is at or above 140 on all 49 training" in message
    assert "98.0 % of the training days lie below 1978 (turbulence: median 1450" in message
    # The day of the last close is not traded: that it is calm helps nobody.
    calm_end = split_of([*np.linspace(900.0, 2000.0, 50), 1.0], [1.0, 1.0])
    assert "on all 50 training days" in refused(calm_end, "env.turbulence_threshold=140")
    # FinRL takes the index of an episode's first day as 0.
    check_risk_threshold(Environments(composed(*ENVS["finrl"])), split)


@pytest.mark.parametrize("name", ["finrl", "compat"])
def test_finrls_free_first_day_is_warned_of(name: str, caplog: pytest.LogCaptureFixture) -> None:
    split = split_of(np.linspace(900.0, 2000.0, 50), np.linspace(900.0, 2000.0, 10))
    said = told(caplog, split, *ENVS[name], "env.turbulence_threshold=140")
    assert said is not None
    assert said[0] == "WARNING"
    assert "on 48 of 49 training days (98.0 %) and on 8 of 9 validation days (88.9 %)" in said[1]
    assert "of the training days lie below" in said[1]
    assert "on all 49 training days" in refused(split, *ENVS[name], "env.turbulence_threshold=0")


def test_the_share_is_told_and_most_days_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    split = split_of(np.arange(101.0), np.arange(11.0), name="vix")
    few = told(caplog, split, "env.turbulence_threshold=75")
    assert few == (
        "INFO",
        "env.turbulence_threshold=75: nothing may be bought on 25 of 100 training days (25.0 %) "
        "and on 0 of 10 validation days (0.0 %)",
    )
    level, most = told(caplog, split, "env.turbulence_threshold=40") or ("", "")
    assert level == "WARNING"
    assert "on 60 of 100 training days (60.0 %)" in most
    assert most.endswith("(vix: median 50, largest 100)")
    # A closed validation block is a warning: the agent learned to trade, and is not judged by it.
    level, later = told(
        caplog, split_of(np.arange(101.0), [99, 99]), "env.turbulence_threshold=98"
    ) or ("", "")
    assert level == "WARNING"
    assert "on 2 of 100 training days (2.0 %) and on 1 of 1 validation days (100.0 %)" in later


def test_a_threshold_above_every_day_has_no_effect_and_that_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    split = split_of(np.arange(1.0, 201.0), np.arange(1.0, 11.0))
    level, text = told(caplog, split, "env.turbulence_threshold=1e6") or ("", "")
    assert level == "INFO"
    assert text.startswith("env.turbulence_threshold=1000000 has no effect: turbulence is below it")
    assert "99.0 % of the training days lie below 198.1" in text
    assert told(caplog, split) is None
    assert told(caplog, replace(split, train=replace(split.train, risk=None))) is None


def test_the_advice_knows_nothing_of_validation() -> None:
    advice = {
        refused(split_of(np.linspace(5, 9, 30), later), "env.turbulence_threshold=1")
        for later in ([1.0, 1.0], [1e6, 1e9])
    }
    assert len(advice) == 1


def test_an_evaluation_may_have_a_threshold_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    split = split_of(np.arange(101.0), np.arange(11.0))
    said = told(caplog, split, "+evaluation.env.turbulence_threshold=2")
    assert said is not None
    assert said[1].startswith(
        "env.turbulence_threshold=null, evaluation.env.turbulence_threshold=2: nothing may be "
        "bought on 0 of 100 training days (0.0 %) and on 8 of 10 validation days (80.0 %); "
    )


def test_a_training_is_refused_before_it_starts(tmp_path: Path) -> None:
    cfg = composed("env.turbulence_threshold=1", "tracking=none", "debug=fast", "data=synthetic")
    with pytest.raises(ConfigError, match="nothing could ever be bought"):
        train(cfg, tmp_path)
    assert not list(tmp_path.iterdir())

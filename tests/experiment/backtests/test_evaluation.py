"""What an assessment keeps of the days of an agent's backtest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from finai_rl.experiment.backtests import behaviour
from finai_rl.experiment.backtests.evaluation import Assessment, Request
from finai_rl.experiment.finished_run import Block
from finai_rl.report.run.contents import EvaluationReport, RunFacts
from tests.config.composition import composed
from tests.markets import generated_market

DATA = generated_market(n_days=60, n_stocks=3)


class Buyer:
    """Buys a share of each stock a day, whatever it sees."""

    def predict(self, observation: Any, **_: Any) -> tuple[Any, None]:
        return np.full((len(observation), 3), 0.01, np.float32), None


def assessed(asked: Request) -> EvaluationReport:
    cfg = composed("evaluation.periods_per_year=365", "env.normalize=false")
    block = Block("validation", DATA.slice_days(30, 60), history=DATA.slice_days(0, 30))
    agent: Any = Buyer()
    return Assessment(cfg, block, asked).report(agent, None, "a", 1, RunFacts("", "", "", {}))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was kept of each assessment's days."""
    found: list[Any] = []
    made = behaviour.Explanation.__init__

    def noted(explanation: Any, *arguments: Any) -> None:
        made(explanation, *arguments)
        found.append(explanation._days)

    monkeypatch.setattr(behaviour.Explanation, "__init__", noted)
    return found


ASKED = Request((), 0, (), "outputs", permutations=2, response_days=5)


def test_days_are_kept_where_they_are_asked_about_and_fit(
    kept: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assessed(ASKED)
    assessed(Request((), 0, (), "outputs"))
    monkeypatch.setattr(behaviour, "_RECORDED_CELLS", 100)
    report = assessed(ASKED)
    assert [None if days is None else len(days.observations) for days in kept] == [29, None, None]
    assert report.behaviour is not None
    assert "do not fit into memory" in report.behaviour.notes[0]

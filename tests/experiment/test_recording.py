"""What a run tells its tracker and the terminal about its backtest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finai_rl.evaluation.attainable_share import AttainableShare
from finai_rl.experiment.backtests.holdout import HoldoutReport
from finai_rl.experiment.recording import log_backtest, print_summary
from tests.config.composition import composed
from tests.markets import generated_market

BLOCK = generated_market(n_days=60, n_stocks=2)
SPLIT: Any = SimpleNamespace(
    train=BLOCK, validation=BLOCK, train_blocks=[BLOCK], validation_blocks=[BLOCK]
)


class Notes:
    """A tracker that keeps what it is told."""

    run_id = None

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.metrics: dict[str, float] = {}

    def set_tags(self, tags: dict[str, str]) -> None:
        self.tags |= tags

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.metrics |= metrics

    def log_artifacts(self, folder: Path, artifact_path: str) -> None: ...


def reported(ruined_on: str | None) -> HoldoutReport:
    agent = {"total_return": -1.5, "final_account_value": -500.0, "sharpe_ratio": -2.0}
    metrics = {"agent": agent, "equal_weight": {"total_return": 0.1}}
    account: Any = None
    return HoldoutReport(metrics, [], account, ruined_on)


@pytest.mark.parametrize("ruined_on", ["2020-01-15", None])
def test_the_day_of_ruin_is_a_tag_and_told(
    ruined_on: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg, notes, report = composed(), Notes(), reported(ruined_on)
    tracker: Any = notes
    log_backtest(tracker, cfg, report, 100, tmp_path)
    print_summary(cfg, SPLIT, report, tmp_path, tracker)
    told = capsys.readouterr().out
    assert notes.metrics["validation/total_return"] == -1.5
    if ruined_on is None:
        assert notes.tags == {"validation.looked_at": "true"}
        assert "Ruined" not in told
        assert "2020-01-01 to 2020-02-29" in told
    else:
        assert notes.tags["validation.ruined_on"] == "2020-01-15"
        assert "Ruined on 2020-01-15: the account was worth -500.00" in told
        assert "2020-01-01 to 2020-01-15" in told


def test_an_idle_agent_and_a_benchmark_in_cash_are_tags_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg, notes = composed(), Notes()
    tracker: Any = notes
    lacking = "Equal weight is 0.46 invested on average"
    report = replace(reported(None), traded=False, shortfall=lacking)
    log_backtest(tracker, cfg, report, 100, tmp_path)
    print_summary(cfg, SPLIT, report, tmp_path, tracker)
    told = capsys.readouterr().out
    assert notes.tags["validation.never_traded"] == "true"
    assert notes.tags["benchmark.shortfall"] == lacking
    assert "The agent never traded" in told
    assert f"Note: {lacking}, so returns over it say little of skill." in told


def test_a_share_of_the_attainable_is_measured_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg, notes = composed(), Notes()
    report = replace(reported(None), attainable=AttainableShare(2.0, 1.0, 4.0, "the rule"))
    tracker: Any = notes
    log_backtest(tracker, cfg, report, 100, tmp_path)
    print_summary(cfg, SPLIT, report, tmp_path, tracker)
    assert notes.metrics["validation/attainable_sharpe"] == 4.0
    assert notes.metrics["validation/attainable_share"] == 0.5
    assert notes.metrics["validation/attainable_progress"] == pytest.approx(1 / 3)
    assert report.attainable is not None
    assert report.attainable.words in capsys.readouterr().out


def test_an_agent_that_bought_and_held_is_a_tag_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg, notes = composed(), Notes()
    tracker: Any = notes
    sentence = "The agent bought and held: 99 % of it."
    for report, said in (
        (replace(reported(None), bought_and_held=True, habits=sentence), sentence),
        (replace(reported(None), bought_and_held=True), "bought and held on each block"),
    ):
        log_backtest(tracker, cfg, report, 100, tmp_path)
        print_summary(cfg, SPLIT, report, tmp_path, tracker)
        assert said in capsys.readouterr().out
        assert notes.tags.pop("validation.bought_and_held") == "true"
    log_backtest(tracker, cfg, reported(None), 100, tmp_path)
    assert "validation.bought_and_held" not in notes.tags

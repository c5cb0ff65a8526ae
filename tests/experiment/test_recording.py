"""What a run tells its tracker and the terminal about its backtest."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finai_rl.experiment.holdout import HoldoutReport
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

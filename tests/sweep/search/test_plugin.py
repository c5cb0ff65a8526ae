"""What the installed Optuna lacks is refused with what to install."""

from __future__ import annotations

import pytest

from finai_rl.sweep.callback import MultirunRecord
from finai_rl.sweep.search import plugin
from tests.sweep.test_callback import multirun_of


def test_a_sampler_that_is_not_there_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plugin, "OPTUNA", 2)
    with pytest.raises(SystemExit):
        MultirunRecord().on_multirun_start(multirun_of("sweep=a2c", "hydra/sweeper/sampler=gp"))
    said = capsys.readouterr().err
    assert "hydra/sweeper/sampler: GPSampler needs Optuna 4.9 or later" in said
    assert "pip install" in said

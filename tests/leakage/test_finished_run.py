"""What a run was trained on is checked as ``verify`` checks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from finai_rl.config.check import check
from finai_rl.experiment.market import load_market
from finai_rl.leakage.finding import leaks
from finai_rl.leakage.finished_run import findings_of
from tests.config.composition import composed
from tests.leakage.panels import LEAKS, rows, with_column


@pytest.mark.parametrize("leaking", [False, True])
def test_a_column_that_knows_tomorrow_is_found(tmp_path: Path, leaking: bool) -> None:
    table = rows(n_days=150)
    if leaking:
        table = with_column(table, "tomorrow", LEAKS["tomorrow"][0])
    table.to_csv(tmp_path / "my.csv", index=False)
    own = ("data=processed_csv", f"data.path={tmp_path}/my.csv", "env.n_envs=2")
    cfg = check(composed(*own))
    found = findings_of(cfg, load_market(cfg))
    assert len(found) > 5
    assert any("tomorrow" in leak.subject for leak in leaks(found)) is leaking

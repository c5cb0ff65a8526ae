"""Markets of which the truth is known: noise is evidence of nothing, a planted signal is found."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.e2e.sweeps import Left, sweep, workplace

MARKET = ("data=synthetic", "env=portfolio", "seed=0,1,2", "checkpoint_every=null")
QUIET = ("tracking.log_model=false", "progress_bar=false")


def evidence(cwd: Path, *arguments: str) -> dict[str, str]:
    """Run a grid over seeds and return the verdict on each agent."""
    sweep(cwd, *MARKET, *QUIET, *arguments)
    table = pd.read_csv(Left(cwd).summary("leaderboard.csv"))
    return dict(zip(table["agent"], table["evidence"], strict=True))


@pytest.mark.slow
def test_noise_is_no_evidence_of_any_agent(tmp_path: Path) -> None:
    found = evidence(workplace(tmp_path), "agent=a2c,erl_a2c", "total_timesteps=30_000")
    del found["equal weight"]
    assert len(found) == 2
    assert set(found.values()) == {"no evidence"}


@pytest.mark.slow
def test_a_planted_signal_is_strong_evidence(tmp_path: Path) -> None:
    planted = ("data.kind=momentum", "data.n_days=12_000", "total_timesteps=200_000")
    found = evidence(workplace(tmp_path), *planted, "agent=a2c")
    assert found["the agent"] == "strong"

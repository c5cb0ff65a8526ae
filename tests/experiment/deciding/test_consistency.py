"""Books that do not come out of the data any more are refused by the day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finai_rl.data.market import MarketData
from finai_rl.errors import ConfigError, DataError
from finai_rl.experiment.deciding.paper_account import PaperAccount, Terms
from finai_rl.experiment.environments import Environments
from tests.agents.test_registry import tiny
from tests.markets import generated_market

MARKET = generated_market(n_days=30, n_stocks=3)
FIRST = 20
DAYS = MARKET.day_names
CALM = replace(MARKET, risk=np.zeros(30))


class FollowsFeatures:
    """Wants more of a stock the higher its first feature is."""

    def predict(self, observation: Any, **_: Any) -> tuple[Any, None]:
        return np.tanh(np.asarray(observation)[:, -3:] + 1), None


def books(folder: Path, n_days: int, *overrides: str) -> Callable[[MarketData], int]:
    """Open an account on the first day, keep it until a day, and return what keeps it on."""
    cfg = tiny("agent=a2c", "env.normalize=false", "env.turbulence_threshold=40", *overrides)
    account = PaperAccount(folder, Environments(cfg), FollowsFeatures(), None)
    opened = Terms("ab12", DAYS[FIRST])

    def keep(market: MarketData) -> int:
        account.enter(market, market.day_names.index(DAYS[FIRST]), {"run_id": "ab12"}, opened)
        return len(account.ledger.lines)

    for day in range(FIRST, n_days):
        keep(CALM.slice_days(0, day + 1))
    return keep


def changed(name: str, day: int, change: float) -> MarketData:
    values = getattr(CALM, name).copy()
    values[day] += change
    return replace(CALM, **{name: values})


@pytest.mark.parametrize("fill", ["same_close", "next_close"])
def test_the_same_data_is_taken(fill: str, tmp_path: Path) -> None:
    keep = books(tmp_path, 27, f"env.fill={fill}")
    assert keep(CALM) == 10
    assert keep(CALM) == 10


@pytest.mark.parametrize("fill", ["same_close", "next_close"])
@pytest.mark.parametrize("day", [22, 26], ids=["earlier", "last"])
@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("close", 1.0, "a price"),
        ("features", 3.0, "what the agent answers"),
        ("risk", 50.0, "what the agent orders, or the risk of the day,"),
    ],
)
def test_another_value_of_a_day_in_the_books_is_refused(
    name: str, change: float, said: str, day: int, fill: str, tmp_path: Path
) -> None:
    keep = books(tmp_path, 27, f"env.fill={fill}")
    other = changed(name, day, change)
    if name == "risk" and day == 22:
        # What was closed on a day shows in what is held on the next.
        said, day = "what was held", 23
    for n_days in (27, 30):
        with pytest.raises(DataError, match=rf"{DAYS[day]}: {said} is not what the books say"):
            keep(other.slice_days(0, n_days))
    assert keep(CALM.slice_days(0, 27)) == 7


def test_another_value_of_a_day_before_is_refused_where_it_matters(tmp_path: Path) -> None:
    keep = books(tmp_path, 27)
    assert keep(changed("features", 19, 3.0)) == 10


def test_days_that_came_late_or_are_gone_are_refused(tmp_path: Path) -> None:
    keep = books(tmp_path, FIRST)
    without = CALM._with(
        {name: np.delete(value, 22, axis=0) for name, value in CALM._by_day().items()}
    )
    for day in range(FIRST, 25):
        keep(without.slice_days(0, day + 1))
    with pytest.raises(DataError, match=f"the day {DAYS[22]} is in the data and not in the books"):
        keep(CALM)
    assert keep(without) == 9
    gone = without._with(
        {name: np.delete(value, 23, axis=0) for name, value in without._by_day().items()}
    )
    with pytest.raises(DataError, match=f"the day {DAYS[24]} is in the books and not in the data"):
        keep(gone)
    with pytest.raises(ConfigError, match=f"ends on {DAYS[24]}, the books on {DAYS[29]}"):
        keep(without.slice_days(0, 24))

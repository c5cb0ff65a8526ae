"""A job of a multirun waits for a store that starts again, and not for ever."""

from __future__ import annotations

import pytest

from finai_rl.tracking import MLflowTracker, NoTracker
from finai_rl.tracking.outage import FIRST_PAUSE, LONGEST_PAUSE, wait_for_store
from finai_rl.tracking.tracker import StoreUnreachable


class Away(NoTracker):
    def __init__(self, times: int) -> None:
        self.times = times

    def check(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise StoreUnreachable("refused")


def test_it_is_asked_again_until_it_answers(caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []
    wait_for_store(Away(3), sleep=pauses.append)
    assert pauses == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert "waits for the store, 15 s so far, 600 at most" in caplog.text
    wait_for_store(NoTracker(), sleep=pauses.append)
    assert len(pauses) == 3


def test_in_the_end_it_is_given_up() -> None:
    pauses: list[float] = []
    with pytest.raises(StoreUnreachable):
        wait_for_store(Away(1_000), patience=200, sleep=pauses.append)
    assert 200 <= sum(pauses) <= 200 + LONGEST_PAUSE


def test_a_run_that_may_begin_without_its_store_waits_for_nothing() -> None:
    address = "http://127.0.0.1:9"
    MLflowTracker(address, "x", on_outage="buffer").check()
    with pytest.raises(StoreUnreachable):
        MLflowTracker(address, "x").check()

"""Signals that arrive while a database is written to."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from finai_rl.tracking.signals import SIGTERM_EXIT_CODE, signals_wait, sigterm_raises


def call(*sent: signal.Signals, done: list[str], fails: bool = False) -> None:
    """Write to a database, as it were, while signals arrive."""
    with signals_wait():
        for number in sent:
            os.kill(os.getpid(), number)
        if fails:
            raise ValueError("the call failed")
        done.append("call")


def test_a_signal_waits_for_the_end_of_the_call() -> None:
    done: list[str] = []
    with sigterm_raises(), pytest.raises(SystemExit) as end:
        call(signal.SIGTERM, done=done)
    assert done == ["call"]
    assert end.value.code == SIGTERM_EXIT_CODE


def test_a_signal_outlasts_an_error_of_the_call() -> None:
    with sigterm_raises(), pytest.raises(SystemExit):
        call(signal.SIGTERM, done=[], fails=True)


def test_nested_calls_wait_for_the_outermost() -> None:
    done: list[str] = []

    def outer() -> None:
        with signals_wait():
            call(signal.SIGINT, done=done)
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        outer()
    assert done == ["call", "outer"]


def test_a_second_signal_does_not_wait() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        call(signal.SIGINT, signal.SIGINT, done=done)
    assert not done


def test_handlers_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    call(done=[])
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_other_threads_are_left_alone() -> None:
    done: list[str] = []
    thread = threading.Thread(target=call, kwargs={"done": done})
    thread.start()
    thread.join()
    assert done == ["call"]

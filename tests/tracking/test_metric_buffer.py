import logging
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finai_rl.tracking.metric_buffer import MAX_BATCH, MetricBuffer, MetricRecord


class Receiver:
    """A store that can be down, and remembers what it was sent."""

    def __init__(self) -> None:
        self.now = 0.0
        self.down = False
        self.batches: list[list[MetricRecord]] = []
        self.calls = 0

    def __call__(self, records) -> None:
        self.calls += 1
        if self.down:
            raise ConnectionError("refused")
        self.batches.append(list(records))

    @property
    def received(self) -> list[tuple[str, float, int]]:
        return [(r.key, r.value, r.step) for batch in self.batches for r in batch]

    def buffer(self, **options) -> MetricBuffer:
        return MetricBuffer(self, clock=lambda: self.now, **options)


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans(), st.floats(0, 40)), max_size=30))
def test_every_value_arrives_once_and_in_order(rounds) -> None:
    receiver, sent = Receiver(), []
    buffer = receiver.buffer()
    for step, (count, down, seconds) in enumerate(rounds):
        receiver.down, receiver.now = down, receiver.now + seconds
        values = {f"m{i}": float(i) for i in range(count)}
        buffer.add(values, step)
        sent += [(key, value, step) for key, value in values.items()]
    receiver.down = False
    buffer.flush()
    assert receiver.received == sent
    assert all(0 < len(batch) <= MAX_BATCH for batch in receiver.batches)
    assert buffer.waiting == 0


def test_values_wait_until_they_are_many() -> None:
    receiver = Receiver()
    buffer = receiver.buffer()
    for step in range(MAX_BATCH - 1):
        buffer.add({"a": 1.0}, step)
    assert receiver.calls == 0
    buffer.add({"a": 1.0}, MAX_BATCH)
    assert [len(batch) for batch in receiver.batches] == [MAX_BATCH]


def test_values_wait_until_they_are_old() -> None:
    receiver = Receiver()
    buffer = receiver.buffer(max_age=5)
    buffer.add({"a": 1.0}, 0)
    receiver.now = 4.9
    buffer.add({"a": 2.0}, 1)
    assert receiver.calls == 0
    receiver.now = 5.0
    buffer.add({"a": 3.0}, 2)
    assert receiver.received == [("a", 1.0, 0), ("a", 2.0, 1), ("a", 3.0, 2)]


def test_a_store_that_is_down_is_asked_ever_less_often_and_warned_about_once(caplog) -> None:
    receiver = Receiver()
    receiver.down = True
    buffer = receiver.buffer(first_retry=15, last_retry=300)
    attempts = []
    for second in range(1000):
        before, receiver.now = receiver.calls, float(second)
        buffer.add({f"m{i}": 0.0 for i in range(20)}, second)
        if receiver.calls > before:
            attempts.append(second)
    assert attempts == [5, 20, 50, 110, 230, 470, 770]
    assert len(caplog.records) == 1
    assert "ConnectionError: refused" in caplog.text
    assert buffer.waiting == 20_000


def test_a_second_outage_is_warned_about_again(caplog) -> None:
    receiver = Receiver()
    buffer = receiver.buffer()
    for down in (True, False, True):
        receiver.down = down
        buffer.add({"a": 1.0}, 0)
        buffer.flush()
    assert len(caplog.records) == 2


def test_nan_is_kept_and_infinity_is_counted_and_said_once(caplog) -> None:
    receiver = Receiver()
    buffer = receiver.buffer()
    with caplog.at_level(logging.WARNING):
        buffer.add({"nan": math.nan, "up": math.inf, "fine": 1}, 3)
        buffer.add({"down": -math.inf}, 4)
    buffer.flush()
    assert [record.key for record in receiver.batches[0]] == ["nan", "fine"]
    assert math.isnan(receiver.batches[0][0].value)
    assert buffer.infinite == 2
    assert len(caplog.records) == 1
    assert "up is inf at step 3" in caplog.text


def test_what_the_store_refuses_does_not_block_the_rest(caplog) -> None:
    class Refusal(Exception):
        error_code = "INVALID_PARAMETER_VALUE"

    received = []

    def send(records) -> None:
        if records[0].key == "bad":
            raise Refusal("no such metric")
        received.extend(records)

    buffer = MetricBuffer(send)
    buffer.add({"bad": 1.0}, 0)
    buffer.flush()
    buffer.add({"good": 1.0}, 1)
    buffer.flush()
    assert [record.key for record in received] == ["good"]
    assert "refused 1 metric values" in caplog.text


def test_a_value_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        Receiver().buffer().add({"a": "text"}, 0)

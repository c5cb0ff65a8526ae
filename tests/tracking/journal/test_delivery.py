"""From the journal to a store that can be down."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finai_rl.tracking.journal.delivery import Delivery
from finai_rl.tracking.journal.file import Journal
from finai_rl.tracking.outage import is_outage


class Refusal(Exception):
    error_code = "INVALID_PARAMETER_VALUE"


class Broken(Exception):
    error_code = "INTERNAL_ERROR"


class Receiver:
    """What sends, as it were: it can be down, refuses what is called bad, and remembers."""

    run_id = "run"

    def __init__(self) -> None:
        self.down, self.received, self.client = False, [], self

    def get_run(self, run_id: str) -> None:
        if self.down:
            raise ConnectionError("refused")

    def send(self, entries) -> None:
        self.get_run("run")
        if any("bad" in entry.get("values", ()) for entry in entries):
            raise Refusal("no such metric")
        self.received += [(key, e["step"]) for e in entries for key in e["values"]]


def metrics(step: int, *keys: str) -> dict[str, object]:
    return {"do": "metrics", "step": step, "values": dict.fromkeys(keys, 1.0)}


def delivery_to(receiver: Receiver, folder: Path) -> Delivery:
    return Delivery(Journal(folder), lambda: receiver)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=20))
def test_every_value_arrives_once_and_in_order_whoever_sends_it(rounds) -> None:
    receiver = Receiver()
    with tempfile.TemporaryDirectory() as folder:
        delivery = delivery_to(receiver, Path(folder))
        for step, (down, flushes, dies) in enumerate(rounds):
            receiver.down = down
            delivery.note(metrics(step, "a", "b"))
            if flushes:
                assert delivery.flush() is not down
            if dies:
                delivery = delivery_to(receiver, Path(folder))
        receiver.down = False
        assert delivery.flush()
        assert delivery.waiting() == []
    assert receiver.received == [(key, step) for step in range(len(rounds)) for key in "ab"]


def test_what_the_store_refuses_does_not_block_the_rest(tmp_path, caplog) -> None:
    receiver = Receiver()
    delivery = delivery_to(receiver, tmp_path)
    for step, key in enumerate(["a", "bad", "c"]):
        delivery.note(metrics(step, key))
    assert delivery.flush()
    assert receiver.received == [("a", 0), ("c", 2)]
    assert "did not take metric values: Refusal: no such metric" in caplog.text


@pytest.mark.parametrize("error", [Broken("codec can't encode"), PermissionError("/sys/nope")])
def test_one_that_cannot_be_sent_does_not_block_the_rest(error, tmp_path, caplog) -> None:
    class Picky(Receiver):
        def send(self, entries) -> None:
            if any("bad" in entry.get("values", ()) for entry in entries):
                raise error
            super().send(entries)

    receiver = Picky()
    delivery = delivery_to(receiver, tmp_path)
    for step, key in enumerate(["a", "bad", "c"]):
        delivery.note(metrics(step, key))
    assert delivery.flush()
    assert receiver.received == [("a", 0), ("c", 2)]
    assert f"did not take metric values: {type(error).__name__}" in caplog.text
    assert "does not answer" not in caplog.text


def test_what_a_server_in_trouble_has_not_taken_is_tried_again(tmp_path, caplog) -> None:
    class Moody(Receiver):
        moods = 0

        def send(self, entries) -> None:
            self.moods += 1
            if self.moods < 3:
                raise Broken("just now")
            super().send(entries)

    receiver = Moody()
    delivery = delivery_to(receiver, tmp_path)
    delivery.note(metrics(0, "a"))
    delivery.note(metrics(1, "b"))
    assert delivery.flush()
    assert receiver.received == [("a", 0), ("b", 1)]
    assert "did not take" not in caplog.text


def test_a_server_that_is_broken_is_an_outage(tmp_path) -> None:
    class Down(Receiver):
        def get_run(self, run_id: str) -> None:
            raise Broken("the database is away")

    delivery = delivery_to(Down(), tmp_path)
    delivery.note(metrics(0, "a"))
    assert not delivery.flush()
    assert [entry["step"] for entry in delivery.waiting()] == [0]


def test_an_outage_is_said_once(tmp_path, caplog) -> None:
    receiver = Receiver()
    delivery = delivery_to(receiver, tmp_path)
    delivery.note(metrics(0, "a"))
    assert delivery.flush()
    receiver.down = True
    for step in range(1, 4):
        delivery.note(metrics(step, "a"))
        assert not delivery.flush()
    assert len(caplog.records) == 1
    assert "training goes on" in caplog.text
    receiver.down = False
    assert delivery.flush()
    assert [step for _, step in receiver.received] == [0, 1, 2, 3]


def test_a_folder_that_cannot_be_written_is_said_once_and_costs_nothing(tmp_path, caplog) -> None:
    (tmp_path / "file").write_text("not a folder")
    receiver = Receiver()
    delivery = delivery_to(receiver, tmp_path / "file" / "run")
    for step in range(3):
        delivery.note(metrics(step, "a"))
    assert delivery.flush()
    assert receiver.received == [("a", 0), ("a", 1), ("a", 2)]
    assert len(caplog.records) == 1
    assert "cannot be written" in caplog.text


def test_where_neither_store_nor_folder_takes_a_note_none_is_said_to_wait(tmp_path, caplog) -> None:
    (tmp_path / "file").write_text("not a folder")
    receiver = Receiver()
    delivery = delivery_to(receiver, tmp_path / "file" / "run")
    assert delivery.flush()
    receiver.down = True
    delivery.note(metrics(0, "a"))
    assert not delivery.flush()
    assert delivery.waiting() == []
    assert [entry["step"] for entry in delivery.unwritten] == [0]
    assert "training goes on" in caplog.text
    assert "is kept in" not in caplog.text
    receiver.down = False
    assert delivery.flush()
    assert delivery.unwritten == []


@pytest.mark.parametrize(
    ("error", "may_be_taken_later"),
    [
        (ConnectionError("refused"), True),
        (TimeoutError("slow"), True),
        (FileNotFoundError("model.zip"), False),
        (PermissionError("/sys/nope"), False),
        (Broken("what is it?"), True),
        (ValueError("no number"), False),
        (Refusal("no such metric"), False),
    ],
)
def test_what_counts_as_an_outage(error: Exception, may_be_taken_later: bool) -> None:
    assert is_outage(error) is may_be_taken_later

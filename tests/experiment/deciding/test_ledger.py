"""Books that cannot be changed without being seen."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from finai_rl.errors import DataError
from finai_rl.experiment.deciding.ledger import FIRST_HASH, Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    books = Ledger(tmp_path)
    for day in ("2024-01-02", "2024-01-03", "2024-01-04"):
        books.append({"day": day, "account_value": 0.1 + 0.2, "orders": {"贵州茅台": 1.0}})
    return books


def test_lines_are_read_as_they_were_written(ledger: Ledger) -> None:
    again = Ledger(ledger.file.parent)
    assert again.lines == ledger.lines
    assert [line["number"] for line in again.lines] == [1, 2, 3]
    assert again.lines[0]["before"] == FIRST_HASH
    assert again.lines[0]["account_value"] == 0.1 + 0.2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("1.0", "2.0", 1), "line 1 was changed"),
        (lambda text: "".join(text.splitlines(True)[1:]), "line 1 does not follow"),
        (
            lambda text: "".join(text.splitlines(True)[i] for i in (0, 2)),
            "line 2 does not follow",
        ),
        (lambda text: text[:-30] + "\n", "line 3 was changed"),
        (lambda text: text + "[]\n", "line 4 was changed"),
    ],
)
def test_a_change_is_refused(ledger: Ledger, change, said: str) -> None:
    ledger.file.write_text(change(ledger.file.read_text()))
    with pytest.raises(DataError, match=said):
        Ledger(ledger.file.parent)


@pytest.mark.parametrize("cut", [1, 30])
def test_a_line_that_was_not_finished_is_written_again(
    ledger: Ledger, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    whole, last = ledger.file.read_bytes(), dict(ledger.lines[-1])
    ledger.file.write_bytes(whole[:-cut])
    again = Ledger(ledger.file.parent)
    assert "its last line was cut off while it was written" in caplog.text
    assert [line["number"] for line in again.lines] == [1, 2]
    again.append({name: last[name] for name in ("day", "account_value", "orders")})
    assert ledger.file.read_bytes() == whole


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_lines_that_were_taken_off_the_end_are_missed(ledger: Ledger, kept: int) -> None:
    n_lines, last = len(ledger.lines), ledger.last_hash
    Ledger(ledger.file.parent).check_end(n_lines - 1, ledger.lines[-2]["hash"])
    lines = ledger.file.read_text().splitlines(True)
    ledger.file.write_text("".join(lines[:kept]))
    with pytest.raises(DataError, match=f"holds {kept} lines, and the account had {n_lines}"):
        Ledger(ledger.file.parent).check_end(n_lines, last)


def test_two_processes_write_one_after_the_other(ledger: Ledger) -> None:
    other, entered = Ledger(ledger.file.parent), threading.Event()

    def wait_and_write() -> None:
        entered.set()
        with other.alone():
            other.append({"day": "2024-01-08", "number_before": len(other.lines)})

    with ledger.alone():
        writer = threading.Thread(target=wait_and_write)
        writer.start()
        entered.wait()
        ledger.append({"day": "2024-01-05"})
        assert writer.is_alive()
    writer.join()
    days = [line["day"] for line in Ledger(ledger.file.parent).lines]
    assert days[3:] == ["2024-01-05", "2024-01-08"]
    assert other.lines[-1]["number_before"] == 4

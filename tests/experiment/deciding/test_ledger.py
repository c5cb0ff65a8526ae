"""Books that cannot be changed without being seen."""

from __future__ import annotations

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
        (lambda text: text[:-30], "line 3 was changed"),
        (lambda text: text + "[]\n", "line 4 was changed"),
    ],
)
def test_a_change_is_refused(ledger: Ledger, change, said: str) -> None:
    ledger.file.write_text(change(ledger.file.read_text()))
    with pytest.raises(DataError, match=said):
        Ledger(ledger.file.parent)

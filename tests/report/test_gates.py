"""The record of a promotion: a page and JSON that say the same."""

from __future__ import annotations

import json
from pathlib import Path

from finai_rl.report.gates import Gate, save_gates


def test_page_and_record(tmp_path: Path) -> None:
    gates = [
        Gate("better", "+0.2 (-1 to 1) over <b>", "above 0", False),
        Gate("costs", "", "promotion.costs.check=true", None),
    ]
    page, record = save_gates("one", gates, {"Days": "2021"}, ["Note this."], tmp_path / "new")
    text = page.read_text()
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert text.index("REFUSED") < text.index("not checked") < text.index("Note this.")
    whole = json.loads(record.read_text())
    assert [gate["passed"] for gate in whole["gates"]] == [False, None]
    assert whole["Days"] == "2021"

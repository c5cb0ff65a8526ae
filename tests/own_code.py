"""The examples of docs/own_code.md as the files that a user would make of them."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "own_code.md"


def write_examples(folder: Path) -> dict[str, Path]:
    """Write every example that begins with a comment on its file's name; return them by name."""
    written: dict[str, Path] = {}
    for name, text in re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", PAGE.read_text(), re.S):
        written[name] = folder / name
        written[name].parent.mkdir(parents=True, exist_ok=True)
        written[name].write_text(text)
    return written


def commands() -> list[str]:
    """Return the arguments of every training that the page shows."""
    return re.findall(r"^python -m finai_rl.train (.*)$", PAGE.read_text(), re.M)

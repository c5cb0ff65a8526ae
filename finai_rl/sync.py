"""Send to MLflow what the journal of a run holds and the store has not.

python -m finai_rl.sync outputs/train/2026-01-31/12-00-00
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from finai_rl.errors import InputError, printable


def main() -> None:
    """Send what is missing of every run in the folders; exit status 1 where something still is."""
    parser = argparse.ArgumentParser(
        prog="python -m finai_rl.sync",
        description="Send to MLflow what the journals of runs hold and the store has not.",
    )
    parser.add_argument(
        "folder", type=Path, nargs="+", help="a run folder, or one with run folders below it"
    )
    parser.add_argument(
        "--uri", help="the store; by default the one that the run was to be kept in"
    )
    asked = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        complete = [sync(folder, asked.uri) for folder in asked.folder]
    except InputError as error:
        sys.exit(str(error))
    sys.exit(0 if all(complete) else 1)


def sync(folder: Path, uri: str | None = None) -> bool:
    """Send what is missing of every run in a folder, and print what was sent.

    Args:
        folder: A run folder, or one with run folders below it, such as a sweep's.
        uri: The store; by default the one that the run was to be kept in.

    Returns:
        Whether nothing is missing any more.

    Raises:
        InputError: If there is no journal, or the store cannot be used.
    """
    from finai_rl.tracking.journal.catching_up import each_sent, journals_below
    from finai_rl.tracking.tracker import TrackingError

    journals = journals_below(folder)
    if not journals:
        raise InputError(f"{folder} holds no journal of a run (tracking/journal.jsonl)")
    complete = True
    refused: list[TrackingError] = []
    for sent in each_sent(journals, uri):
        if isinstance(sent, TrackingError):
            refused.append(sent)
            continue
        print(printable(str(sent)))
        complete = complete and sent.missing == ""
    if refused:
        raise InputError("\n".join(map(str, refused)))
    return complete


if __name__ == "__main__":
    main()

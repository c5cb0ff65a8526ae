"""The folder of the user that keeps what is the same for all runs of theirs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def user_cache() -> Path:
    """Return the folder, there or not: ``~/.cache/finai_rl``, or below ``XDG_CACHE_HOME``."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(base or Path.home() / ".cache") / "finai_rl"
    except RuntimeError:  # There is no home.
        return Path(tempfile.gettempdir()) / f"finai_rl-{os.getuid()}"

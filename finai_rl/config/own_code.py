"""Where an error came from: whether code of the user's raised it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from traceback import walk_tb


def raised_by_own_code(error: BaseException, packages: Sequence[str]) -> str | None:
    """Say what code of the user's raised, and where; None where it passed through none.

    Args:
        error: As it was raised.
        packages: Of the user: ``trusted_packages``.

    Example:
        >>> raised_by_own_code(ValueError("no"), ["my_rewards"]) is None
        True
    """
    own = [
        (frame, line)
        for frame, line in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] in packages
    ]
    if not own:
        return None
    frame, line = own[-1]
    place = f"{Path(frame.f_code.co_filename).name}, line {line}, in {frame.f_code.co_qualname}"
    return (
        f"Code of yours raised {type(error).__name__}: {error} ({place}). HYDRA_FULL_ERROR=1 shows "
        "where it was called from"
    )

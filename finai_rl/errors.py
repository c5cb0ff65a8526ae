"""Errors that are about a user's input rather than about our code, and what is no error at all."""

import errno
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from traceback import walk_tb

WRITING = {
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "your share of the disk is used up: make room",
    errno.EFBIG: "the file has reached the largest size that is allowed (ulimit -f)",
    errno.EROFS: "the file system is read-only: write elsewhere",
}
"""Errors that only writing has."""
PLACE = {
    errno.EACCES: "you may not write there: change its rights, or write elsewhere",
    errno.EPERM: "you may not write there: change its rights, or write elsewhere",
    errno.ENOTDIR: "a part of its path is a file: write elsewhere",
    errno.EEXIST: "it is a file: write elsewhere",
}
"""Errors of a folder that cannot be made; of a file that is read they say something else."""


def printable(text: str) -> str:
    r"""Return a text whose control characters, which a terminal would obey, are written out.

    Example:
        >>> print(printable(chr(27) + "[2J"))
        \x1b[2J
    """
    return "".join(
        repr(one)[1:-1] if unicodedata.category(one) == "Cc" and one != "\n" else one
        for one in text
    )


class InputError(ValueError):
    """Input that cannot be used as it is.

    The message alone has to be enough: it names the file or config key, the offending rows or
    values, and what would be right. Commands print it without a traceback.
    """


class Diverged(InputError):
    """An agent whose losses, weights, actions or accounts are no numbers any more.

    The message says where and which, and what to lower.
    """


class StoppedEarly(Exception):
    """A training that was ended on purpose before its time: its run is finished, not failed.

    The message says why.
    """


class ConfigError(InputError):
    """A config that cannot be run as it is; the message names every offending key."""

    def __init__(self, problems: Iterable[str]) -> None:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"This config cannot be run as it is:\n{listed}")


class DataError(InputError):
    """Data that cannot be used as it is: one message listing every problem found.

    Args:
        where: The file or source.
        problems: One sentence each, with the offending rows or values and what would be right.
    """

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.where = where
        self.problems = list(problems)
        listed = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{where} cannot be used as it is:\n{listed}")


class NoRows(DataError):
    """A file that is whole but for its rows.

    Args:
        where: The file.
        problem: One sentence, with what would be right.
        columns: What its columns are called.
    """

    def __init__(self, where: str, problem: str, columns: Sequence[str] = ()) -> None:
        self.columns = tuple(columns)
        super().__init__(where, [problem])


def disk_trouble(error: BaseException) -> str | None:
    """Return what a disk that could not be written did, and what helps; None for other errors.

    Args:
        error: What was raised; what it was raised from counts, too.

    Example:
        >>> disk_trouble(OSError(errno.ENOSPC, "No space left on device", "model.zip"))
        'model.zip cannot be written: the disk is full: make room'
        >>> disk_trouble(OSError(errno.ENOENT, "No such file", "prices.csv")) is None
        True
    """
    for one in _causes(error):
        if isinstance(one, OSError) and one.errno in WRITING:
            where = f"{one.filename} cannot be written" if one.filename else "A file was cut short"
            return f"{where}: {WRITING[one.errno]}"
    return None


def saved_in(folder: Path) -> str:
    """Return which files of a run are there, as the end of a message.

    Args:
        folder: The run folder.
    """
    try:
        files = [file for file in folder.iterdir() if file.is_file() and file.stat().st_size]
    except OSError:
        files = []
    names = sorted(file.name for file in files if not file.name.startswith("."))
    return f"In {folder} there is: {', '.join(names) or 'nothing'}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


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

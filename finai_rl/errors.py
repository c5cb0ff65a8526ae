"""Errors that are about a user's input rather than about our code, and what is no error at all."""

from collections.abc import Iterable, Sequence


class InputError(ValueError):
    """Input that cannot be used as it is.

    The message alone has to be enough: it names the file or config key, the offending rows or
    values, and what would be right. Commands print it without a traceback.
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

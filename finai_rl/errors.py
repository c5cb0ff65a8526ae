"""Errors that are about a user's input rather than about our code, and what is no error at all."""


class InputError(ValueError):
    """Input that cannot be used as it is.

    The message alone has to be enough: it names the file or config key, the offending rows or
    values, and what would be right. Commands print it without a traceback.
    """


class StoppedEarly(Exception):
    """A training that was ended on purpose before its time: its run is finished, not failed.

    The message says why.
    """

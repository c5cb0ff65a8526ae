"""The one family of errors that are about a user's input rather than about our code."""


class InputError(ValueError):
    """Input that cannot be used as it is.

    The message alone has to be enough: it names the file or config key, the offending rows or
    values, and what would be right. Commands print it without a traceback.
    """

"""Calls to a store that may be down: they cost a warning, not the training."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import ParamSpec, TypeVar

from finai_rl.tracking.environment import short_patience
from finai_rl.tracking.lifecycle import signals_wait
from finai_rl.tracking.provenance import without_password

log = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Delivery:
    """Calls the store, and waits less for it while the last call has failed.

    Example:
        >>> delivery = Delivery()
        >>> delivery.call(max, 2, 3)
        3
        >>> delivery.attempt("the metrics", int, "no number") is None  # A warning is logged.
        True
    """

    def __init__(self) -> None:
        self._down = False

    def call(
        self,
        action: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Call the store; whatever it raises is raised."""
        try:
            with ExitStack() as stack:
                stack.enter_context(signals_wait())
                if self._down:
                    stack.enter_context(short_patience(retries=0, timeout=5))
                result = action(*args, **kwargs)
        except Exception:
            self._down = True
            raise
        self._down = False
        return result

    def attempt(
        self,
        what: str,
        action: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result | None:
        """Call the store; a failure is logged as a warning that names ``what`` did not arrive."""
        try:
            return self.call(action, *args, **kwargs)
        except Exception as error:
            log.warning("MLflow did not take %s: %s", what, brief(error))
            return None


def brief(error: Exception) -> str:
    """Return the kind and the first line of an error, as a message can hold it."""
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {without_password(first_line)[:500]}"

"""How it is told that prices could not be had from a service, and what to do next."""

from __future__ import annotations

import os
from collections.abc import Mapping

from finai_rl.data.sources.downloads.request import Request
from finai_rl.errors import DataError, InputError

LONGEST = 200
"""Characters that are shown of what a library or a service says."""


def missing_package(data: str, package: str) -> InputError:
    """Return the error of a library that is not installed.

    Args:
        data: The source, which the extra is named after.
        package: What is not installed.

    Example:
        >>> print(missing_package("yahoo", "yfinance"))
        data=yahoo downloads with yfinance: pip install 'finai_rl[yahoo]'
    """
    return InputError(f"data={data} downloads with {package}: pip install 'finai_rl[{data}]'")


def from_environment(data: str, names: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Return what has to be in variables of the environment, where no run records it.

    Args:
        data: The source.
        names: Of the variables.
        where: How to come by their values.

    Raises:
        InputError: If one is not set.
    """
    absent = [name for name in names if not os.environ.get(name)]
    if absent:
        them = "it" if len(absent) == 1 else "them"
        raise InputError(
            f"data={data} needs {' and '.join(absent)} in the environment: {where}, and set {them} "
            "with export (never in a config, which is recorded)"
        )
    return tuple(os.environ[name] for name in names)


def no_prices(data: str, request: Request, missing: Mapping[str, str], check: str) -> DataError:
    """Return the error that names every ticker without prices.

    Args:
        data: The source.
        request: What was asked.
        missing: Reasons by ticker.
        check: Where to look, e.g. ``Check the symbols at finance.yahoo.com``.
    """
    listed = "; ".join(f"{ticker}: {reason}" for ticker, reason in missing.items())
    return DataError(
        data,
        [
            f"no prices from {request.start} to {request.end} for {len(missing)} of "
            f"{len(request.tickers)} tickers: {listed}. {check}, and leave out of data.tickers "
            "what is not there"
        ],
    )


def unreachable(
    data: str,
    request: Request,
    error: Exception,
    *,
    said: str = "",
    of: str = "",
    advice: str = "Try again later, or prepare prices of another source with python -m "
    "finai_rl.prepare",
) -> DataError:
    """Return the error of a request that failed as a whole.

    Args:
        data: The source.
        request: What was asked.
        error: What the library raised.
        said: What the service said, if that is clearer.
        of: The ticker that was asked for; all by default.
        advice: What to do.
    """
    reason = (said or str(error)).strip().split("\n")[0][:LONGEST] or "no reason given"
    tickers = ", ".join(request.tickers)
    return DataError(
        data,
        [
            f"prices of {of or tickers} could not be downloaded ({type(error).__name__}: "
            f"{reason}); nothing of {tickers} was kept. {advice}"
        ],
    )

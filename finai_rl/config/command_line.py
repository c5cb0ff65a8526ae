"""Tickers that the grammar of Hydra's command line has no way to write."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from finai_rl.config.tickers.by_ticker import SETTINGS


def refuse_unwritable_keys(arguments: Sequence[str]) -> None:
    """End the command with one message where a setting by ticker has a key that Hydra cannot read.

    Hydra would stop at the character, and not say that a file can name the ticker.

    Args:
        arguments: Of the command line.
    """
    told = [said for argument in arguments if (said := _problem(argument))]
    if told:
        print("\n".join(told), file=sys.stderr)
        sys.exit(1)


def _problem(argument: str) -> str | None:
    path, _, text = argument.partition("=")
    key = path.lstrip("+~")
    name = key.rpartition(".")[2]
    if name not in SETTINGS or not text:
        return None
    try:
        value = OverridesParser.create().parse_override(argument).value()
    except HydraException as error:
        told = str(error).splitlines()[0]
    else:
        if not (isinstance(value, dict) and None in value):
            return None
        told = "NULL is read as null, which cannot be a key"
    if not text.startswith("{"):
        return (
            f"{argument}: {told}\n  A file whose name holds other characters than letters, digits "
            f"and /-_. needs quotes inside of the shell's: {path}='\"{text}\"'"
        )
    return (
        f"{argument}: {told}\n  The command line has no way to write every ticker (^GSPC, "
        "EURUSD=X, M&M.NS, NULL, 贵州茅台) as a key, with or without quotes. A file has: write a "
        f"CSV file with the header tic,{name} and one line a ticker, and give {path}=tickers.csv"
    )

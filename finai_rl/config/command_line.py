"""What Hydra's command line cannot say, told before Hydra fails over it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, QuotedString
from hydra.errors import HydraException

from finai_rl.config.tickers.by_ticker import SETTINGS


def refuse_unreadable(arguments: Sequence[str], config_dir: Path) -> None:
    """End the command with one message where Hydra would fail over its command line.

    Args:
        arguments: Of the command line.
        config_dir: Where the groups are.
    """
    if told := unreadable(arguments, config_dir):
        print("\n".join(told), file=sys.stderr)
        sys.exit(1)


def unreadable(arguments: Sequence[str], config_dir: Path) -> list[str]:
    """Return what is to be said of arguments that Hydra cannot read, or not in plain words.

    These are overrides that name no setting (``=1``), settings by ticker with a key that Hydra
    stops at without saying that a file can name the ticker, and config groups that are given null
    or a number.

    Args:
        arguments: Of the command line.
        config_dir: Where the groups are.
    """
    found = [
        f"{argument}: names no setting; write setting=value"
        for argument in arguments
        if argument.lstrip("+~").startswith("=")
    ]
    return [
        *found,
        *(said for argument in arguments if (said := _problem(argument))),
        *(said for argument in arguments if (said := _nameless(argument, config_dir))),
    ]


def _nameless(argument: str, config_dir: Path) -> str | None:
    group, equals, _ = argument.partition("=")
    if not equals or not group.isidentifier() or not (config_dir / group).is_dir():
        return None
    try:
        parsed = OverridesParser.create().parse_override(argument)
        asked = [*parsed.sweep_iterator()] if parsed.is_choice_sweep() else [parsed.value()]
    except HydraException:
        return None
    # A dict overrides settings of the group, and Hydra takes a list of options.
    if all(isinstance(one, str | list | dict | QuotedString | Glob) for one in asked):
        return None
    options = sorted(file.stem for file in (config_dir / group).glob("*.yaml"))
    return (
        f"{argument}: {group} is chosen by name, of {', '.join(options)}; leave {group}=... out "
        "for what the config has without it"
    )


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

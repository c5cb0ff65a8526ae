"""What Python's logging builds, reads and writes of a config, looked at before it does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from finai_rl.config.safety.targets import is_trusted

CLASSES = (
    "colorlog.ColoredFormatter",
    "logging.FileHandler",
    "logging.Formatter",
    "logging.NullHandler",
    "logging.StreamHandler",
    "logging.handlers.RotatingFileHandler",
    "logging.handlers.TimedRotatingFileHandler",
    "rich.logging.RichHandler",
)
STREAMS = ("ext://sys.stderr", "ext://sys.stdout")

_OUTPUT = "${hydra.runtime.output_dir}/"
"""How a file in the run folder begins, which Hydra makes later."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def logging_problems(
    key: str, node: Any, trusted: Iterable[str], given: Sequence[str]
) -> Iterator[str]:
    """Yield what a node of logging may not hold.

    A log file is one of the run folder: with what a formatter writes into it, another one could be
    a module or a start-up file.

    Args:
        key: Where the node stands.
        node: Plain containers.
        trusted: Packages of the user.
        given: Keys that were set on the command line.
    """
    trusted = list(trusted)
    if isinstance(node, list):
        node = dict(enumerate(node))
    for name, value in node.items() if isinstance(node, dict) else ():
        place = f"{key}.{name}"
        if isinstance(value, dict | list):
            yield from logging_problems(place, value, trusted, given)
        elif said := _problem(str(name), value, trusted, typed=_is_below(place, given)):
            yield f"{place}: {said}"
    if isinstance(node, dict) and "." in node and not _is_below(key, given):
        yield f"{key}: sets attributes by '.', which is for the command line alone"


def _is_below(place: str, given: Sequence[str]) -> bool:
    return any(place == each or place.startswith(f"{each}.") for each in given)


def _problem(name: str, value: Any, trusted: list[str], *, typed: bool) -> str:
    """Say what is wrong with a setting; empty for nothing."""
    if name in ("class", "()"):
        if value in CLASSES or is_trusted(str(value), trusted):
            return ""
        return f"{value} is none of {', '.join(CLASSES)}"
    if name == "filename" and not typed and not _is_log_of_the_run(value):
        return f"{value}: a file may name {_OUTPUT}NAME.log alone, the command line any"
    if name == "style" and value != "%":
        return f"{value} reaches into what is logged: only % is taken"
    if isinstance(value, str) and _reaches_out(value, trusted):
        return f"{value} is neither plain text nor one of {', '.join(STREAMS)}"
    return ""


def _is_log_of_the_run(name: Any) -> bool:
    text = str(name)
    inside = text.startswith(_OUTPUT) and ".." not in text and not _CONTROL.search(text)
    return inside and text.endswith(".log")


def _reaches_out(text: str, trusted: Iterable[str]) -> bool:
    """Return whether logging would look a text up, or it is not known what it will be."""
    scheme, mark, path = text.partition("://")
    if mark and scheme == "ext":
        return text not in STREAMS and not is_trusted(path, trusted)
    return bool(mark and scheme == "cfg") or ("${" in text and not text.startswith(_OUTPUT))

"""A setting as a word of the command line, whatever signs its value has."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException


def override(key: str, value: str | float | Sequence[str] | None) -> str:
    """Return ``key=value`` as Hydra reads it back; a shell's quotes are for the caller to add.

    Args:
        key: The setting.
        value: Text, a number, None or a list of texts.

    Example:
        >>> print(override("data.path", "data/my.csv"), override("split.train", 0.6))
        data.path=data/my.csv split.train=0.6
        >>> print(override("data.path", "a, b.csv"), override("data.indicators", ["rsi", "7"]))
        data.path="a, b.csv" data.indicators=[rsi,"7"]
    """
    if value is None:
        return f"{key}=null"
    if isinstance(value, str):
        return f"{key}={value if _stands(value) else quoted(value)}"
    if isinstance(value, Sequence):
        items = (item if _stands(item, inside=True) else quoted(item) for item in value)
        return f"{key}=[{','.join(items)}]"
    return f"{key}={value}"


def quoted(text: str) -> str:
    """Return text as an override's value in quotes, whatever signs are in it."""
    return QuotedString(text, Quote.double).with_quotes()


def _stands(text: str, *, inside: bool = False) -> bool:
    """Return whether Hydra reads text without quotes as that text, alone or inside of a list."""
    try:
        found = OverridesParser.create().parse_override(f"key={f'[{text}]' if inside else text}")
    except HydraException:
        return False
    wanted: object = [text] if inside else text
    return not found.is_sweep_override() and found.value() == wanted

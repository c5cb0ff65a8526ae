"""Keys of a mapping as tickers: what YAML and the command line make of a name without quotes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

NAMED = 5
"""How many tickers a message names."""
_PLAIN = re.compile(r"[\w.+:~-]+", re.ASCII)


def by_ticker(values: Mapping[Any, Any], tickers: Sequence[str]) -> dict[str, Any]:
    """Return a mapping with the tickers that its keys mean.

    YAML reads ``TRUE``, ``ON``, ``1E5``, ``600519`` and ``0700`` without quotes as true, true,
    100000.0, 600519 and 448; Hydra's command line reads some of them likewise. Such a key is the
    one ticker of the data that is read like that, if there is only one.

    Args:
        values: By ticker, or by what a ticker was read as.
        tickers: Of the data.

    Returns:
        By ticker. A text that is no ticker of the data stays.

    Raises:
        ValueError: If a key that is no text could be several tickers or is none, or two keys are
            one ticker.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        ticker = key if isinstance(key, str) else _meant(key, tickers)
        if ticker in found:
            raise ValueError(f"ticker {ticker!r} is there twice, once as {key!r}")
        found[ticker] = value
    return found


def listed(names: Sequence[str]) -> str:
    """Name the first few of some tickers, and say how many there are of more."""
    shown = ", ".join(map(repr, names[:NAMED]))
    return shown if len(names) <= NAMED else f"{shown}, ... ({len(names)} in all)"


def unknown_names(
    names: Sequence[str], tickers: Sequence[str], lines: Mapping[str, int] | None = None
) -> str:
    """Name the first few unknown tickers, each with its line and the one that may be meant.

    Args:
        names: Those that are no tickers of the data.
        tickers: Of the data.
        lines: Where each stands in a file, if in one.
    """
    folded = {ticker.casefold(): ticker for ticker in reversed(tickers)}
    told, any_near = [], False
    for name in names[:NAMED]:
        near = difflib.get_close_matches(name.casefold(), list(folded), n=1)
        about = [f"line {lines[name]}"] if lines else []
        about += [f"did you mean {folded[near[0]]!r}?"] if near else []
        told.append(f"{name!r} ({'; '.join(about)})" if about else repr(name))
        any_near = any_near or bool(near)
    more = f", ... ({len(names)} in all)" if len(names) > NAMED else ""
    there_are = "" if any_near else f"; there are {listed(tickers)}"
    return f"{', '.join(told)}{more}{there_are}"


def _meant(key: Any, tickers: Sequence[str]) -> str:
    meant = [ticker for ticker in tickers if any(_same(key, read) for read in _readings(ticker))]
    if len(meant) == 1:
        return meant[0]
    quoted = f"'{meant[0]}'" if meant else "'...'"
    told = (
        f"key {key!r} is no text, and could be the tickers {listed(meant)}"
        if meant
        else f"key {key!r} is no text, and no ticker of the data is read as it"
    )
    raise ValueError(
        f"{told}: in a YAML file put the ticker in quotes ({quoted}); on the command line, where "
        "keys take none, name a file (tickers.csv)"
    )


def _readings(ticker: str) -> Iterator[Any]:
    """Yield what a ticker without quotes may be read as."""
    if not _PLAIN.fullmatch(ticker):
        return
    with suppress(OmegaConfBaseException, YAMLError, ValueError):
        (key,) = OmegaConf.create(f"{ticker}: 0")
        yield key
    # Hydra reads numbers as Python does: 0700 is 700, and INF and NAN are numbers.
    for kind in (int, float):
        with suppress(ValueError):
            yield kind(ticker)


def _same(key: Any, read: Any) -> bool:
    # Across types, as a dictionary does: 1 and true are one key, and so only one of them is there.
    return not isinstance(read, str) and bool(key == read or (key != key and read != read))

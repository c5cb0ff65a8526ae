"""What columns are called: usual names, a config's own, and what helps where one is missing."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from finai_rl.data.tables.layout import Layout
from finai_rl.errors import DataError

log = logging.getLogger(__name__)

ALIASES = {
    "tic": ("tic", "ticker", "symbol"),
    "date": ("date", "datetime", "timestamp"),
    **{name: (name,) for name in ("open", "high", "low", "close", "volume")},
}
"""Our names of columns, and what they may be called, in any case; two of them are refused."""

USUAL = {
    "tic": (
        *("name", "asset", "instrument", "secid", "secucode", "tscode", "stock", "code", "coin"),
        *("pair", "tickersymbol", "stocksymbol", "symbolname", "security"),
    ),
    "date": (
        *(
            "time",
            "opentime",
            "tradedate",
            "tradingdate",
            "day",
            "ts",
            "unix",
            "epoch",
            "datetimeutc",
        ),
        *("timestamputc", "begin", "dt", "dateutc", "periodstart", "unixtimestamp", "timestampms"),
    ),
    "open": ("openprice", "priceopen", "o", "1open", "adjopen"),
    "high": ("highprice", "pricehigh", "h", "2high", "max", "adjhigh"),
    "low": ("lowprice", "pricelow", "l", "3low", "min", "adjlow"),
    "close": (
        *("closeprice", "priceclose", "closelast", "last", "lastprice", "price", "c", "4close"),
        *("adjclose", "adjustedclose", "adjcp", "settle", "closing", "closingprice", "value"),
    ),
    "volume": (
        *("vol", "volumeusd", "volumeusdt", "volumebtc", "v", "totalvolume", "tradevolume"),
        *("5volume", "volumeshares", "sharevolume", "basevolume", "tradedvolume", "qty"),
    ),
}
"""What a column may be called that has none of the names before it, in lower-case letters and
digits alone."""

NO_NAME = re.compile(r"(Unnamed: \d+(\.\d+)*)?")
"""The name of a column that has none: empty, or as pandas writes it."""


def plain(name: str) -> str:
    """Return a name in lower-case letters and digits alone: ``Adj. Close`` is ``adjclose``."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def known_names(header: Iterable[str]) -> int:
    """Count the names of a header that are usual ones of our columns."""
    usual = {alias for names in (*ALIASES.values(), *USUAL.values()) for alias in names}
    return sum(plain(name) in usual for name in header)


@dataclass(frozen=True)
class Names:
    """What the columns of a file are called from now on.

    Attributes:
        renamed: The name of each renamed column, to its new one.
        displaced: Columns whose name another one takes, as it was told: they are not used.

    Example:
        >>> header = ["date", "Name", "Close", "Adj Close"]
        >>> told = Layout(columns={"close": "Adj Close"})
        >>> names = names_of(Path("prices.csv"), header, told, ("tic",))
        >>> names.renamed, names.displaced
        ({'Adj Close': 'close', 'Name': 'tic'}, ('Close',))
    """

    renamed: dict[str, str]
    displaced: tuple[str, ...] = ()


def names_of(file: Path, header: Sequence[str], layout: Layout, wanted: Sequence[str]) -> Names:
    """Return what the columns of a header are called from now on.

    Args:
        file: The file, for messages.
        header: Names as they stand in the file.
        layout: What is told of it.
        wanted: Our columns for which any usual name will do; others are known by the first ones.

    Raises:
        DataError: If a name is there twice, cannot be seen, or could be meant by two columns.
    """
    renamed, unknown = _told(header, layout)
    problems = [*_name_problems(header), *unknown]
    displaced = [
        name
        for ours in layout.mapped
        for name in header
        if name not in renamed and name.strip().lower() in (ours, *ALIASES.get(ours, ()))
    ]
    for ours in ALIASES:
        if ours in layout.mapped:
            continue
        found = _candidates(ours, header, {*renamed, *displaced}, usual=ours in wanted)
        if len(found) > 1:
            listed = " and ".join(map(repr, found))
            said = layout.setting("columns", {**layout.mapped, ours: found[0]})
            problems.append(
                f"columns {listed} could each be {ours!r}: drop or rename one, or set {said}"
            )
        elif found:
            renamed[found[0]] = ours
    if problems:
        raise DataError(str(file), problems)
    renamed = {name: ours for name, ours in renamed.items() if name != ours}
    for name, ours in renamed.items():
        log.info("%s: column %r is read as %r", file, name, ours)
    for name in displaced:
        log.info("%s: column %r is not used: another one was named in its place", file, name)
    return Names(renamed, tuple(displaced))


def _told(header: Sequence[str], layout: Layout) -> tuple[dict[str, str], list[str]]:
    """Return the columns that the config names, and what is told of those that are not there."""
    renamed, problems = {}, []
    for ours, theirs in layout.mapped.items():
        if theirs is None:
            continue
        found = _as_told(theirs, header)
        if found is None:
            near = difflib.get_close_matches(theirs, header, n=1, cutoff=0.4) or header[:1]
            helps = layout.setting("columns", {**layout.mapped, ours: near[0]})
            told = f"{layout.key}.columns: no column {theirs!r}; the file has {list(header)}"
            problems.append(f"{told}: name one of these, as in {helps}")
        else:
            renamed[found] = ours
    return renamed, problems


def _name_problems(header: Sequence[str]) -> list[str]:
    problems = [
        f"column name {name!r} stands in the header {list(header).count(name)} times: rename one"
        for name in dict.fromkeys(header)
        if not NO_NAME.fullmatch(name.strip()) and list(header).count(name) > 1
    ]
    return problems + [
        f"column name {name!a} in the header holds characters that cannot be seen: remove them"
        for name in dict.fromkeys(header)
        if not name.isprintable()
    ]


def _as_told(theirs: str, header: Sequence[str]) -> str | None:
    if theirs in header:
        return theirs
    like = [name for name in header if name.strip().lower() == theirs.strip().lower()]
    return like[0] if len(like) == 1 else None


def _candidates(ours: str, header: Sequence[str], taken: set[str], *, usual: bool) -> list[str]:
    names = [name for name in dict.fromkeys(header) if name not in taken]
    found = [name for name in names if name.strip().lower() in ALIASES[ours]]
    if found or not usual:
        return found
    found = [name for name in names if plain(name) in ALIASES[ours]]
    if found:
        return found
    return [name for name in names if plain(name) in USUAL[ours]]


def likeliest(ours: str, rows: pd.DataFrame, used: Iterable[str] = ()) -> str | None:
    """Return the column of a table that is most likely one of ours, None where none is.

    Args:
        ours: ``date``, ``tic`` or the name of a price.
        rows: The table, its columns as they are called.
        used: Columns that are something else.
    """
    left = [name for name in map(str, rows.columns) if name not in {*used, *ALIASES}]
    left = [name for name in left if not NO_NAME.fullmatch(name)]
    fitting = [name for name in left if _fits(ours, rows[name])]
    wanted = (*ALIASES[ours], *USUAL[ours]) if ours in ALIASES else (ours,)
    scored = [
        (max(difflib.SequenceMatcher(None, plain(name), alias).ratio() for alias in wanted), name)
        for name in fitting
    ]
    scored += [
        (0.9, name) for name in fitting if any(alias in plain(name) for alias in ALIASES[ours])
    ]
    best = max(scored, default=(0.0, ""), key=lambda pair: pair[0])
    alone = ours in ("date", "tic") and len(fitting) == 1
    return best[1] if best[0] >= 0.6 or (alone and best[1]) else None


def _fits(ours: str, column: pd.Series) -> bool:
    numeric = pd.api.types.is_numeric_dtype(column.dtype)
    texts = column.dropna().astype(str)
    if ours == "tic":
        named = bool(texts.str.contains("[A-Za-z]").mean() > 0.5) if len(texts) else False
        return not numeric and named and texts.nunique() * 2 <= max(len(texts), 2)
    if ours == "date":
        return bool(texts.str.contains(r"\d").mean() > 0.9) if len(texts) else False
    return numeric or bool(len(texts) and texts.str.contains(r"^\W*\d").mean() > 0.5)


def missing_columns(
    missing: Sequence[str], rows: pd.DataFrame, layout: Layout, *, may_lack: bool = False
) -> str:
    """Return what a table without some columns is told: it ends in a setting that maps them.

    Args:
        missing: Our names.
        rows: The table, its columns as they are called.
        layout: What is told of it.
        may_lack: Whether the file may be without them, if it is told so.
    """
    told = f"column(s) {list(missing)} missing; the file has {list(rows.columns)}"
    found: dict[str, str | None] = {}
    for ours in missing:
        used = [name for name in found.values() if name]
        found[ours] = likeliest(ours, rows, used)
    likely = {ours: name for ours, name in found.items() if name}
    if likely:
        helps = layout.advice("columns", {**layout.mapped, **likely})
        lacking = layout.setting("columns", {**layout.mapped, **dict.fromkeys(missing)})
        none = f"; if the file has none, set {lacking}" if may_lack else ""
        return f"{told}. If it is so, {helps}{none}"
    if may_lack:
        said = layout.advice("columns", {**layout.mapped, **dict.fromkeys(missing)})
        return f"{told}. If the file has none, {said}"
    example: dict[str, str | None] = {**layout.mapped, **dict.fromkeys(missing, "THEIR NAME")}
    return f"{told}. Say which column it is: {layout.advice('columns', example)}"

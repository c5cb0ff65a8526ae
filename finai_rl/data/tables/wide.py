"""Wide tables, dates down and tickers across: one level of names, or yfinance's two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from finai_rl.data.tables.column_names import ALIASES, USUAL, plain
from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.text_form import PRICE_NAMES
from finai_rl.errors import DataError

OTHERS = ("dividends", "stocksplits", "capitalgains", "repaired")
"""Columns that yfinance adds, which no panel has."""


@dataclass(frozen=True)
class Across:
    """What the columns of a wide table are.

    Attributes:
        names: A name for each column: ``date``, and numbers as text for the others.
        cells: Whose and which price each of the others is: ``(price, ticker)``.
        note: What a reader has to know.

    Example:
        >>> fields = across(Path("wide.csv"), [["Date", "AAPL", "JPM"]], Layout(wide="close"))
        >>> fields.names, fields.cells["1"]
        (('date', '1', '2'), ('close', 'AAPL'))
    """

    names: tuple[str, ...]
    cells: Mapping[str, tuple[str, str]]
    note: str


def across(file: Path, header: Sequence[Sequence[str]], layout: Layout) -> Across | None:
    """Return what the columns of a wide table are; None of a table with a row for each ticker.

    Args:
        file: The file, for messages.
        header: Its one or more rows of names. Two rows name the price and the ticker, in either
            order; a third holds the name of the dates.
        layout: What is told: with ``wide``, one row names the tickers.

    Raises:
        DataError: If the dates cannot be found, or a ticker is there twice.
    """
    if len(header) > 1:
        levels = header[:2]
        prices = next((n for n in (0, 1) if _are_prices(levels[n])), None)
        if prices is None:
            return None
        pairs = list(zip(levels[prices], levels[1 - prices], strict=True))
        at = next((n for n, names in enumerate(pairs) if not _is_price(names[0])), 0)
    elif layout.wide:
        at = _dates_at(file, header[0], layout)
        pairs = [(layout.wide, name.strip()) for name in header[0]]
    else:
        return None
    cells = {
        str(n): (_own(price), ticker.strip())
        for n, (price, ticker) in enumerate(pairs)
        if n != at and ticker.strip()
    }
    twice = sorted({ticker for price, ticker in cells.values() if _count(cells, price, ticker) > 1})
    if twice:
        raise DataError(str(file), [f"tickers {twice} stand in its header twice: drop one of them"])
    names = tuple("date" if n == at else str(n) for n in range(len(pairs)))
    tickers = sorted({ticker for _, ticker in cells.values()})
    shown = ", ".join(tickers[:5]) + (", ..." if len(tickers) > 5 else "")
    note = f"Dates stand down and {len(tickers)} ticker(s) across ({shown})."
    return Across(names, cells, note)


def _are_prices(names: Sequence[str]) -> bool:
    return all(_is_price(name) for name in names[1:])


def _is_price(name: str) -> bool:
    return plain(name) in {*PRICE_NAMES, *OTHERS}


def _own(price: str) -> str:
    known = plain(price)
    return "adj_close" if known == "adjclose" else known if known in PRICE_NAMES else price


def _count(cells: Mapping[str, tuple[str, str]], price: str, ticker: str) -> int:
    return list(cells.values()).count((price, ticker))


def _dates_at(file: Path, header: Sequence[str], layout: Layout) -> int:
    told = layout.mapped.get("date")
    known = (*ALIASES["date"], *USUAL["date"])
    found = [n for n, name in enumerate(header) if name == told] if told else []
    found = found or [n for n, name in enumerate(header) if plain(name) in known]
    if not found and not header[0].strip().removeprefix("Unnamed: 0"):
        return 0
    if not found:
        said = f"{layout.setting('wide', layout.wide)} needs a column of dates; it has {header[:5]}"
        helps = layout.advice("columns", {"date": header[0]}, "name it date")
        raise DataError(str(file), [f"{said}; {helps}"])
    return found[0]


def stacked(file: Path, rows: pd.DataFrame, fields: Across) -> pd.DataFrame:
    """Return a row per date and ticker, in the order of the dates; rows without a cell are gone.

    Args:
        file: The file, for messages.
        rows: The wide table, its columns as ``fields`` names them, by line or row.
        fields: What they are.
    """
    tickers = list(dict.fromkeys(ticker for _, ticker in fields.cells.values()))
    prices = list(dict.fromkeys(price for price, _ in fields.cells.values()))
    parts = []
    for ticker in tickers:
        own = {price: name for name, (price, whose) in fields.cells.items() if whose == ticker}
        part = pd.DataFrame({"date": rows["date"], "tic": ticker})
        for price in prices:
            part[price] = rows[own[price]] if price in own else float("nan")
        parts.append(part[part[list(own)].notna().any(axis=1)])
    if not parts or all(part.empty for part in parts):
        raise DataError(str(file), ["it has dates but no prices: give a file with some"])
    return pd.concat(parts).sort_index(kind="stable")

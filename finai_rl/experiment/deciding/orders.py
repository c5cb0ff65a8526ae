"""Positions in, orders out: the files beside a decision."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from finai_rl.agents.whole_file import written_whole
from finai_rl.data.tables.column_names import names_of
from finai_rl.data.tables.number_text import COMMA, EITHER, GROUPED
from finai_rl.data.tables.table import PROCESSED, read_table
from finai_rl.data.tables.validation import numbers
from finai_rl.errors import ConfigError, DataError, NoRows
from finai_rl.experiment.deciding.decision import MARGIN_CALL, TURBULENCE, Decision, Position

RECORDED = (
    *("day", "fill", "orders", "price", "held", "after", "weights"),
    *("cash_held", "cash_after", "account_value", "costs", "action", "closed_by"),
)
"""What `as_record` says of a decision."""

ORDERS_FILE = "orders.csv"
DECISION_FILE = "decision.json"
FILLED = {
    "same_close": "at this close",
    "next_open": "at the next open",
    "next_close": "at the next close",
}
"""When an order is executed, by ``env.fill``."""

CLOSED = {
    TURBULENCE: "the day's risk is at env.turbulence_threshold or above: every position is closed, "
    "whatever the agent answers.",
    MARGIN_CALL: "the account is worth less than env.maintenance_margin asks for what it is short: "
    "every position is closed, whatever the agent answers.",
}
"""What overrules an agent."""


def read_positions(
    path: str, cash: float | None, tickers: Sequence[str], *, may_short: bool = False
) -> Position:
    """Read what an account holds.

    Args:
        path: A CSV or Parquet file with the columns tic and shares; a stock that is not there is
            not held, and no row at all is an account in cash.
        cash: What else it holds.
        tickers: The stocks that the agent trades, in their order.
        may_short: Whether its market lets it be short.

    Raises:
        DataError: If a row cannot be used; lists every problem.
        ConfigError: If no cash is given, or money is owed in a market that lends none.
    """
    if cash is None:
        raise ConfigError(["cash: must be given beside positions; 0 for none"])
    if cash < 0 and not may_short:
        raise ConfigError([f"cash: {cash:g} is owed, which no account of this agent's market can"])
    file = Path(path).expanduser()
    table = _rows_of(file)
    if missing := [name for name in ("tic", "shares") if name not in table]:
        raise DataError(
            str(file), [f"column(s) {missing} missing; the file has {list(table.columns)}"]
        )
    names, shares = table["tic"].astype(str).str.strip(), numbers(table["shares"])
    problems = [
        f"{name!r} is no stock of the agent, which trades {', '.join(tickers)}: leave it out"
        for name in names[~names.isin(list(tickers))]
    ]
    problems += [f"{name!r} is there twice" for name in names[names.duplicated()]]
    problems += [f"shares of {name!r} are no number" for name in names[~np.isfinite(shares)]]
    problems += [
        f"shares are written {text}, which may be {float(text):g} or {text.replace('.', '')}: "
        "write one of these"
        for text in _thousands_or_decimals(file)
    ]
    if not may_short:
        owed = names[shares < 0]
        problems += [f"shares of {name!r} are sold short, which this agent cannot" for name in owed]
    if problems:
        raise DataError(str(file), problems)
    held = dict(zip(names, shares, strict=True))
    return Position(float(cash), np.array([float(held.get(name, 0.0)) for name in tickers]))


def fractions(position: Position, tickers: Sequence[str]) -> str | None:
    """Return what is to be said of parts of shares that a market of whole shares holds.

    Example:
        >>> fractions(Position(0.0, np.array([2.0, 1.5])), ("AAPL", "JPM"))
        'The agent trades whole shares, and 1.5 of JPM is held: it may order a part of a share.'
    """
    parts = [
        f"{count:g} of {ticker}"
        for ticker, count in zip(tickers, position.shares, strict=True)
        if count != np.floor(count)
    ]
    if not parts:
        return None
    held = f"{', '.join(parts)} {'is' if len(parts) == 1 else 'are'} held"
    return f"The agent trades whole shares, and {held}: it may order a part of a share."


def _rows_of(file: Path) -> pd.DataFrame:
    try:
        return read_table(file)
    except NoRows as empty:  # what a broker writes of an account that holds cash alone
        renamed = names_of(file, empty.columns, PROCESSED, ()).renamed
        return pd.DataFrame(columns=[renamed.get(name, name) for name in empty.columns])


def _thousands_or_decimals(file: Path) -> list[str]:
    """Return the shares of a file of semicolons that a reader of commas takes for thousands.

    Semicolons part the cells where a comma is the decimal sign, but not only there.
    """
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    cells = [[cell.strip().strip('"') for cell in line.split(";")] for line in lines]
    heads = [head.lower() for head in cells[0]] if cells else []
    if len(heads) < 2 or "shares" not in heads:
        return []
    place = heads.index("shares")
    shares = [row[place] for row in cells[1:] if len(row) > place]
    told = any(re.fullmatch(f"{COMMA}|{GROUPED[',']}", text) and "," in text for text in shares)
    points = [text for text in shares if text.count(".") == 1]
    return points if not told and all(re.fullmatch(EITHER["."], text) for text in points) else []


def orders_table(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a stock: what is held, ordered, and held after that.

    Args:
        record: What `as_record` returned.
    """
    tickers = list(record["orders"])

    def column(name: str) -> list[float]:
        return [record[name][ticker] for ticker in tickers]

    orders, price = column("orders"), column("price")
    return pd.DataFrame(
        {
            "date": record["day"],
            "tic": tickers,
            "held": column("held"),
            "order": orders,
            "price": price,
            "value": np.multiply(orders, price),
            "after": column("after"),
            "weight": column("weights"),
        }
    )


def save_decision(record: Mapping[str, Any], about: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the orders as a table, and the whole decision as JSON, each whole or not at all.

    Args:
        record: What `as_record` returned.
        about: What else the JSON says: the model, the data, notes.
        folder: Where to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    orders, whole = folder / ORDERS_FILE, folder / DECISION_FILE
    with written_whole(orders) as beside:
        orders_table(record).to_csv(beside, index=False)
    with written_whole(whole) as beside:
        beside.write_text(json.dumps({**about, **record}, indent=2) + "\n", encoding="utf-8")
    return [orders, whole]


def show_decision(console: Console, record: Mapping[str, Any]) -> None:
    """Print the orders of a decision, and what they cost.

    Args:
        console: Where to.
        record: What `as_record` returned.
    """
    table = Table(title=f"Orders of {record['day']}, to fill {FILLED[record['fill']]}")
    table.add_column("tic", overflow="fold")
    for heading in ("held", "order", "price", "value", "after", "weight"):
        table.add_column(heading, justify="right")
    for ticker, order in record["orders"].items():
        price = record["price"][ticker]
        table.add_row(
            ticker,
            f"{record['held'][ticker]:,.6g}",
            f"{order:+,.6g}",
            f"{price:,.2f}",
            f"{order * price:+,.2f}",
            f"{record['after'][ticker]:,.6g}",
            f"{record['weights'][ticker]:.2%}",
        )
    console.print(table)
    console.print(
        f"Cash {record['cash_held']:,.2f} before, {record['cash_after']:,.2f} after; expected "
        f"costs {record['costs']:,.2f}; account value {record['account_value']:,.2f}"
    )
    if closed_by := record.get("closed_by"):
        console.print(f"Note: {CLOSED[closed_by]}")


def as_record(decision: Decision) -> dict[str, Any]:
    """Return a decision in plain values, numbers to the last bit."""
    by_ticker = {
        name: dict(zip(decision.tickers, values.tolist(), strict=True))
        for name, values in (
            ("orders", decision.orders),
            ("price", decision.price),
            ("held", decision.held.shares),
            ("after", decision.after.shares),
            ("weights", decision.weights),
        )
    }
    return {
        "day": decision.day,
        "fill": decision.fill,
        **by_ticker,
        "cash_held": decision.held.cash,
        "cash_after": decision.after.cash,
        "account_value": decision.held.worth(decision.price),
        "costs": decision.costs,
        "action": decision.action.tolist(),
        "closed_by": decision.closed_by,
    }

"""The network part of ``data=wrds``: CRSP's daily stock file, from the database of WRDS.

It is read by SQLAlchemy and psycopg, as WRDS offers it to PostgreSQL's clients: the ``wrds``
package does the same, and asks for pandas older than 2.3.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from finai_rl.data.sources.downloads.bars import long_table
from finai_rl.data.sources.downloads.failures import (
    from_environment,
    missing_package,
    no_prices,
    unreachable,
)
from finai_rl.data.sources.downloads.request import Request
from finai_rl.errors import DataError

DAILY = "1d"
HOST, PORT, DATABASE = "wrds-pgdata.wharton.upenn.edu", 9737, "wrds"
_IN_CRSP = sa.MetaData(schema="crsp")
PRICES = sa.Table(
    "dsf_v2",
    _IN_CRSP,
    sa.Column("permno", sa.Integer),
    sa.Column("dlycaldt", sa.Date),
    *(
        sa.Column(f"dly{name}", sa.Float)
        for name in ("open", "high", "low", "prc", "vol", "ret", "cumfacpr", "cumfacshr")
    ),
)
"""The current format (CIZ); the older one (``crsp.dsf``) ends with 2024."""

NAMES = sa.Table(
    "stksecurityinfohist",
    _IN_CRSP,
    sa.Column("permno", sa.Integer),
    sa.Column("secinfostartdt", sa.Date),
    sa.Column("secinfoenddt", sa.Date),
    sa.Column("ticker", sa.String),
    sa.Column("shareclass", sa.String),
    sa.Column("issuernm", sa.String),
)
ADVICE = {
    "password": "Check WRDS_USERNAME and WRDS_PASSWORD (or ~/.pgpass), and confirm the sign-in "
    "that WRDS asks for on a new machine",
    "pam authentication": "Check WRDS_USERNAME and WRDS_PASSWORD (or ~/.pgpass), and confirm the "
    "sign-in that WRDS asks for on a new machine",
    "too many connections": "WRDS lets an account connect a few times at once: close the others, "
    "or wait some minutes, and start again",
    "permission denied": "This account does not include CRSP's daily stock file "
    "(crsp.dsf_v2): ask the WRDS representative of your institution",
    "does not exist": "This account does not include CRSP's daily stock file (crsp.dsf_v2): ask "
    "the WRDS representative of your institution",
}
"""What to do, by what PostgreSQL says."""


def download(request: Request) -> pd.DataFrame:
    """Download daily prices of CRSP, adjusted for dividends and splits.

    Returns:
        As :func:`~finai_rl.data.sources.downloads.bars.long_table` has it.

    Raises:
        DataError: Names every ticker without prices, or says why WRDS could not be asked.
        InputError: If psycopg is not installed, or the account is not named.
    """
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise missing_package("wrds", "psycopg") from None
    (user,) = from_environment("wrds", ("WRDS_USERNAME",), "take the name of your WRDS account")
    address = sa.URL.create(
        "postgresql+psycopg",
        user,
        os.environ.get("WRDS_PASSWORD") or None,
        HOST,
        PORT,
        DATABASE,
        {"sslmode": "require"},
    )
    engine = sa.create_engine(address)
    try:
        with engine.connect() as connection:
            numbers = _permnos(connection, request)
            rows = _rows(connection, request, sorted(numbers.values()))
    except SQLAlchemyError as error:
        raise _failed(request, error) from error
    finally:
        engine.dispose()
    there = dict(tuple(rows.groupby("permno")))
    missing = {
        ticker: "CRSP has no prices in these days"
        for ticker, number in numbers.items()
        if number not in there
    }
    if missing:
        raise _no_prices(request, missing)
    return long_table(
        {ticker: adjusted(there[number]) for ticker, number in numbers.items()}, daily=True
    )


def adjusted(rows: pd.DataFrame) -> pd.DataFrame:
    """Adjust one stock's prices for dividends and splits, so that the last close is as it was.

    Args:
        rows: Of ``crsp.dsf_v2``, by date.

    Returns:
        open, high, low, close and volume, indexed by date.

    Example:
        >>> days = pd.to_datetime(["2020-08-28", "2020-08-31"])
        >>> raw = {"dlyopen": 500.0, "dlyhigh": 505.0, "dlylow": 495.0, "dlyvol": 10.0}
        >>> rows = pd.DataFrame({**raw, "dlycaldt": days, "dlyprc": [500.0, 126.0]})
        >>> rows = rows.assign(dlyret=[0.0, 0.008], dlycumfacpr=[4, 1], dlycumfacshr=[4, 1])
        >>> adjusted(rows)[["close", "volume"]].to_numpy().tolist()
        [[125.0, 40.0], [126.0, 10.0]]
    """
    price = rows["dlyprc"].abs()  # of older files below zero where nothing was traded
    split = price / rows["dlycumfacpr"].fillna(1.0)
    returns = rows["dlyret"].fillna(split.pct_change())
    growth = (1 + returns.iloc[1:]).cumprod()
    index = np.concatenate([[1.0], growth.to_numpy()])
    close = index / index[-1] * price.iloc[-1]
    factor = close / price.to_numpy()
    shares = rows["dlycumfacshr"].fillna(1.0)
    columns = {name: rows[f"dly{name}"].to_numpy() * factor for name in ("open", "high", "low")}
    volume = rows["dlyvol"] * shares / shares.iloc[-1]
    frame = pd.DataFrame({**columns, "close": close, "volume": volume.to_numpy()})
    frame.index = pd.DatetimeIndex(pd.to_datetime(rows["dlycaldt"].to_numpy()))
    return frame


def _permnos(connection: sa.Connection, request: Request) -> dict[str, int]:
    """Return CRSP's permanent number by ticker."""
    start, end = date.fromisoformat(request.start), date.fromisoformat(request.end)
    asked = [ticker for ticker in request.tickers if not ticker.isdecimal()]
    found = connection.execute(
        sa.select(NAMES).where(
            NAMES.c.ticker.in_(asked),
            NAMES.c.secinfostartdt <= end,
            NAMES.c.secinfoenddt >= start,
        )
    )
    stocks: dict[str, dict[int, str]] = {}
    for row in found:
        stocks.setdefault(row.ticker, {})[row.permno] = _described(row)
    missing: dict[str, str] = {}
    for ticker in asked:
        of = stocks.get(ticker, {})
        if not of:
            missing[ticker] = "no stock had this ticker in these days"
        elif len(of) > 1:
            listed = ", ".join(f"{number} ({said})" for number, said in sorted(of.items()))
            missing[ticker] = f"several stocks had this ticker, write the number of one: {listed}"
    if missing:
        raise _no_prices(request, missing)
    return {
        ticker: int(ticker) if ticker.isdecimal() else next(iter(stocks[ticker]))
        for ticker in request.tickers
    }


def _described(row: sa.Row[Any]) -> str:
    share = f" class {row.shareclass}" if row.shareclass else ""
    return f"{row.issuernm}{share}, until {row.secinfoenddt}"


def _rows(connection: sa.Connection, request: Request, numbers: list[int]) -> pd.DataFrame:
    start, end = date.fromisoformat(request.start), date.fromisoformat(request.end)
    query = (
        sa.select(PRICES)
        .where(
            PRICES.c.permno.in_(numbers),
            PRICES.c.dlycaldt.between(start, end),
            PRICES.c.dlyprc != 0,
        )
        .order_by(PRICES.c.permno, PRICES.c.dlycaldt)
    )
    answer = connection.execute(query)
    return pd.DataFrame(answer.all(), columns=list(answer.keys()))


def _no_prices(request: Request, missing: Mapping[str, str]) -> DataError:
    check = "Check the tickers of those days at wrds-www.wharton.upenn.edu, or write PERMNOs"
    return no_prices("wrds", request, missing, check)


def _failed(request: Request, error: SQLAlchemyError) -> DataError:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    said = str(cause).strip()
    for part, advice in ADVICE.items():
        if part in said.lower():
            return unreachable("wrds", request, error, said=said, advice=advice)
    return unreachable("wrds", request, error, said=said)

"""Price files as vendors, libraries and data sets lay them out, made from scratch."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.data.raw_panels import raw_panel

PRICES = ["open", "high", "low", "close", "volume"]
Write = Callable[[pd.DataFrame, Path], None]


@dataclass
class Written:
    """A layout: what it is, how a file of it is made, what has to be typed, what comes of it."""

    what: str
    write: Write
    path: str = "prices.csv"
    typed: dict[str, Any] = field(default_factory=dict)
    tickers: tuple[str, ...] = ("T0", "T1", "T2")
    closes_alone: bool = False
    volume: bool = True
    bars: str = "days"
    scale: float = 1.0
    repaired: bool = False


def panel(bars: str = "days", n_dates: int = 30) -> pd.DataFrame:
    """Prices to the cent with a `date` of timestamps, on weekdays or in bars of other lengths."""
    rows = raw_panel(n_dates)
    starts = {
        "days": pd.bdate_range("2018-01-01", periods=n_dates),
        "every day": pd.date_range("2018-01-01", periods=n_dates),
        "half hours": pd.date_range("2018-01-01", periods=n_dates, freq="30min"),
        "minutes": pd.date_range("2018-01-02 09:30", periods=n_dates, freq="min"),
        "months": pd.date_range("2018-01-01", periods=n_dates, freq="MS"),
    }
    return rows.assign(date=starts[bars].repeat(3))


def text(rows: pd.DataFrame, how: str = "%Y-%m-%d", **names: str) -> pd.DataFrame:
    return rows.assign(date=rows["date"].dt.strftime(how)).rename(columns=names)


def one(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["tic"] == "T0"].drop(columns="tic")


def titled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.rename(columns={name: name.title() for name in rows.columns})


def csv(rows: pd.DataFrame, folder: Path, name: str = "prices.csv", **how: Any) -> None:
    rows.to_csv(folder / name, **{"index": False, **how})


def kaggle(rows: pd.DataFrame, folder: Path) -> None:
    """The DJIA 30 files: one per stock, the ticker in Name, one low of 0."""
    (folder / "djia").mkdir()
    for ticker, own in text(rows).groupby("tic"):
        made = titled(own.rename(columns={"tic": "Name"}))[
            ["Date", "Open", "High", "Low", "Close", "Volume", "Name"]
        ]
        if ticker == "T1":
            made.iloc[4, 3] = 0.0
        csv(made, folder / "djia", f"{ticker}_2006-01-01_to_2018-01-01.csv")


def german(rows: pd.DataFrame, folder: Path) -> None:
    csv(titled(text(rows, "%d.%m.%Y")), folder, sep=";", decimal=",")


def no_header(rows: pd.DataFrame, folder: Path) -> None:
    csv(text(one(rows), "%Y%m%d").iloc[::-1], folder, "BTCUSDT.csv", header=False)


def wide_closes(rows: pd.DataFrame, folder: Path) -> None:
    csv(text(rows).pivot(index="date", columns="tic", values="close"), folder, index=True)


def levels(rows: pd.DataFrame, *, by_ticker: bool = False) -> pd.DataFrame:
    wide = rows.pivot(index="date", columns="tic", values=PRICES)
    wide.columns = pd.MultiIndex.from_tuples(
        [(price.title(), ticker) for price, ticker in wide.columns], names=["Price", "Ticker"]
    )
    wide.index.name = "Date"
    return wide.swaplevel(axis=1).sort_index(axis=1) if by_ticker else wide


def yfinance(rows: pd.DataFrame, folder: Path) -> None:
    levels(rows).to_csv(folder / "prices.csv")


def yfinance_by_ticker(rows: pd.DataFrame, folder: Path) -> None:
    levels(rows, by_ticker=True).to_csv(folder / "prices.csv")


def yfinance_parquet(rows: pd.DataFrame, folder: Path) -> None:
    levels(rows).to_parquet(folder / "prices.parquet")


def binance(rows: pd.DataFrame, folder: Path) -> None:
    made = one(rows)
    stamps = (made["date"] - pd.Timestamp("1970-01-01")) // pd.Timedelta(milliseconds=1)
    made = made.assign(date=stamps, close_time=stamps + 1_799_999, count=7)
    csv(made.rename(columns={"date": "open_time"}), folder, "BTCUSDT.csv")


def seconds(rows: pd.DataFrame, folder: Path) -> None:
    stamps = (rows["date"] - pd.Timestamp("1970-01-01")) // pd.Timedelta(seconds=1)
    csv(rows.assign(date=stamps).rename(columns={"date": "unix", "tic": "asset"}), folder)


def crypto_download(rows: pd.DataFrame, folder: Path) -> None:
    made = titled(text(one(rows), "%Y-%m-%d %H:%M:%S")).assign(Symbol="BTC/USD")
    made = made.rename(columns={"Volume": "Volume USD"})
    body = made.to_csv(index=False)
    (folder / "prices.csv").write_text(f"https://www.vendor.example\n{body}")


def investing(rows: pd.DataFrame, folder: Path) -> None:
    made = text(one(rows), "%m/%d/%Y").iloc[::-1]
    for name in PRICES[:4]:
        made[name] = [f"{value * 100:,.2f}" for value in made[name]]
    made["volume"] = [f"{value / 1000:.3f}K" for value in made["volume"]]
    made = made[["date", "close", "open", "high", "low", "volume"]].assign(change="0.10%")
    made.columns = ["Date", "Price", "Open", "High", "Low", "Vol.", "Change %"]
    csv(made, folder, "GOLD.csv", quoting=1)


def nasdaq(rows: pd.DataFrame, folder: Path) -> None:
    made = text(one(rows), "%m/%d/%Y").iloc[::-1]
    for name in PRICES[:4]:
        made[name] = [f"${value:.2f}" for value in made[name]]
    made = titled(made)[["Date", "Close", "Volume", "Open", "High", "Low"]]
    csv(made.rename(columns={"Close": "Close/Last"}), folder, "AAPL.csv")


def stooq(rows: pd.DataFrame, folder: Path) -> None:
    made = text(rows, "%Y%m%d").assign(per="D", time="000000", openint=0)
    made = made.rename(columns={"tic": "ticker", "volume": "vol"})
    made.columns = [f"<{name.upper()}>" for name in made.columns]
    csv(made, folder, "prices.txt")


def utf16(rows: pd.DataFrame, folder: Path) -> None:
    csv(titled(text(rows)), folder, sep="\t", encoding="utf-16")


def windows(rows: pd.DataFrame, folder: Path) -> None:
    csv(text(rows, tic="Société"), folder, sep=";", encoding="cp1252")


def zipped(rows: pd.DataFrame, folder: Path) -> None:
    with zipfile.ZipFile(folder / "prices.zip", "w") as archive:
        archive.writestr("prices.csv", text(rows).to_csv(index=False))


def parquet_folder(rows: pd.DataFrame, folder: Path) -> None:
    for ticker, own in rows.groupby("tic"):
        part = folder / "parts" / f"tic={ticker}"
        part.mkdir(parents=True)
        own.drop(columns="tic").to_parquet(part / "part-0.parquet", index=False)


def per_ticker(rows: pd.DataFrame, folder: Path) -> None:
    (folder / "stocks").mkdir()
    for ticker, own in text(rows).groupby("tic"):
        csv(own.drop(columns="tic"), folder / "stocks", f"{ticker}.csv")


def tushare(rows: pd.DataFrame, folder: Path) -> None:
    names = {"tic": "ts_code", "date": "trade_date", "volume": "vol"}
    csv(text(rows, "%Y%m%d", **names).iloc[::-1], folder)


def offsets(rows: pd.DataFrame, folder: Path) -> None:
    stamps = rows["date"].dt.tz_localize("America/New_York").dt.tz_convert("UTC").astype(str)
    csv(rows.assign(date=stamps).rename(columns={"date": "timestamp", "tic": "symbol"}), folder)


def adjusted(rows: pd.DataFrame, folder: Path) -> None:
    csv(text(rows, close="Close").assign(**{"Adj. Close": rows["close"]}), folder)


def finrl_meta(rows: pd.DataFrame, folder: Path) -> None:
    """What ``save_data`` of FinRL-Meta's data processors writes after ``clean_data``."""
    made = text(rows, date="time").assign(adjusted_close=rows["close"])
    names = ["tic", "time", *PRICES[:4], "adjusted_close", "volume"]
    csv(made[names].sort_values(["time", "tic"]), folder, "dataset.csv")


def bad_cells(rows: pd.DataFrame, folder: Path) -> None:
    made = text(rows).astype({name: object for name in PRICES})
    made.loc[10, "low"], made.loc[20, "open"], made.loc[31, "close"] = 0, "-", "n.a."
    made.loc[40, "high"], made.loc[50, "close"] = 0.01, -1
    csv(made, folder)


def excel(rows: pd.DataFrame, folder: Path) -> None:
    titled(rows).to_excel(folder / "prices.xlsx", index=False)


PLAIN: dict[str, Any] = {"on_bad": "missing", "on_missing": "forward_fill"}
LAYOUTS = {
    "FinRL's own": Written("date, tic and prices", lambda rows, at: csv(text(rows), at)),
    "DJIA 30, a file per stock": Written(
        "a folder; the ticker in Name, one low of 0", kaggle, "djia", PLAIN, repaired=True
    ),
    "a file per ticker": Written("a pattern; the ticker in the files' names", per_ticker,
                                 "stocks/*.csv"),
    "half-hour crypto": Written(
        "time, and no ticker",
        lambda rows, at: csv(text(one(rows), "%Y-%m-%d %H:%M:%S", date="time"), at, "BTC.csv"),
        "BTC.csv", {"tic": "BTCUSDT"}, ("BTCUSDT",), bars="half hours",
    ),
    "German": Written("semicolons, decimal commas, day first", german,
                      typed={"date_format": "%d.%m.%Y"}),
    "no header": Written(
        "compact dates, newest first", no_header, "BTCUSDT.csv",
        {"columns": ["date", *PRICES]}, ("BTCUSDT",),
    ),
    "price for close": Written(
        "closes alone",
        lambda rows, at: csv(text(rows, close="price")[["date", "tic", "price"]], at),
        closes_alone=True,
    ),
    "wide closes": Written("dates down, tickers across", wide_closes, typed={"wide": "close"},
                           closes_alone=True),
    "yfinance": Written("two header rows, then Date", yfinance),
    "yfinance by ticker": Written("two header rows, tickers first", yfinance_by_ticker),
    "yfinance, Parquet": Written("columns of two levels", yfinance_parquet, "prices.parquet"),
    "Binance": Written("open_time in milliseconds, no ticker", binance, "BTCUSDT.csv",
                       tickers=("BTCUSDT",), bars="half hours"),
    "seconds since 1970": Written("unix, asset", seconds, bars="every day"),
    "CryptoDataDownload": Written("an address above the header, Volume USD", crypto_download,
                                  tickers=("BTC/USD",), bars="half hours"),
    "Investing.com": Written("1,234.50 in quotes, 1.5K of volume, month first", investing,
                             "GOLD.csv", {"date_format": "%m/%d/%Y"}, ("GOLD",), scale=100.0),
    "Nasdaq": Written("$ at prices, Close/Last, month first", nasdaq, "AAPL.csv",
                      {"date_format": "%m/%d/%Y"}, ("AAPL",)),
    "Stooq": Written("<TICKER>, <DATE>, <VOL>", stooq, "prices.txt"),
    "UTF-16": Written("as Excel writes 'Unicode text': tabs, UTF-16", utf16),
    "Windows text": Written("semicolons, cp1252, a name with an accent", windows,
                            typed={"encoding": "cp1252", "columns": {"tic": "Société"}}),
    "zip": Written("a zip archive with one file", zipped, "prices.zip"),
    "Parquet folder": Written("folders tic=AAPL with parts", parquet_folder, "parts"),
    "tushare": Written("ts_code, trade_date, vol, newest first", tushare),
    "offsets": Written("times with an offset", offsets, typed={"zone": "America/New_York"},
                       bars="minutes"),
    "adjusted closes": Written("Adj. Close beside Close", adjusted),
    "FinRL-Meta": Written("tic, time and adjusted_close", finrl_meta, "dataset.csv"),
    "bad cells": Written("text, zero, negative, a high below the low", bad_cells, typed=PLAIN,
                         repaired=True),
    "forex": Written("no volume", lambda rows, at: csv(text(rows).drop(columns="volume"), at),
                     volume=False),
    "minute bars": Written("day first with a time",
                           lambda rows, at: csv(text(rows, "%d/%m/%Y %H:%M"), at),
                           typed={"date_format": "%d/%m/%Y %H:%M"}, bars="minutes"),
    "months": Written("a year and a month", lambda rows, at: csv(text(rows, "%Y-%m"), at),
                      typed={"date_format": "%Y-%m"}, bars="months"),
    "another name": Written(
        "names that nobody knows",
        lambda rows, at: csv(text(rows, tic="Emittent", close="Schluss"), at),
        typed={"columns": {"tic": "Emittent", "close": "Schluss"}},
    ),
    "Excel": Written("an Excel workbook", excel, "prices.xlsx"),
}  # fmt: skip


def expected(layout: Written) -> pd.DataFrame:
    """The rows that come of a layout where no cell of it is bad."""
    rows = panel(layout.bars).sort_values(["date", "tic"], ignore_index=True)
    if len(layout.tickers) == 1:
        rows = one(rows).assign(tic=layout.tickers[0]).reset_index(drop=True)
    if layout.closes_alone:
        rows = rows.drop(columns=["open", "high", "low", "volume"])
    if not layout.volume:
        rows = rows.drop(columns="volume")
    numbers = [name for name in PRICES if name in rows]
    rows[numbers[:4]] *= layout.scale
    rows[numbers[:4]] = rows[numbers[:4]].round(2)
    return rows[["date", "tic", *numbers]].astype({name: np.float64 for name in numbers})

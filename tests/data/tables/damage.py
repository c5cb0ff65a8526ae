"""Small panels in every layout that users have, and ways in which their files are damaged."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

NUMBERS = ["open", "high", "low", "close", "volume", "macd", "rsi_30", "vix", "sentiment"]
TICKERS = ["0700", "1E5", "AAPL", "NA", "TRUE"]
EMPTY = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")


@dataclass
class Layout:
    kind: str = "csv"
    n_stocks: int = 3
    dates: str = "day"
    names: tuple[str, str] = ("date", "tic")
    index: str = "unnamed"
    blocks: bool = False
    upper: bool = False


@dataclass
class Sheet:
    """A file's header and cells as text, then the bytes that a byte damage made of them."""

    layout: Layout
    header: list[str]
    rows: list[list[str]]
    words: list[str] = field(default_factory=list)
    content: bytes | None = None

    def column(self, name: str) -> int:
        plain = [title.strip().lower() for title in self.header]
        return plain.index({"date": self.layout.names[0], "tic": self.layout.names[1]}.get(
            name, name
        ).lower())  # fmt: skip


def sheet(layout: Layout, rng: np.random.Generator, n_dates: int = 8) -> Sheet:
    tickers = TICKERS[: layout.n_stocks]
    days = pd.bdate_range("2020-03-26", periods=n_dates)  # over a change to summer time
    if layout.dates == "hour":
        stamps = [f"{day:%Y-%m-%d} {9 + n % 2}:30:00".replace(" 9", " 09")
                  for n, day in enumerate(days.repeat(2)[:n_dates])]  # fmt: skip
    elif layout.dates == "zone":
        stamps = [str(day) for day in days.tz_localize("Europe/Berlin")]
    else:
        stamps = [f"{day:%Y%m%d}" if layout.dates == "plain" else f"{day:%Y-%m-%d}" for day in days]
    rows = []
    close = rng.uniform(5, 300, len(tickers))
    for number, stamp in enumerate(stamps):
        close = close * np.exp(rng.normal(0, 0.02, len(tickers)))
        vix = float(rng.uniform(10, 40))
        for stock, ticker in enumerate(tickers):
            price = float(close[stock])
            values = [price, price * 1.01, price * 0.99, price, float(rng.integers(1, 10**9)),
                      *map(float, rng.normal(0, 1, 2)), vix, float(rng.normal())]  # fmt: skip
            texts = [repr(value) for value in values]
            texts[-1] = "" if rng.uniform() < 0.3 else texts[-1]
            rows.append([str(number), stamp, ticker, *texts])
    if layout.blocks:
        rows.sort(key=lambda row: row[2])
    columns = [name.capitalize() if layout.upper and name in NUMBERS[:5] else name
               for name in NUMBERS]  # fmt: skip
    made = Sheet(layout, ["", *layout.names, *columns], rows)
    if layout.index == "none" or layout.kind == "parquet":
        made = replace(made, header=made.header[1:], rows=[row[1:] for row in rows])
    return made


def text_of(made: Sheet, **quoting: Any) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n", **quoting).writerows([made.header, *made.rows])
    return stream.getvalue().encode()


def write(made: Sheet, folder: Path) -> Path:
    if made.layout.kind == "parquet":
        file = folder / "features.parquet"
        file.write_bytes(made.content or parquet_of(made))
        return file
    file = folder / ("features.csv.gz" if made.layout.kind == "gzip" else "features.csv")
    content = made.content if made.content is not None else text_of(made)
    if made.layout.kind == "gzip":
        import gzip

        content = gzip.compress(content, 1)
    file.write_bytes(content)
    return file


def parquet_of(made: Sheet) -> bytes:
    layout, columns = made.layout, {}
    for position, name in enumerate(made.header):
        cells = [row[position] for row in made.rows]
        plain = name.strip().lower()
        if plain == layout.names[1].lower() or plain == layout.names[0].lower():
            columns[name] = pd.Series([cell or None for cell in cells], dtype=object)
        else:
            columns[name] = _numbers(cells)
    frame = pd.DataFrame(columns)
    date, tic = made.header[:2]
    if layout.index == "timestamps" and frame[date].notna().all():
        parsed = [_stamp(text) for text in frame[date]]
        zoned = layout.dates == "zone"
        if all(parsed) and "other zone" not in made.words:
            utc = pd.to_datetime(pd.Series(parsed, dtype=object), utc=True)
            frame[date] = utc.dt.tz_convert("Europe/Berlin") if zoned else utc.dt.tz_localize(None)
        frame[tic] = frame[tic].astype("category")
    if layout.index == "unnamed":
        frame = frame.set_index([date, tic])
    table = pa.Table.from_pandas(frame)
    stream = io.BytesIO()
    pq.write_table(table, stream, write_page_checksum=True)
    return stream.getvalue()


def _stamp(text: str) -> Any:
    try:
        return pd.Timestamp(datetime.fromisoformat(text))
    except (TypeError, ValueError):
        return None


def _numbers(cells: list[str]) -> pd.Series:
    # Python takes 1_000 and the digits of other scripts for numbers.
    if all(cell.isascii() and "_" not in cell for cell in cells):
        with contextlib.suppress(ValueError):
            return pd.Series([np.nan if cell == "" else float(cell) for cell in cells])
    return pd.Series([cell or None for cell in cells], dtype=object)


# --- damages: each returns the sheet damaged, with words of which a refusal says one ---

Damage = Callable[[Sheet, np.random.Generator], Sheet]
IN_LINE = ["fields of the header", "UTF-8", "NUL bytes", "carriage return", "quote", "control",
           "line 1", "column", "lacks", "repeat", "sorted", "cannot be read"]  # fmt: skip


def said(made: Sheet, *words: str, **changes: Any) -> Sheet:
    return replace(made, words=[*made.words, *words], **changes)


def drop_rows(made: Sheet, rng: np.random.Generator) -> Sheet:
    gone = set(rng.choice(len(made.rows), rng.integers(1, 4), replace=False))
    return said(
        made, "lacks", "at least 2", rows=[row for n, row in enumerate(made.rows) if n not in gone]
    )


def repeat_row(made: Sheet, rng: np.random.Generator) -> Sheet:
    rows = list(made.rows)
    rows.insert(int(rng.integers(len(rows) + 1)), list(rows[rng.integers(len(rows))]))
    return said(made, "repeat", "sorted", rows=rows)


def shuffle(made: Sheet, rng: np.random.Generator) -> Sheet:
    return said(made, "sorted", rows=[made.rows[n] for n in rng.permutation(len(made.rows))])


def cell(column: str, *texts: str, words: tuple[str, ...] = ()) -> Damage:
    def damage(made: Sheet, rng: np.random.Generator) -> Sheet:
        name = str(rng.choice(NUMBERS)) if column == "any" else column
        rows = [list(row) for row in made.rows]
        text = str(rng.choice(texts))
        rows[rng.integers(len(rows))][made.column(name)] = text
        ranged = ("lies outside", "high is below low") if name in NUMBERS[:4] else ()
        return said(made, f"column {name}", *ranged, *words, rows=rows)

    return damage


def comma_decimals(made: Sheet, rng: np.random.Generator) -> Sheet:
    position = made.column(str(rng.choice(NUMBERS)))
    rows = [list(row) for row in made.rows]
    for row in rows:
        row[position] = row[position].replace(".", ",")
    return said(made, "decimal point", rows=rows)


def ticker(change: Callable[[str], str], *words: str) -> Damage:
    def damage(made: Sheet, rng: np.random.Generator) -> Sheet:
        rows, position = [list(row) for row in made.rows], made.column("tic")
        row = rows[rng.integers(len(rows))]
        whose = row[position]
        for each in [row] if rng.uniform() < 0.7 else rows:
            if each[position] == whose:
                each[position] = change(whose)
        return said(made, "lacks", *words, rows=rows)

    return damage


def other_zone(made: Sheet, rng: np.random.Generator) -> Sheet:
    rows, position = [list(row) for row in made.rows], made.column("date")
    row = rows[rng.integers(len(rows))]
    row[position] = row[position][:10] + rng.choice(["T00:00:00+09:00", "T00:00:00Z", "T00:00:00"])
    # A second time to the same cell, it leaves no date at all.
    words = ("other zone", "time zone", "sorted", "lacks", "repeat", "ISO date")
    return said(made, *words, rows=rows)


def swap_names(made: Sheet, rng: np.random.Generator) -> Sheet:
    one, two = rng.choice(len(made.header), 2, replace=False)
    header = list(made.header)
    header[one], header[two] = header[two], header[one]
    return said(
        made,
        "column",
        "lacks",
        "high is below low",
        "lies outside",
        "no name",
        "sorted",
        "repeat",
        header=header,
    )


def same_name(made: Sheet, rng: np.random.Generator) -> Sheet:
    if made.layout.kind == "parquet":  # pandas writes none of these
        return made
    header = list(made.header)
    one, two = rng.choice(np.arange(1, len(header)), 2, replace=False)
    header[one] = header[two]
    return said(made, "times", "could each be", "missing", header=header)


def bytes_damage(change: Callable[[bytes, np.random.Generator], bytes], *words: str) -> Damage:
    def damage(made: Sheet, rng: np.random.Generator) -> Sheet:
        if made.layout.kind == "parquet":
            return made
        content = made.content if made.content is not None else text_of(made)
        return said(made, *words, content=change(content, rng))

    return damage


def put(piece: bytes, content: bytes, rng: np.random.Generator, over: int = 0) -> bytes:
    at = int(rng.integers(len(content)))
    return content[:at] + piece + content[at + over :]


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(len(content))]


def garbage(content: bytes, rng: np.random.Generator) -> bytes:
    n = int(rng.integers(1, 40))
    return put(rng.bytes(n), content, rng, over=n)


def blank_line(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.split(b"\n")
    lines.insert(int(rng.integers(1, max(len(lines), 2))), b"")
    return b"\n".join(lines)


def quoted(made: Sheet, rng: np.random.Generator) -> Sheet:
    if made.layout.kind == "parquet":
        return made
    return said(made, *IN_LINE, content=text_of(made, quoting=csv.QUOTE_ALL))


def semicolons(made: Sheet, rng: np.random.Generator) -> Sheet:
    if made.layout.kind == "parquet":
        return made
    return said(made, "separated by", content=text_of(made, delimiter=str(rng.choice([";", "\t"]))))


def parquet_bytes(made: Sheet, rng: np.random.Generator) -> Sheet:
    if made.layout.kind != "parquet":
        return made
    content = parquet_of(made)
    change = cut if rng.uniform() < 0.5 else garbage
    return said(made, "cannot be read as", "line 1", "control", content=change(content, rng))


def quiet(change: Callable[[bytes, np.random.Generator], bytes]) -> Damage:
    return bytes_damage(change, *IN_LINE)


DAMAGES: dict[str, Damage] = {
    "rows dropped": drop_rows,
    "row repeated": repeat_row,
    "rows shuffled": shuffle,
    "empty cell": cell("any", *EMPTY),
    "infinite cell": cell("any", "inf", "-inf", "1e999", "Infinity"),
    "text cell": cell("any", "oops", "#N/A", "--", "12.5.1", "0x1A", "1_000", "12 5",
                      "\uff11\uff12", "True"),
    "price not positive": cell("close", "0", "-1.5", "-0.0", "0.0"),
    "huge number": cell("any", "1e308", "-1e308", "1e-320", "9" * 30),
    "decimal comma": comma_decimals,
    "decimal comma in a cell": cell("any", "12,5", "1.000,5", "1,000"),
    "broken date": cell("date", "yesterday", "2020-13-45", "", "2020", "2020-03", "2020-3-27",
                        "03/27/2020", "1585267200", "2020-02-30", "2020-03-27 25:00:00", "NaT",
                        words=("sorted", "lacks", "repeat")),
    "other zone": other_zone,
    "no ticker": cell("tic", ""),
    "ticker of other case": ticker(str.lower, "differ in case only", "repeat"),
    "white space at a ticker": ticker(lambda name: f" {name}", "white space"),
    "names swapped": swap_names,
    "name repeated": same_name,
    "cut off": bytes_damage(cut, *IN_LINE, "header", "no rows", "missing", "empty", "at least 2"),
    "binary garbage": bytes_damage(garbage, *IN_LINE, "missing", "header"),
    "NUL byte": bytes_damage(lambda b, rng: put(b"\0", b, rng), "NUL bytes", "line 1"),
    "delimiter too many": bytes_damage(
        lambda b, rng: put(b",", b, rng), "fields of the header", "missing", "no name"
    ),
    "line break": bytes_damage(
        lambda b, rng: put(b"\n", b, rng),
        *("fields of the header", "missing", "header", "empty", "quote"),
    ),
    "quote": bytes_damage(lambda b, rng: put(b'"', b, rng), "quote"),
    "byte order mark": quiet(lambda b, rng: b"\xef\xbb\xbf" + b),
    "CRLF": quiet(lambda b, rng: b.replace(b"\n", b"\r\n")),
    "CR only": bytes_damage(lambda b, rng: b.replace(b"\n", b"\r"), "control", "carriage return"),
    "UTF-16": bytes_damage(
        lambda b, rng: b.decode("utf-8", "replace").encode("utf-16"), "UTF-16", "control characters"
    ),
    "blank line": quiet(blank_line),
    "quoted fields": quoted,
    "other separator": semicolons,
    "Parquet bytes": parquet_bytes,
}  # fmt: skip

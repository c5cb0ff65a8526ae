"""Damaged files: each is refused by a message that names the damage, or loaded whole."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import math
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finai_rl.data.market import MarketData
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.errors import DataError
from tests.data.tables.damage import DAMAGES, EMPTY, Layout, Sheet, sheet, write

LAYOUTS = st.builds(
    Layout,
    kind=st.sampled_from(["csv", "csv", "gzip", "parquet"]),
    n_stocks=st.integers(1, 5),
    dates=st.sampled_from(["day", "plain", "hour", "zone"]),
    names=st.sampled_from([("date", "tic"), ("Date", "Ticker"), ("timestamp", "symbol")]),
    index=st.sampled_from(["unnamed", "none", "timestamps"]),
    blocks=st.booleans(),
    upper=st.booleans(),
)
CASES = st.tuples(
    LAYOUTS,
    st.lists(st.sampled_from(sorted(DAMAGES)), max_size=2)
    | st.lists(st.sampled_from(sorted(DAMAGES)), min_size=1, max_size=2)
    | st.lists(st.sampled_from(sorted(DAMAGES)), min_size=2, max_size=2),
    st.integers(0, 2**32 - 1),
)
Outcomes = Counter[tuple[str, str]]


def outcome(layout: Layout, names: list[str], seed: int) -> str:
    """Write a damaged file, load it, and say which of the two happened; fail on any other."""
    rng = np.random.default_rng(seed)
    made = sheet(layout, rng)
    for name in sorted(names, key=list(DAMAGES).index):  # cells first, bytes last
        made = DAMAGES[name](made, rng)
    priced = bool(rng.integers(2))
    with tempfile.TemporaryDirectory() as folder:
        file = write(made, Path(folder))
        refusal, data = "", None
        prices = {"risk": "vix", "open": "open", "volume": "volume"} if priced else {}
        try:
            data = load_processed_csv(str(file), **prices)  # type: ignore[arg-type]
        except DataError as error:
            refusal = str(error)
        if data is None:
            assert refusal.startswith(str(file))
            assert any(word in refusal for word in made.words), f"none of {made.words}: {refusal}"
            return "refused"
        header, rows = independent_reading(made, file)
    assert_nothing_lost(data, header, rows, priced)
    if layout.kind != "parquet" and made.content is not None:
        cut_off = not decoded(made.content).endswith(("\n", "\r"))
        assert cut_off == any("line break" in caveat for caveat in data.source.caveats)
    return "loaded"


def independent_reading(made: Sheet, file: Path) -> tuple[list[str], list[list[str]]]:
    if made.layout.kind == "parquet":
        return made.header, made.rows
    content = file.read_bytes()
    content = gzip.decompress(content) if made.layout.kind == "gzip" else content
    text = decoded(content)
    separator = max(",;\t", key=text.split("\n", 1)[0].count)
    lines = io.StringIO(text, newline="")
    header, *rows = csv.reader(lines, strict=True, delimiter=separator)
    rows = [row for row in rows if row]
    assert all(len(row) == len(header) for row in rows)
    return header, rows


def decoded(content: bytes) -> str:
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if wide else "utf-8-sig")


def instants(texts: list[str]) -> list[datetime]:
    read = [datetime.fromisoformat(text) for text in texts]
    offsets = [stamp.utcoffset() for stamp in read]
    known = [offset for offset in offsets if offset is not None]
    if known:
        assert len(known) == len(read)
        if max(known) - min(known) > timedelta(hours=1):
            return [stamp.astimezone(UTC).replace(tzinfo=None) for stamp in read]
    return [stamp.replace(tzinfo=None) for stamp in read]


def assert_nothing_lost(
    data: MarketData, header: list[str], rows: list[list[str]], priced: bool
) -> None:
    ours = {"Date": "date", "timestamp": "date", "Ticker": "tic", "symbol": "tic"}
    names = [ours.get(name.strip(), name.strip().lower()) for name in header]
    columns = {name: [row[n] for row in rows] for n, name in enumerate(names)}
    keys = list(zip(instants(columns["date"]), columns["tic"], strict=True))
    assert len(set(keys)) == len(keys) == data.n_days * data.n_stocks
    features = [name for name in names if name in ("macd", "rsi_30")]
    assert list(data.feature_names) == features
    assert data.sentiment_names == ("sentiment",)
    days = {day.astype("datetime64[us]").item(): n for n, day in enumerate(data.dates)}
    stocks = {name: n for n, name in enumerate(data.tickers)}
    arrays = {"close": data.close}
    arrays |= {name: data.features[:, n] for n, name in enumerate(features)}
    assert data.sentiment is not None
    arrays["sentiment"] = data.sentiment[:, 0]
    if priced:
        assert data.open is not None
        assert data.volume is not None
        assert data.risk is not None
        arrays |= {"open": data.open, "volume": data.volume}
        arrays["vix"] = np.repeat(data.risk[:, np.newaxis], data.n_stocks, axis=1)
    for name, array in arrays.items():
        for (day, ticker), text in zip(keys, columns[name], strict=True):
            empty = text.strip() in EMPTY
            assert not empty or name == "sentiment"
            assert name == "tic" or "_" not in text
            value = 0.0 if empty else float(text)
            assert math.isclose(array[days[day], stocks[ticker]], value, rel_tol=1e-14), name


def survey(n: int) -> Outcomes:
    """Run ``n`` cases and count what became of each damage."""
    outcomes: Outcomes = Counter()

    @settings(
        max_examples=n,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(CASES)
    def run(case: tuple[Layout, list[str], int]) -> None:
        became = outcome(*case)
        outcomes.update((name, became) for name in case[1] or ["undamaged"])
        outcomes["files", became] += 1

    run()
    return outcomes


def shown(outcomes: Outcomes) -> str:
    names = sorted({name for name, _ in outcomes})
    lines = [f"{n:26} refused {outcomes[n, 'refused']:5} loaded {outcomes[n, 'loaded']:5}"
             for n in names]  # fmt: skip
    return "\n".join(lines)


@pytest.mark.slow
def test_a_thousand_damaged_files_are_refused_by_name_or_loaded_whole() -> None:
    outcomes = survey(1000)
    print(shown(outcomes))
    assert outcomes["undamaged", "refused"] == 0
    assert outcomes["files", "refused"] > 250
    assert {name for name, _ in outcomes} >= set(DAMAGES)

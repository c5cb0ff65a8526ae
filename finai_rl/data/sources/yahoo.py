"""Prices from Yahoo Finance: downloaded once, kept on disk, features as ``finai_rl.prepare``."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from finai_rl.data.indicators import FINRL_INDICATORS
from finai_rl.data.listings.splits import SPLITS
from finai_rl.data.listings.universe import ALL
from finai_rl.data.listings.unlisted import with_unlisted
from finai_rl.data.market import DataSource, MarketData
from finai_rl.data.preparation.market_series import load_market_series
from finai_rl.data.preparation.panel import Prepared, prepare_panel
from finai_rl.data.preparation.raw_prices import load_raw_prices
from finai_rl.data.sources.yahoo_download import Request, download
from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.repairs import RULES
from finai_rl.data.versions.versioning import content_hash
from finai_rl.errors import DataError, InputError
from finai_rl.type_aliases import FloatArray

log = logging.getLogger(__name__)

REMEDIES = {
    "dates": "an earlier data.start",
    "indicators": "shorter data.indicators",
    "turbulence": "data.risk=null",
}

KEPT = Layout("data", offers=("on_missing",))
SURVIVORS = (
    "The tickers were chosen with today's knowledge and Yahoo lists few that are gone: they are "
    "survivors, and results on them are better than a trader of the time could have had."
)


def load_yahoo(
    *,
    tickers: Sequence[str],
    start: str,
    end: str,
    interval: str = "1d",
    folder: str = "data/yahoo",
    on_missing: str = "error",
    universe: str = ALL,
    indicators: Sequence[str] = FINRL_INDICATORS,
    risk: str | None = "turbulence",
    benchmark: str | None = None,
) -> MarketData:
    """Download prices, or take them from the folder, and compute features from them.

    All of open, high, low and close are adjusted for dividends and splits. What was downloaded
    is kept as raw prices in the layout of ``finai_rl.prepare``, one file per request, so that a
    second run needs no network and sees the same bytes.

    Args:
        tickers: Yahoo's symbols; the panel has them in alphabetical order.
        start: First day asked for, ISO date; the days that windows need to fill are dropped.
        end: Last day asked for, inclusive; it must be over.
        interval: Yahoo's: 1d, 1h, 1wk and so on. Yahoo keeps intraday prices for weeks only.
        folder: Where downloads are kept.
        on_missing: As for :func:`~finai_rl.data.preparation.raw_prices.load_raw_prices`.
        universe: See there.
        indicators: stockstats names.
        risk: ``"turbulence"`` (252 past returns), a symbol such as ``^VIX``, or None.
        benchmark: Symbol of an index, e.g. ``^GSPC``, or None.

    Raises:
        DataError: If Yahoo cannot be reached, has no prices for a ticker, or they have gaps.
        InputError: If yfinance is needed and not installed.
    """
    if isinstance(tickers, str):
        raise ValueError(f"tickers must be a list, got {tickers!r}: write [{tickers}]")
    if on_missing not in RULES:
        raise ValueError(f"on_missing must be {' or '.join(RULES)}, got {on_missing}")
    symbols = tuple(sorted({ticker.upper() for ticker in tickers}))
    file = downloaded(Request(symbols, start, end, interval), Path(folder).expanduser())
    named = {"risk": None if risk == "turbulence" else risk, "benchmark": benchmark}
    files = {
        name: downloaded(Request((symbol.upper(),), start, end, interval), file.parent)
        for name, symbol in named.items()
        if symbol
    }
    prepared = prepare_panel(
        # What is kept is adjusted already.
        load_raw_prices(
            str(file), adjust="never", on_missing=on_missing, universe=universe, layout=KEPT
        ),
        indicators=indicators,
        turbulence=252 if risk == "turbulence" else None,
        market_series=[
            (load_market_series(str(path), name), f"{named[name]} ({path})")
            for name, path in files.items()
        ],
        remedies=REMEDIES,
    )
    hashes = [content_hash(path) for path in (file, *files.values())]
    together = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    source = DataSource("yahoo", together if files else hashes[0], str(file), (SURVIVORS,))
    return _panel(prepared, source, risk, benchmark)


def downloaded(request: Request, folder: Path) -> Path:
    """Return the file with a request's answer, downloading it if it is not there.

    Raises:
        DataError: If it cannot be had, or the file is not what was downloaded.
        InputError: If yfinance is needed and not installed.
    """
    file = folder / f"{request.key}.csv"
    about = file.with_suffix(".json")
    if file.is_file() and about.is_file():
        written = json.loads(about.read_text())
        if written["sha256"] != content_hash(file):
            raise DataError(
                str(file),
                [f"it changed since it was downloaded; delete it and {about.name} to get it again"],
            )
        log.info("%s: downloaded on %s, no network is needed", file, written["downloaded"])
        return file
    today = dt.datetime.now(dt.UTC).date().isoformat()
    if request.end >= today:
        raise InputError(
            f"data.end={request.end} is not over: name a day before {today}, so that the last "
            "price is final and a second run sees the same"
        )
    rows = download(request)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{file.name}.{os.getpid()}.partial"
    rows.to_csv(partial, index=False, lineterminator="\n")
    content = {"request": asdict(request), "downloaded": today, "sha256": content_hash(partial)}
    about.write_text(json.dumps(content, indent=2) + "\n")
    partial.replace(file)
    log.info("%s: %d rows downloaded from Yahoo", file, len(rows))
    return file


def _panel(
    prepared: Prepared, source: DataSource, risk: str | None, benchmark: str | None
) -> MarketData:
    risk_column = "turbulence" if risk == "turbulence" else "risk"
    shared = [*([risk_column] if risk else []), *(["benchmark"] if benchmark else [])]
    rows, listed = with_unlisted(prepared.rows, open="open", volume="volume", shared=shared)
    tickers = tuple(rows["tic"].iloc[: rows["tic"].nunique()])

    def wide(name: str) -> FloatArray:
        return rows[name].to_numpy(dtype=np.float64).reshape(-1, len(tickers))

    close, volume = wide("close"), wide("volume")
    jumps = [str(change) for change in prepared.changes if change.what == SPLITS]
    caveats = [*source.caveats, *prepared.caveats, *jumps]
    if silent := int((volume <= 0).any(axis=0).sum()):
        caveats.append(f"Volume is left out: Yahoo has none for {silent} of the tickers.")
    for caveat in caveats:
        log.info("yahoo: %s", caveat)
    features = [wide(name) for name in prepared.features]
    return MarketData(
        dates=rows["date"].to_numpy()[:: len(tickers)],
        tickers=tickers,
        close=close,
        features=np.stack(features, axis=1)
        if features
        else np.zeros((len(close), 0, len(tickers))),
        feature_names=prepared.features,
        risk=wide(risk_column)[:, 0].copy() if risk else None,
        risk_name=risk or "",
        benchmark=wide("benchmark")[:, 0].copy() if benchmark else None,
        benchmark_name=benchmark or "",
        open=wide("open"),
        volume=None if silent else volume,
        listed=listed,
        source=DataSource(source.name, source.sha256, source.path, tuple(caveats)),
    )

"""From downloaded prices to a panel with features, as ``finai_rl.prepare`` makes them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from finai_rl.data.listings.splits import SPLITS
from finai_rl.data.listings.unlisted import with_unlisted
from finai_rl.data.market import DataSource, MarketData
from finai_rl.data.preparation.market_series import load_market_series
from finai_rl.data.preparation.panel import Prepared, prepare_panel
from finai_rl.data.preparation.raw_prices import load_raw_prices
from finai_rl.data.sources.downloads.kept import downloaded
from finai_rl.data.sources.downloads.request import Request, Service
from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.repairs import RULES
from finai_rl.data.versions.versioning import content_hash
from finai_rl.type_aliases import FloatArray

log = logging.getLogger(__name__)

REMEDIES = {
    "dates": "an earlier data.start",
    "indicators": "shorter data.indicators",
    "turbulence": "data.risk=null",
}
KEPT = Layout("data", offers=("on_missing",))


def load_downloaded(
    service: Service,
    *,
    tickers: Sequence[str],
    start: str,
    end: str,
    interval: str,
    folder: str,
    on_missing: str,
    universe: str,
    indicators: Sequence[str],
    risk: str | None,
    benchmark: str | None,
    of: tuple[tuple[str, str], ...] = (),
) -> MarketData:
    """Download prices, or take them from the folder, and compute features from them.

    What was downloaded is kept as raw prices in the layout of ``finai_rl.prepare``, one file per
    request, so that a second run needs no network and sees the same bytes.

    Args:
        service: Where they are downloaded from.
        tickers: The panel has them in alphabetical order.
        start: First day asked for, ISO date; the days that windows need to fill are dropped.
        end: Last day asked for, inclusive; it must be over.
        interval: The length of a bar, as the service names it.
        folder: Where downloads are kept.
        on_missing: As for :func:`~finai_rl.data.preparation.raw_prices.load_raw_prices`.
        universe: See there.
        indicators: stockstats names.
        risk: ``"turbulence"`` (252 past returns), a ticker, or None.
        benchmark: A ticker, or None.
        of: What else another answer depends on.

    Raises:
        DataError: If there are no prices for a ticker, or they have gaps.
        InputError: If something is needed that is not installed or not set.
    """
    if isinstance(tickers, str):
        raise ValueError(f"tickers must be a list, got {tickers!r}: write [{tickers}]")
    if on_missing not in RULES:
        raise ValueError(f"on_missing must be {' or '.join(RULES)}, got {on_missing}")
    known = service.intervals
    if known and interval not in known:
        raise ValueError(f"interval must be one of {', '.join(known)}, got {interval}")

    def answered(*asked: str) -> Path:
        spelled = tuple(sorted({service.spelled(str(ticker)) for ticker in asked}))
        request = Request(spelled, start, end, interval, of)
        return downloaded(service, request, Path(folder).expanduser())

    file = answered(*tickers)
    named = {"risk": None if risk == "turbulence" else risk, "benchmark": benchmark}
    files = {name: answered(symbol) for name, symbol in named.items() if symbol}
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
    source = DataSource(service.name, together if files else hashes[0], str(file), service.caveats)
    return _panel(prepared, source, service, risk, benchmark)


def _panel(
    prepared: Prepared,
    source: DataSource,
    service: Service,
    risk: str | None,
    benchmark: str | None,
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
        caveats.append(f"Volume is left out: {service.title} has none for {silent} of the tickers.")
    for caveat in caveats:
        log.info("%s: %s", service.name, caveat)
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
        source=replace(source, caveats=tuple(caveats), stale=prepared.stale),
    )

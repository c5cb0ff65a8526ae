"""Every check, in the order of a report."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig

from finai_rl.config.build import build
from finai_rl.data.market import MarketData
from finai_rl.data.split import Split
from finai_rl.errors import DataError, InputError
from finai_rl.experiment.market import load_market
from finai_rl.leakage.altered_rollout import environment_findings
from finai_rl.leakage.altered_source import STORED, recompute, source_findings
from finai_rl.leakage.finding import Finding, Verdict
from finai_rl.leakage.future_values import identity_findings
from finai_rl.leakage.indicators import compared_indicators, indicator_findings, past_only
from finai_rl.leakage.information import LEAST_DAYS, foresight_findings
from finai_rl.leakage.panel import days_to_alter, listed_days, visible
from finai_rl.leakage.split_separation import split_findings
from finai_rl.leakage.whole_sample_traces import fingerprint_findings
from finai_rl.type_aliases import FloatArray


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep sources and environments from saying again what they said the first time."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def all_findings(cfg: DictConfig, market: MarketData) -> list[Finding]:
    """Return the findings of every check.

    Args:
        cfg: A checked config of :class:`~finai_rl.config.command_schemas.Verify`.
        market: What ``cfg.data`` builds.

    Raises:
        InputError: If a setting is refused.
    """
    with _quiet():
        return [*_findings(cfg, market)]


def _findings(cfg: DictConfig, market: MarketData) -> Iterator[Finding]:
    split: Split = build(cfg.split, "split", market)
    if split.combinatorial:
        raise InputError(
            "split: a combinatorial split trains on days after its validation blocks by design; "
            "verify with split=fraction"
        )
    data = visible(split)
    boundary = split.train.n_days - 1
    middle = boundary + split.validation.n_days // 2
    days = sorted({*days_to_alter(data.n_days, cfg.days), boundary, middle})
    found = recompute(cfg, data, days)
    yield from source_findings(cfg, data, found)
    yield from environment_findings(cfg, data, days, found)
    at_boundary = [again for again in found.done if again.day == boundary]
    yield from split_findings(cfg, split, at_boundary[0] if at_boundary else None)
    further = _further_prices(cfg, data)
    yield from _short_listings(data)
    compared = compared_indicators(data, further, shifts=cfg.shifts)
    proven = past_only(compared)
    yield from indicator_findings(compared)
    yield from identity_findings(data, further, proven, shifts=cfg.shifts)
    yield from fingerprint_findings(market, proven)
    yield from foresight_findings(data, **cfg.information)
    if cfg.gates:
        from finai_rl.leakage.trained_agents import gate_findings

        yield from gate_findings(cfg, split)


def _short_listings(data: MarketData) -> Iterator[Finding]:
    """Yield which stocks the checks of columns leave out."""
    days = listed_days(data)
    short = [ticker for ticker, n in zip(data.tickers, days, strict=True) if n < LEAST_DAYS]
    if short and data.listed is not None:
        shown = ", ".join(short[:3]) + ("" if len(short) < 4 else " and others")
        said = f"listed on fewer than {LEAST_DAYS} days ({shown}): too few to judge a column by"
        subject = f"{len(short)} of {data.n_stocks} stocks"
        yield Finding("short listings", subject, Verdict.WARNING, said)


NOTHING_ELSE: dict[str, Any] = {
    **dict.fromkeys(("sentiment", "risk", "benchmark", "open", "volume")),
    "outlier_return": None,
}


def _further_prices(cfg: DictConfig, data: MarketData) -> dict[str, FloatArray]:
    """Return the open, high, low and volume of a file, (n_days, n_stocks) by name."""
    if cfg.data["_target_"] != STORED:
        return {}
    prices: dict[str, FloatArray] = {}
    for name in ("open", "high", "low", "volume"):
        try:
            panel = load_market(cfg, **NOTHING_ELSE, indicators=[name])
        except DataError:
            continue
        if panel.tickers != data.tickers:
            continue  # A price that is missing somewhere may have cost a ticker.
        kept = (panel.dates >= data.dates[0]) & (panel.dates <= data.dates[-1])
        prices[name] = panel.features[kept, 0]
    return prices

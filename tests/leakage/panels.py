"""Files with honest columns, and leaks to plant in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hydra
import numpy as np
import pandas as pd
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from stockstats import StockDataFrame

from finai_rl.config import command_schemas
from finai_rl.config.check import check
from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.hydra_versions import VERSION_BASE
from finai_rl.experiment.market import load_market
from finai_rl.leakage.checks import all_findings
from finai_rl.leakage.finding import Finding

HONEST = ("macd", "rsi_30", "close_30_sma")
Column = Callable[[pd.DataFrame], pd.Series]

LEAKS: dict[str, tuple[Column, str]] = {
    "tomorrow": (lambda one: one.close.shift(-1) / one.close - 1, "equals a later value"),
    "five_days": (lambda one: one.close.shift(-5) / one.close - 1, "equals a later value"),
    "a_month": (lambda one: one.close.shift(-20) / one.close - 1, "equals a later value"),
    "next_close": (lambda one: one.close.shift(-1), "equals a later value"),
    "minus_next_open": (lambda one: 7 - 3 * one.open.shift(-1), "equals a later value"),
    "direction": (lambda one: np.sign(one.close.diff().shift(-1)), "knows later returns"),
    "noisy": (
        lambda one: one.close.pct_change().shift(-1) + one.noise * 0.03,
        "knows later returns",
    ),
    "day_after": (
        lambda one: one.close.pct_change().shift(-2) + one.noise * 0.03,
        "knows later returns",
    ),
    "close_60_sma": (lambda one: _indicator(one, "close_60_sma").shift(-1), "indicator recomputed"),
    "boll_ub": (lambda one: _indicator(one, "boll_ub").shift(-2), "indicator recomputed"),
    "trend": (lambda one: 2 * _indicator(one, "macd").shift(-1) + 1, "equals a later value"),
    "centered": (
        lambda one: one.close.rolling(5, center=True, min_periods=1).mean(),
        "knows later returns",
    ),
    "zscore": (lambda one: (one.noise - one.noise.mean()) / one.noise.std(), "normalized"),
    "minmax": (lambda one: (one.close - one.close.min()) / np.ptp(one.close), "normalized"),
}
"""Leaking columns by name: how they are made of one ticker's rows, and which check names them."""

HONEST_COLUMNS: dict[str, Column] = {
    "yesterday": lambda one: one.close.pct_change(),
    "late_sma": lambda one: _indicator(one, "close_30_sma").shift(2),
    "momentum": lambda one: one.close / one.close.shift(20) - 1,
    "rolling_zscore": lambda one: (
        (one.close - one.close.rolling(20).mean()) / one.close.rolling(20).std()
    ),
    "stochastic": lambda one: (
        (one.close - one.close.rolling(14).min())
        / (one.close.rolling(14).max() - one.close.rolling(14).min())
    ),
    "noise": lambda one: one.noise,
    "flag": lambda one: (one.noise > 1).astype(float),
    "constant": lambda one: one.close * 0 + 5,
    "close_again": lambda one: one.close,
}


def _indicator(one: pd.DataFrame, name: str) -> pd.Series:
    return pd.Series(StockDataFrame.retype(one[["close"]].copy())[name], index=one.index)


def rows(n_days: int = 300, n_stocks: int = 6, seed: int = 0) -> pd.DataFrame:
    """Make a file's rows with honest columns: date, tic, open, high, low, close, noise, ..."""
    rng = np.random.default_rng(seed)
    dates = np.busday_offset("2015-01-05", np.arange(n_days)).astype(str)
    tickers = []
    for number in range(n_stocks):
        close = 100 * np.exp(rng.normal(0.0003, 0.015, n_days).cumsum())
        opens = np.concatenate([close[:1], close[:-1]]) * np.exp(rng.normal(0, 0.004, n_days))
        one = pd.DataFrame({"date": dates, "tic": f"S{number}", "close": close, "open": opens})
        one["high"] = one[["open", "close"]].max(axis=1) * 1.002
        one["low"] = one[["open", "close"]].min(axis=1) * 0.998
        one["noise"] = rng.standard_normal(n_days)
        for name in HONEST:
            one[name] = _indicator(one, name)
        tickers.append(one)
    return pd.concat(tickers).sort_values(["date", "tic"], ignore_index=True)


def with_column(table: pd.DataFrame, name: str, column: Column) -> pd.DataFrame:
    """Add a column made ticker by ticker; what it lacks at the ends stands still."""
    parts = [
        one.assign(**{name: column(one).ffill().bfill()})
        for _, one in table.groupby("tic", sort=False)
    ]
    return pd.concat(parts).sort_values(["date", "tic"], ignore_index=True)


def verified(*overrides: str, data: dict[str, str] | None = None) -> list[Finding]:
    """Return the findings of a command line, on data of a node of one's own if it is given."""
    GlobalHydra.instance().clear()
    quick = ["days=2", "env.n_envs=2"]
    with hydra.initialize_config_dir(str(CONFIG_DIR), **VERSION_BASE):
        cfg = hydra.compose("verify", [*quick, *overrides])
    if data is not None:
        OmegaConf.set_struct(cfg, False)
        cfg.data = data
    cfg = check(cfg, command_schemas.Verify)
    return all_findings(cfg, load_market(cfg))


def verified_file(table: pd.DataFrame, file: Path, *overrides: str) -> list[Finding]:
    """Return the findings about rows, written to a file first."""
    table.to_csv(file, index=False)
    return verified("data=processed_csv", f"data.path={file}", *overrides)

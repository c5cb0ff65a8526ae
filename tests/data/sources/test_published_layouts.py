"""Files of FinRL-Meta and FinRL-DeepSeek, made as their code writes them, load as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from finai_rl.data.market import MarketData
from finai_rl.data.sources.processed_csv import load_processed_csv
from tests.data.raw_panels import raw_panel

N_DAYS = 40
INDICATORS = ("macd", "boll_ub", "boll_lb", "rsi_30", "cci_30", "dx_30", "close_30_sma")
PRICES = ["open", "high", "low", "close"]


def featured() -> pd.DataFrame:
    rows = raw_panel(N_DAYS)
    days = pd.bdate_range("2019-01-02", periods=N_DAYS)
    rows = rows.assign(date=days.repeat(3).strftime("%Y-%m-%d"))
    rng = np.random.default_rng(0)
    return rows.assign(**{name: rng.normal(size=len(rows)) for name in INDICATORS})


def closes(data: MarketData, rows: pd.DataFrame) -> None:
    np.testing.assert_allclose(data.close, rows["close"].to_numpy().reshape(-1, 3))
    assert (data.tickers, data.n_days) == (("T0", "T1", "T2"), N_DAYS)


def test_finrl_meta(tmp_path: Path) -> None:
    rows = featured().assign(adjusted_close=lambda made: made["close"] * 0.9)
    names = ["tic", "time", *PRICES, "adjusted_close", "volume", *INDICATORS]
    saved = rows.rename(columns={"date": "time"})[names].reset_index()  # its own `index`
    saved.to_csv(tmp_path / "dataset.csv", index=False)
    data = load_processed_csv(path=str(tmp_path / "dataset.csv"))
    closes(data, rows)
    assert data.feature_names == ("adjusted_close", *INDICATORS)


def finrl_deepseek(folder: Path, *scores: str) -> tuple[str, pd.DataFrame]:
    """A data set after ``train.merge(...)`` and ``to_csv``; most days are without news."""
    rows = featured().assign(day=0.0, vix=np.repeat(np.linspace(15, 40, N_DAYS), 3))
    rows["turbulence"] = rows["vix"] * 2
    rows = rows[["date", "tic", *PRICES, "volume", "day", *INDICATORS, "vix", "turbulence"]]
    for score in scores:
        rows[score] = np.where(np.arange(len(rows)) % 4 == 0, 5.0, np.nan)
    file = folder / "trade_data_deepseek_risk_2019_2023.csv"
    rows.to_csv(file)
    return str(file), rows


def test_finrl_deepseek(tmp_path: Path) -> None:
    path, rows = finrl_deepseek(tmp_path, "llm_sentiment", "llm_risk")
    data = load_processed_csv(path=path, risk="vix", sentiment={"risk_column": "llm_risk"})
    closes(data, rows)
    assert data.feature_names == INDICATORS
    assert data.sentiment_names == ("llm_sentiment", "llm_risk")
    assert data.sentiment is not None
    assert data.sentiment[0].tolist() == [[5.0, 0.0, 0.0], [5.0, 3.0, 3.0]]
    np.testing.assert_allclose(data.risk, rows["vix"][::3])


def test_scores_of_finrl_deepseek(tmp_path: Path) -> None:
    path, rows = finrl_deepseek(tmp_path)
    days = rows["date"].unique()
    items = {"Date": days[5:7], "Stock_symbol": ["T1", "T2"], "sentiment_deepseek": [5, 1]}
    pd.DataFrame(items).to_csv(tmp_path / "sentiment_deepseek.csv")
    scores = {"path": str(tmp_path / "sentiment_deepseek.csv")}
    data = load_processed_csv(path=path, risk="vix", sentiment={"scores": scores})
    assert data.sentiment_names == ("llm_sentiment",)
    assert data.sentiment is not None
    assert set(np.unique(data.sentiment).tolist()) >= {1.0, 5.0}

"""Writes raw/prices.csv: generated prices in which momentum tells a part of tomorrow's return."""

from pathlib import Path

import pandas as pd

from finai_rl.data import synthetic_market

market = synthetic_market(n_days=1000, n_stocks=5, kind="momentum", sharpe_ratio=16.0)
prices = pd.DataFrame(market.close, index=market.day_names, columns=list(market.tickers))
table = prices.rename_axis("date").melt(ignore_index=False, var_name="tic", value_name="close")
Path("raw").mkdir(exist_ok=True)
table.assign(volume=1_000_000).to_csv("raw/prices.csv")

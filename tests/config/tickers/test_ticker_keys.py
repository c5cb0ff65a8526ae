"""Keys without quotes are the tickers that YAML read them from, where there is only one."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf

from finai_rl.config.tickers.ticker_keys import by_ticker, unknown_names


@pytest.mark.parametrize(
    "ticker", ["600519", "0700", "TRUE", "ON", "NO", "1E5", "1_000", "12:30", "^GSPC", "M&M.NS"]
)
def test_what_yaml_makes_of_a_ticker_is_that_ticker(ticker: str) -> None:
    (key,) = OmegaConf.create(f"{ticker}: 1")
    assert by_ticker({key: 1}, ["AAPL", ticker, "贵州茅台"]) == {ticker: 1}
    assert by_ticker({ticker: 1}, ["AAPL"]) == {ticker: 1}


@pytest.mark.parametrize(
    ("key", "tickers", "ticker"),
    [(700, ["0700"], "0700"), (float("nan"), ["NaN"], "NaN"), (float("inf"), ["INF"], "INF")],
)
def test_what_the_command_line_makes_of_a_ticker_is_that_ticker(
    key: Any, tickers: list[str], ticker: str
) -> None:
    assert by_ticker({key: 1}, tickers) == {ticker: 1}


@pytest.mark.parametrize(
    ("values", "tickers", "said"),
    [
        ({448: 1}, ["448", "0700"], "could be the tickers '448', '0700': in a YAML file put"),
        ({448: 1}, ["0448", "0700"], "could be the tickers '0448', '0700'"),
        ({True: 1}, ["TRUE", "ON"], "'TRUE', 'ON'"),
        ({1: 1}, ["1", "TRUE"], "'1', 'TRUE'"),
        ({5: 1}, ["AAPL"], "no ticker of the data is read as it"),
        ({600519: 1, "600519": 2}, ["600519"], "'600519' is there twice"),
    ],
)
def test_what_is_not_clear_is_refused(
    values: dict[Any, float], tickers: list[str], said: str
) -> None:
    with pytest.raises(ValueError, match=r".+") as refusal:
        by_ticker(values, tickers)
    assert said in str(refusal.value)


def test_unknown_tickers_are_named_with_what_is_near() -> None:
    known = [f"T{number:03d}" for number in range(500)] + ["AAPL", "^GSPC"]
    told = unknown_names(["aapl", "^GSPX"], known, {"aapl": 2, "^GSPX": 9})
    assert told == "'aapl' (line 2; did you mean 'AAPL'?), '^GSPX' (line 9; did you mean '^GSPC'?)"
    many = unknown_names([f"贵{number}" for number in range(40)], known)
    assert many.startswith("'贵0', '贵1', '贵2', '贵3', '贵4', ... (40 in all); there are 'T000'")
    assert len(many) < 140

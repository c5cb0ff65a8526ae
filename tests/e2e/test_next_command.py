"""The command that ``prepare`` ends with runs as it stands, whatever was prepared."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from finai_rl.config.overrides import override
from tests.conftest import Command
from tests.data.raw_panels import raw_panel

QUICK = ("agent=a2c", "total_timesteps=100", "env.n_envs=2", "tracking=none", "data.cache=false")
SETTINGS = ("raw.path=prices.csv", "indicators=[rsi_5,macd]", "turbulence=20")
Write = Callable[[Path], pd.DataFrame]


def bars(dates: pd.DatetimeIndex, n_tickers: int = 1, **columns: float) -> pd.DataFrame:
    rows = raw_panel(len(dates), n_tickers).assign(**columns)
    return rows.assign(date=dates.strftime("%Y-%m-%d %H:%M:%S").repeat(n_tickers))


def trained_as_it_says(forked: Command, folder: Path, *settings: str) -> tuple[str, str]:
    """Prepare, run the command that is printed as a shell would, and return both outputs."""
    told = forked("finai_rl.prepare", *SETTINGS, *settings).stdout
    (line,) = [line for line in told.splitlines() if line.startswith("Next: ")]
    python, flag, module, *arguments = shlex.split(line.removeprefix("Next: "))
    assert (python, flag, module) == ("python", "-m", "finai_rl.train")
    done = forked(module, *arguments, *QUICK)
    assert "Objective sharpe_ratio" in done.stdout
    return told, line


HOURS = pd.date_range("2024-01-01", periods=900, freq="h")
DAYS = pd.date_range("2022-01-01", periods=200, freq="D")
INPUTS = {
    "minutes": (bars(pd.date_range("2024-01-01", periods=1800, freq="min"), 2), 525_600),
    "hours of a currency": (bars(HOURS[HOURS.day_of_week < 5], volume=0), 6_048),
    "days of a cryptocurrency": (bars(DAYS, 2), 365),
    "weeks": (bars(pd.date_range("2020-01-03", periods=150, freq="W-FRI"), 2), 52),
    "days of an exchange": (raw_panel(120, 3), None),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", INPUTS)
def test_periods_of_every_length(kind: str, forked: Command, tmp_path: Path) -> None:
    rows, periods = INPUTS[kind]
    rows.to_csv(tmp_path / "prices.csv", index=False)
    _, command = trained_as_it_says(forked, tmp_path)
    assert command.partition("evaluation.periods_per_year=")[2] == str(periods or "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["a b.csv", "it's, 1=2.csv", 'a "b" [c]/{d: e}.parquet', "7,8.csv"]
)
def test_a_path_with_any_signs(name: str, forked: Command, tmp_path: Path) -> None:
    rows = raw_panel(60, 2).rename(columns={"tic": "Ticker", "date": "DateTime", "close": "Close"})
    rows.assign(**{"Adj Close": rows["Close"]}).to_csv(tmp_path / "prices.csv", index=False)
    trained_as_it_says(forked, tmp_path, override("output", name))
    assert (tmp_path / name).is_file()


@pytest.mark.slow
def test_prices_that_the_account_cannot_pay_and_few_dates(forked: Command, tmp_path: Path) -> None:
    rows = raw_panel(30, 2)
    rows.loc[:, "open":"close"] *= 1e6
    rows.to_csv(tmp_path / "prices.csv", index=False)
    told, command = trained_as_it_says(forked, tmp_path, "indicators=[rsi_5]")
    assert "split.train=0.5 split.validation=0.25" in command
    assert "env.initial_amount=100000000000" in command
    assert "does not buy one share of any stock" in told


@pytest.mark.slow
def test_every_column_is_what_it_was_prepared_as(forked: Command, tmp_path: Path) -> None:
    """Scores under another name, a risk per stock, a series, a feature that sounds like a score."""
    raw_panel(80, 2).to_csv(tmp_path / "prices.csv", index=False)
    days = raw_panel(80, 1)
    days[["date", "close"]].to_csv(tmp_path / "vix.csv", index=False)
    news = pd.DataFrame({"date": days["date"], "tic": "T0", "score": 1.0, "llm_risk": 2.0})
    news.to_csv(tmp_path / "news.csv", index=False)
    (tmp_path / "mine.py").write_text(
        "def feature(frame):\n    return frame['close'].diff().fillna(0).rename('sentiment_like')\n"
    )
    _, command = trained_as_it_says(
        forked,
        tmp_path,
        "market_series={vix: vix.csv, rate: vix.csv}",
        "features={_target_: mine.feature}",
        "trusted_packages=[mine]",
        "sentiment.scores.path=news.csv",
        "sentiment.scores.columns={score: mood, llm_risk: llm_risk}",
        "sentiment.scores.n_items=items",
    )
    words = shlex.split(command)
    assert "data.indicators=[rsi_5,macd,sentiment_like,vix,rate]" not in words
    assert "data.indicators=[rsi_5,macd,sentiment_like,rate]" in words
    assert "data.sentiment.columns=[mood,items]" in words
    assert "data.sentiment.risk_column=llm_risk" in words
    assert {"env.sentiment=true", "data.risk=turbulence"} <= set(words)


@pytest.mark.slow
def test_what_preparing_found_is_told_by_training_and_its_page(
    forked: Command, tmp_path: Path
) -> None:
    rows = raw_panel(120, 3)
    late = (rows["tic"] == "T1") & (rows["date"] >= rows["date"].unique()[60])
    rows.loc[late, "open":"close"] /= 4
    rows.drop(index=[181, 184]).to_csv(tmp_path / "prices.csv", index=False)
    told, command = trained_as_it_says(forked, tmp_path, "raw.on_missing=forward_fill")
    filled = "Note: Prepared from prices.csv: filled 2 of 360 rows and 0 cells"
    jumped = "Note: Returns of 50% or more in one period"
    assert filled in told
    assert jumped in told
    _, _, module, *arguments = shlex.split(command.removeprefix("Next: "))
    done = forked(module, *arguments, *QUICK, "seed=1", "hydra.run.dir=again")
    assert filled in done.stdout
    assert jumped in done.stdout
    before, _, _ = done.stdout.partition("] - Training ")
    assert "filled 2 of 360 rows" in before


@pytest.mark.slow
def test_a_file_that_nothing_can_be_trained_on_says_why(forked: Command, tmp_path: Path) -> None:
    raw_panel(24, 2).to_csv(tmp_path / "prices.csv", index=False)
    told = forked("finai_rl.prepare", *SETTINGS, "indicators=[]").stdout
    assert "A training on it would be refused as it stands" in told
    assert "3 dates are too few" in told
    assert "Next: " not in told

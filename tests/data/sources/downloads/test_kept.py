"""What is kept of a download: once, whole, under a name of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.sources.downloads.bars import PRICES, long_table
from finai_rl.data.sources.downloads.kept import downloaded
from finai_rl.data.sources.downloads.request import Request, Service
from finai_rl.errors import DataError

ASKED = Request(("AAA",), "2020-01-01", "2020-12-31", "1d", (("service", "mine"),))


@dataclass
class Prices:
    """A service's download: the same bars on whatever dates there are."""

    dates: pd.DatetimeIndex
    asked: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> pd.DataFrame:
        self.asked.append(request)
        cells = np.full((len(self.dates), len(PRICES)), 10.0)
        return long_table(
            {ticker: pd.DataFrame(cells, self.dates, PRICES) for ticker in request.tickers},
            daily=True,
        )


def kept(folder: Path, dates: pd.DatetimeIndex, request: Request = ASKED) -> tuple[Path, Prices]:
    prices = Prices(dates)
    return downloaded(Service("mine", "Mine", prices, ()), request, folder), prices


def test_a_request_is_downloaded_once(tmp_path: Path) -> None:
    days = pd.bdate_range("2020-01-02", "2020-12-30")
    file, first = kept(tmp_path, days)
    again, second = kept(tmp_path, days)
    assert (file, len(first.asked), len(second.asked)) == (again, 1, 0)
    assert json.loads(file.with_suffix(".json").read_text())["request"]["service"] == "mine"
    assert len(pd.read_csv(file)) == len(days)


@pytest.mark.parametrize(
    ("dates", "said"),
    [
        (pd.bdate_range("2020-01-13", "2020-12-31"), "before 2020-01-13.*data.start=2020-01-13$"),
        (pd.bdate_range("2020-01-01", "2020-12-18"), "after 2020-12-18.*set data.end=2020-12-18$"),
        (pd.date_range("2020-04-01", "2020-12-31", freq="MS"), "data.start=2020-04-01"),
    ],
)
def test_a_part_of_the_dates_is_not_kept(
    dates: pd.DatetimeIndex, said: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=said):
        kept(tmp_path / "prices", dates)
    assert not (tmp_path / "prices").exists()


def test_long_bars_may_begin_and_end_as_far_apart_as_they_are_long(tmp_path: Path) -> None:
    months = pd.date_range("2020-02-01", "2020-12-01", freq="MS")
    assert kept(tmp_path, months)[0].is_file()


def test_another_request_has_another_name() -> None:
    others = [
        replace(ASKED, tickers=("AAB",)),
        replace(ASKED, end="2020-12-30"),
        replace(ASKED, interval="1h"),
        replace(ASKED, of=(("service", "yours"),)),
    ]
    assert len({ASKED.key, *(other.key for other in others)}) == 5


@pytest.mark.parametrize("ticker", ["BTC/USDT", "../up", "ETH/USDT:USDT", "a\\b"])
def test_a_ticker_leads_to_no_other_folder(ticker: str, tmp_path: Path) -> None:
    days = pd.bdate_range("2020-01-01", "2020-12-31")
    file, _ = kept(tmp_path, days, replace(ASKED, tickers=(ticker,)))
    assert file.resolve().parent == tmp_path.resolve()
    assert ":" not in file.name


def test_what_another_process_was_quicker_to_keep_stays(tmp_path: Path) -> None:
    days = pd.bdate_range("2020-01-02", "2020-12-30")

    def slow(request: Request) -> pd.DataFrame:
        kept(tmp_path, days)
        return Prices(days[:-1])(request)

    file = downloaded(Service("mine", "Mine", slow, ()), ASKED, tmp_path)
    assert len(pd.read_csv(file)) == len(days)
    again, prices = kept(tmp_path, days)
    assert (again, prices.asked) == (file, [])


def test_a_download_that_was_broken_off_is_made_again(tmp_path: Path) -> None:
    days = pd.bdate_range("2020-01-02", "2020-12-30")
    file, _ = kept(tmp_path, days)
    content = file.read_text()
    file.unlink()
    assert kept(tmp_path, days)[0].read_text() == content
    file.with_suffix(".json").write_text("")
    with pytest.raises(DataError, match=r"cannot be read .*delete it and .*json to get it again"):
        kept(tmp_path, days)

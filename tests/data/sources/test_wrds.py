"""Daily prices of CRSP: the queries run on a small database with WRDS's tables."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from finai_rl.data.market import MarketData
from finai_rl.data.sources.downloads import crsp
from finai_rl.data.sources.wrds import load_wrds
from finai_rl.errors import DataError, InputError

pytest.importorskip("psycopg")

DAYS = pd.bdate_range("2018-01-02", "2019-06-28")
START, END = "2018-01-02", "2019-06-28"
SPLIT, DIVIDEND, GONE = 100, 200, 250
APPLE, META, DEAD, CLASS_A, CLASS_B = 14593, 13407, 10001, 17778, 83443
FOREVER = dt.date(2030, 12, 31)
PASSWORD = "a-password-of-the-test"


def stock(permno: int, seed: int, days: pd.DatetimeIndex = DAYS) -> pd.DataFrame:
    """Rows of ``crsp.dsf_v2``; Apple with a split into four and a dividend of 2."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.01, len(days))
    number = np.arange(len(days))
    is_apple = permno == APPLE
    shares = np.where((number < SPLIT) & is_apple, 4.0, 1.0)
    whole = 100 * np.cumprod(1 + returns)
    price = whole * shares
    price -= np.where((number >= DIVIDEND) & is_apple, 2.0, 0.0)
    before = np.r_[price[0], price[:-1]] * np.r_[1.0, shares[1:] / shares[:-1]]
    paid = np.where((number == DIVIDEND) & is_apple, 2.0, 0.0)
    return pd.DataFrame(
        {
            "permno": permno,
            "dlycaldt": days.date,
            "dlyopen": price * 0.999,
            "dlyhigh": price * 1.01,
            "dlylow": price * 0.99,
            "dlyprc": price,
            "dlyvol": 1000.0 + number,
            "dlyret": (price + paid) / before - 1,
            "dlycumfacpr": shares,
            "dlycumfacshr": shares,
        }
    )


def named(
    permno: int,
    ticker: str,
    issuer: str,
    *,
    since: str = "1990-01-02",
    until: dt.date = FOREVER,
    share: str = "",
) -> dict[str, Any]:
    """A row of ``crsp.stksecurityinfohist``."""
    days = {"secinfostartdt": dt.date.fromisoformat(since), "secinfoenddt": until}
    return {"permno": permno, "ticker": ticker, "issuernm": issuer, "shareclass": share, **days}


ROWS = [stock(APPLE, 0), stock(META, 1), stock(CLASS_A, 3), stock(CLASS_B, 4)]
ROWS.append(stock(DEAD, 2, DAYS[:GONE]))
TRADED = pd.concat(ROWS)
NAMES = [
    named(APPLE, "AAPL", "APPLE INC"),
    named(META, "FB", "META PLATFORMS INC", until=dt.date(2018, 12, 31)),
    named(META, "META", "META PLATFORMS INC", since="2019-01-01"),
    named(DEAD, "DEAD", "GONE INC", until=dt.date(2018, 12, 17)),
    named(20001, "FB", "FBR CORP", until=dt.date(2001, 1, 1)),
    named(CLASS_A, "BRK", "BERKSHIRE HATHAWAY", share="A"),
    named(CLASS_B, "BRK", "BERKSHIRE HATHAWAY", share="B"),
    named(20002, "NAME", "NEVER TRADED INC"),
]


class Wrds:
    """A database with the tables that are read of WRDS, in the place of its server."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.addresses: list[sa.URL] = []
        self.failure: Exception | None = None
        with self.engine().begin() as connection:
            crsp.PRICES.metadata.create_all(connection)
            connection.execute(sa.insert(crsp.PRICES), TRADED.to_dict("records"))
            # The day after the last one of trading has a return and no price.
            gone = {"permno": DEAD, "dlycaldt": DAYS[GONE].date(), "dlyret": -0.5}
            connection.execute(sa.insert(crsp.PRICES), [gone])
            connection.execute(sa.insert(crsp.NAMES), NAMES)

    def engine(self) -> sa.Engine:
        engine = MAKE("sqlite://")
        sa.event.listen(
            engine, "connect", lambda raw, _: raw.execute(f"attach '{self.file}' as crsp")
        )
        return engine

    def __call__(self, address: sa.URL) -> sa.Engine:
        self.addresses.append(address)
        engine = self.engine()
        if self.failure is not None:
            failure = self.failure

            def fails(*_: Any) -> None:
                raise failure

            sa.event.listen(engine, "do_connect", fails)
        return engine


MAKE = sa.create_engine


@pytest.fixture(autouse=True)
def wrds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wrds:
    monkeypatch.setenv("WRDS_USERNAME", "bob")
    monkeypatch.setenv("WRDS_PASSWORD", PASSWORD)
    server = Wrds(tmp_path / "crsp.db")
    monkeypatch.setattr(sa, "create_engine", server)
    return server


def load(folder: Path, **settings: Any) -> MarketData:
    defaults: dict[str, Any] = {"tickers": ["META", "aapl"], "start": START, "end": END}
    defaults |= {"folder": str(folder / "prices"), "risk": None, "indicators": []}
    return load_wrds(**{**defaults, **settings})


def test_prices_are_total_returns_that_end_at_the_price_paid(wrds: Wrds, tmp_path: Path) -> None:
    data = load(tmp_path, benchmark="META")
    assert data.tickers == ("AAPL", "META")
    assert (data.n_days, data.day_names[-1]) == (len(DAYS), END)
    apple = ROWS[0]
    returns = data.close[1:, 0] / data.close[:-1, 0] - 1
    np.testing.assert_allclose(returns, apple["dlyret"][1:], atol=1e-12)
    assert np.abs(returns).max() < 0.06
    assert data.close[-1, 0] == pytest.approx(apple["dlyprc"].iloc[-1])
    np.testing.assert_allclose(data.benchmark, ROWS[1]["dlyprc"])
    assert data.open is not None
    np.testing.assert_allclose(data.open, data.close * 0.999)
    assert data.volume is not None
    np.testing.assert_allclose(data.volume[[0, SPLIT], 0], [4000, 1000 + SPLIT])
    assert any("delisting return" in said for said in data.source.caveats)
    address = wrds.addresses[0]
    assert (address.host, address.username) == (crsp.HOST, "bob")
    assert address.query == {"sslmode": "require"}


def test_a_stock_is_found_by_the_ticker_of_those_days_and_by_its_number(tmp_path: Path) -> None:
    old = load(tmp_path, tickers=["FB"], end="2018-12-31")
    new = load(tmp_path, tickers=["META"])
    number = load(tmp_path, tickers=[str(META)])
    assert (new.n_days, number.n_days) == (len(DAYS), len(DAYS))
    np.testing.assert_allclose(new.close, number.close)
    grown = [close[1 : old.n_days] / close[: old.n_days - 1] for close in (old.close, new.close)]
    np.testing.assert_allclose(*grown)


def test_a_delisted_stock_ends_with_its_last_price(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"tickers": ["AAPL", "DEAD"]}
    with pytest.raises(DataError, match=r"'DEAD'.*data\.on_missing=drop_ticker"):
        load(tmp_path, **asked)
    data = load(tmp_path, **asked, universe="mask")
    assert data.listed is not None
    assert data.listed[:, 1].sum() == GONE


def test_a_second_run_needs_no_network_no_account_and_no_package(
    wrds: Wrds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(tmp_path)
    monkeypatch.delenv("WRDS_USERNAME")
    assert load(tmp_path).source == first.source
    assert len(wrds.addresses) == 1
    with pytest.raises(
        InputError, match=r"data=wrds needs WRDS_USERNAME in the env.*set it with exp"
    ):
        load(tmp_path, end="2019-06-27")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=r"psycopg: pip install 'finai_rl\[wrds\]'"):
        load(tmp_path, end="2019-06-27")
    kept = [file.read_text() for file in (tmp_path / "prices").iterdir()]
    assert not [text for text in kept if PASSWORD in text or "bob" in text]


def test_without_a_password_postgresql_looks_for_it(
    wrds: Wrds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WRDS_PASSWORD")
    load(tmp_path)
    assert wrds.addresses[0].password is None


@pytest.mark.parametrize(
    ("tickers", "said"),
    [
        (["AAPL", "LOST"], "1 of 2 tickers: LOST: no stock had this ticker in these days"),
        (["BRK"], rf"write the number of one: {CLASS_A} \(BERK.* class A.*{CLASS_B} .* class B"),
        (["AAPL", "NAME"], "NAME: CRSP has no prices in these days.*or write PERMNOs"),
        (["99999"], "99999: CRSP has no prices in these days"),
    ],
)
def test_tickers_without_prices_are_named(tickers: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        load(tmp_path, tickers=tickers)
    assert not list(tmp_path.glob("prices/*"))


def test_a_part_of_the_dates_is_refused_with_the_dates_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"CRSP has no prices of AAPL after 2019-06-28.*data\.end="):
        load(tmp_path, tickers=["AAPL"], end="2020-12-31")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ('FATAL:  password authentication failed for user "bob"', "Check WRDS_USERNAME"),
        ('FATAL:  PAM authentication failed for user "bob"', "Check WRDS_USERNAME"),
        ('FATAL:  too many connections for role "bob"', "wait some minutes"),
        ("permission denied for schema crsp_a_stock", "does not include CRSP"),
        ("could not translate host name", "host name.*Try again later"),
    ],
)
def test_a_refusal_is_one_message_with_the_next_step(
    failure: str, said: str, wrds: Wrds, tmp_path: Path
) -> None:
    wrds.failure = sa.exc.OperationalError("connect", {}, Exception(f"{failure}\nmore lines"))
    with pytest.raises(DataError, match=said) as refusal:
        load(tmp_path)
    assert PASSWORD not in str(refusal.value)
    assert "more lines" not in str(refusal.value)


def test_the_query_is_one_for_postgresql() -> None:
    query = sa.select(crsp.PRICES).where(crsp.PRICES.c.permno.in_([APPLE]))
    said = str(query.compile(dialect=postgresql.dialect()))
    assert "FROM crsp.dsf_v2" in said
    assert "crsp.dsf_v2.dlycumfacshr" in said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tickers": "AAPL"}, r"write \[AAPL\]"),
        ({"start": "2019"}, "not a full ISO date"),
        ({"end": "2999-01-01"}, "is not over"),
    ],
)
def test_a_request_that_cannot_be(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        load(tmp_path, **settings)

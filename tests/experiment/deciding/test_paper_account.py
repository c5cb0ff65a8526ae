"""A stock that is held and has no row on the newest day: late, or delisted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.listings.unlisted import with_absent
from finai_rl.data.market import MarketData
from finai_rl.errors import ConfigError
from finai_rl.experiment.deciding import paper_account
from finai_rl.experiment.deciding.ledger import LEDGER_FILE
from finai_rl.experiment.deciding.orders import DECISION_FILE, ORDERS_FILE, RECORDED
from finai_rl.experiment.deciding.paper_account import PaperAccount, Terms
from tests.markets import generated_market

MARKET = generated_market(n_days=20, n_stocks=3)
HELD = np.array([0.0, 5.0, 1.0])
OPENED = Terms("ab12", MARKET.day_names[10])
LINE = {"run_id": "ab12"}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PaperAccount:
    """Holds two of three stocks, and decides nothing."""

    def decide(*agent: Any, **_: Any) -> Any:
        market: MarketData = agent[3]
        return SimpleNamespace(day=market.day_names[-1])

    def as_record(decision: Any) -> dict[str, Any]:
        by_ticker = dict.fromkeys(MARKET.tickers, 2.0)
        record = dict.fromkeys(RECORDED, 0.0) | {"day": decision.day, "account_value": 1.0}
        return record | dict.fromkeys(("orders", "price", "held", "after", "weights"), by_ticker)

    def held(*agent: Any) -> list[Any]:
        market, first = agent[3:]
        return [SimpleNamespace(shares=HELD, cash=0.0)] * (market.n_days - first)

    monkeypatch.setattr(paper_account, "decide", decide)
    monkeypatch.setattr(paper_account, "as_record", as_record)
    monkeypatch.setattr(paper_account, "replayed_holdings", held)
    monkeypatch.setattr(PaperAccount, "_check", lambda *_: None)
    return PaperAccount(tmp_path, *(None,) * 3)  # type: ignore[arg-type]


def without(stock: int, first: int, until: int) -> MarketData:
    listed = np.ones(MARKET.close.shape, dtype=np.bool_)
    listed[first:, stock] = False
    return replace(MARKET, listed=listed).slice_days(0, until)


def entered(account: PaperAccount) -> list[int]:
    return [MARKET.day_names.index(line["day"]) for line in account.ledger.lines]


def test_a_day_waits_for_the_row_of_what_is_held(
    account: PaperAccount, caplog: pytest.LogCaptureFixture
) -> None:
    account.enter(without(1, 15, 16), 10, LINE, OPENED)
    assert entered(account) == [10, 11, 12, 13, 14]
    assert f"{MARKET.day_names[15]} is not entered yet: the account holds S01" in caplog.text
    account.enter(MARKET.slice_days(0, 16), 10, LINE, OPENED)
    assert entered(account)[-1] == 15


def test_a_row_that_was_filled_is_waited_for(
    account: PaperAccount, caplog: pytest.LogCaptureFixture
) -> None:
    source = replace(MARKET.source, repaired={"filled_rows": 1})
    close = MARKET.close.copy()
    close[15, 1] = close[14, 1]
    filled = replace(MARKET, close=close, source=source).slice_days(0, 16)
    account.enter(filled, 10, LINE, OPENED)
    assert entered(account)[-1] == 14
    assert "the account holds S01, and the day, the newest one, has no price of it" in caplog.text
    account.enter(replace(MARKET, source=source).slice_days(0, 16), 10, LINE, OPENED)
    assert entered(account)[-1] == 15


def test_what_stands_for_a_stock_that_is_not_listed_is_no_price_of_the_books() -> None:
    tickers = [*MARKET.tickers, "GONE"]
    never = with_absent(MARKET, tickers)
    assert never.listed is not None
    close, listed = never.close.copy(), never.listed.copy()
    close[:, 3], listed[:5, 3] = 57.3, True
    once = replace(never, close=close, listed=listed)
    for one, other in ((never, once), (once, never), (once, once)):
        entered = dict(zip(tickers, one.close[12].tolist(), strict=True))
        assert paper_account._same_prices(entered, other, 12)
        for ticker in MARKET.tickers:
            moved = entered | {ticker: entered[ticker] + 0.01}
            assert not paper_account._same_prices(moved, other, 12)
    entered = dict(zip(tickers, once.close[4].tolist(), strict=True))
    assert paper_account._same_prices(entered, once, 4)
    assert not paper_account._same_prices(entered | {"GONE": 57.0}, once, 4)
    assert not paper_account._same_prices(entered | {"GONE": 57.0}, once, 12)
    assert not paper_account._same_prices({"GONE": 57.3}, once, 12)


def test_the_next_day_shows_that_it_was_delisted(account: PaperAccount) -> None:
    account.enter(without(1, 15, 17), 10, LINE, OPENED)
    assert entered(account) == [10, 11, 12, 13, 14, 15, 16]


def test_what_is_not_held_is_not_waited_for(account: PaperAccount) -> None:
    account.enter(without(0, 15, 16), 10, LINE, OPENED)
    assert entered(account)[-1] == 15


def test_how_far_the_books_have_come_is_kept_beside_them(
    account: PaperAccount, tmp_path: Path
) -> None:
    account.enter(MARKET.slice_days(0, 12), 10, LINE, OPENED)
    terms = Terms.of(tmp_path)
    assert terms is not None
    assert (terms.lines, terms.last_hash) == (2, account.ledger.last_hash)
    assert (tmp_path / LEDGER_FILE).read_text().count("\n") == 2


def test_orders_of_a_call_that_was_broken_off_are_written_by_the_next(
    account: PaperAccount, tmp_path: Path
) -> None:
    account.enter(MARKET.slice_days(0, 12), 10, LINE, OPENED)
    account.save_orders({"model": "mine"})
    account.enter(MARKET.slice_days(0, 13), 10, LINE, OPENED)  # Broken off before its orders.
    assert account.enter(MARKET.slice_days(0, 13), 10, LINE, OPENED) == []
    account.save_orders({"model": "mine"})
    orders = pd.read_csv(tmp_path / ORDERS_FILE)
    whole = json.loads((tmp_path / DECISION_FILE).read_text())
    assert set(orders["date"]) == {MARKET.day_names[12]} == {whole["day"]}
    assert orders["value"].tolist() == [4.0] * 3
    assert whole["model"] == "mine"
    assert "hash" not in whole


def test_books_that_another_agent_was_quicker_to_open_are_refused(
    account: PaperAccount, tmp_path: Path
) -> None:
    Terms("cd34", MARKET.day_names[10]).open(tmp_path)
    with pytest.raises(ConfigError, match=r"account of run cd34 from .*, this is run ab12"):
        account.enter(MARKET.slice_days(0, 12), 10, LINE, OPENED)
    assert account.ledger.lines == []
    known = Terms.of(tmp_path)
    assert known is not None
    assert known.run_id == "cd34"

"""A paper account: what the newest day lacks, and what stays beside the books."""

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
from finai_rl.errors import ConfigError, DataError
from finai_rl.experiment.deciding import paper_account
from finai_rl.experiment.deciding.consistency import _same_prices
from finai_rl.experiment.deciding.ledger import LEDGER_FILE
from finai_rl.experiment.deciding.orders import DECISION_FILE, ORDERS_FILE, RECORDED
from finai_rl.experiment.deciding.paper_account import PaperAccount, Terms
from tests.markets import generated_market

MARKET = generated_market(n_days=20, n_stocks=3)
OPENED = Terms("ab12", MARKET.day_names[10])
LINE = {"run_id": "ab12"}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PaperAccount:
    """Decides nothing."""

    def decide(*agent: Any, **_: Any) -> Any:
        market: MarketData = agent[3]
        return SimpleNamespace(day=market.day_names[-1])

    def as_record(decision: Any) -> dict[str, Any]:
        by_ticker = dict.fromkeys(MARKET.tickers, 2.0)
        record = dict.fromkeys(RECORDED, 0.0) | {"day": decision.day, "account_value": 1.0}
        return record | dict.fromkeys(("orders", "price", "held", "after", "weights"), by_ticker)

    monkeypatch.setattr(paper_account, "decide", decide)
    monkeypatch.setattr(paper_account, "as_record", as_record)
    monkeypatch.setattr(paper_account, "check_books", lambda *_: None)
    return PaperAccount(tmp_path, *(None,) * 3)  # type: ignore[arg-type]


def without(stock: int, first: int, until: int) -> MarketData:
    listed = np.ones(MARKET.close.shape, dtype=np.bool_)
    listed[first:, stock] = False
    return replace(MARKET, listed=listed).slice_days(0, until)


def carried_forward(**stale: int) -> MarketData:
    return replace(MARKET, source=replace(MARKET.source, stale=stale)).slice_days(0, 16)


def entered(account: PaperAccount) -> list[int]:
    return [MARKET.day_names.index(line["day"]) for line in account.ledger.lines]


@pytest.mark.parametrize(
    ("incomplete", "name"),
    [(without(1, 15, 16), "S01"), (carried_forward(S01=1), "S01"), (carried_forward(vix=1), "vix")],
    ids=["not listed", "filled", "series"],
)
def test_a_day_waits_for_what_the_day_before_has(
    incomplete: MarketData, name: str, account: PaperAccount
) -> None:
    with pytest.raises(DataError) as refusal:
        account.enter(incomplete, 10, LINE, OPENED)
    assert entered(account) == [10, 11, 12, 13, 14]
    day = MARKET.day_names[15]
    assert f"{day} is not entered yet; 5 days before it are, and nothing is" in str(refusal.value)
    assert f"has no price or value of {name}, which the day before has" in str(refusal.value)
    assert (f"is named by delisted=[{name}]" in str(refusal.value)) == (name != "vix")
    account.enter(MARKET.slice_days(0, 16), 10, LINE, OPENED)
    assert entered(account)[-1] == 15
    # What is in the books already is not waited for.
    assert account.enter(incomplete, 10, LINE, OPENED) == []


def test_the_first_day_waits_too(account: PaperAccount, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not entered yet, and nothing is ordered"):
        account.enter(without(1, 15, 16), 15, LINE, Terms("ab12", MARKET.day_names[15]))
    assert entered(account) == []
    assert not (tmp_path / ORDERS_FILE).exists()


def test_a_stock_that_is_said_to_be_delisted_is_not_waited_for(account: PaperAccount) -> None:
    gone = without(1, 15, 16)
    for wrong in (["S02"], ["S01", "XYZ"]):
        with pytest.raises(ConfigError, match=f"delisted: {wrong[-1]}: the newest day, 2020-01-16"):
            account.enter(gone, 10, LINE, OPENED, wrong)
    account.enter(gone, 10, LINE, OPENED, ["S01"])
    assert entered(account)[-1] == 15


def test_what_has_been_missing_for_longer_is_not_waited_for(account: PaperAccount) -> None:
    account.enter(carried_forward(S01=2, vix=7), 10, LINE, OPENED)
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
        assert _same_prices(entered, other, 12)
        for ticker in MARKET.tickers:
            moved = entered | {ticker: entered[ticker] + 0.01}
            assert not _same_prices(moved, other, 12)
    entered = dict(zip(tickers, once.close[4].tolist(), strict=True))
    assert _same_prices(entered, once, 4)
    assert not _same_prices(entered | {"GONE": 57.0}, once, 4)
    assert not _same_prices(entered | {"GONE": 57.0}, once, 12)
    assert not _same_prices({"GONE": 57.3}, once, 12)


def test_the_next_day_shows_that_it_was_delisted(account: PaperAccount) -> None:
    account.enter(without(1, 15, 17), 10, LINE, OPENED)
    assert entered(account) == [10, 11, 12, 13, 14, 15, 16]


def test_returns_of_days_that_were_decided_later_are_not_live(account: PaperAccount) -> None:
    for n_days, late in ((12, True), (13, False), (15, True)):
        account.enter(MARKET.slice_days(0, n_days), 10, LINE, OPENED)
        assert account.ledger.lines[-1]["late"] is False
        assert account.ledger.lines[-2]["late"] is late
    # Of days 10 to 14, 10 and 13 were decided when later ones were known.
    for place, line in enumerate(account.ledger.lines):
        line["account_value"] = 2.0**place
    assert account.returns().tolist() == [1.0] * 4
    account.ledger.lines[2]["account_value"] = 8.0
    assert account.live_returns().tolist() == [3.0, 0.0]


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

"""A stock of which the newest data has no row is delisted, or missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finai_rl.data.listings.unlisted import with_absent
from finai_rl.data.market import MarketData
from finai_rl.errors import DataError
from finai_rl.experiment.backtests.holdout import Holdout
from finai_rl.experiment.deciding.decision import decide
from finai_rl.experiment.deciding.newest import Newest, newest
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.model_inputs import ModelInputs
from finai_rl.experiment.learning.trained_days import TrainedDays
from tests.agents.test_registry import learned, tiny
from tests.markets import generated_market

GONE = "S01"


def delisted(day: int) -> MarketData:
    """Return 60 days of four stocks, of which S01 is listed until a day."""
    data = generated_market(n_days=60, n_stocks=4)
    listed = np.ones(data.close.shape, dtype=np.bool_)
    listed[day:, 1] = False
    there = listed[:, np.newaxis]
    close = np.where(listed, data.close, data.close[day - 1])
    return replace(
        data,
        close=close,
        open=np.where(listed, data.open, close),
        volume=np.where(listed, data.volume, 1.0),
        features=np.where(there, data.features, 0.0),
        sentiment=np.where(there, data.sentiment, 0.0),
        listed=listed,
    )


def without(data: MarketData, ticker: str) -> MarketData:
    kept = [place for place, name in enumerate(data.tickers) if name != ticker]
    names = ("close", "open", "volume", "features", "sentiment")
    fewer = {name: getattr(data, name)[..., kept] for name in names}
    return replace(data, tickers=tuple(data.tickers[n] for n in kept), listed=None, **fewer)


def found(data: MarketData, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Newest:
    cfg = settings.pop("cfg", tiny("agent=a2c", "data=processed_csv", "data.universe=mask"))
    agent = settings.pop("agent", Any)
    trained = data.slice_days(0, 40)
    inputs = ModelInputs.of(cfg, agent, trained)
    monkeypatch.setattr(
        "finai_rl.experiment.deciding.newest.load_market",
        lambda *_, **__: without(data, GONE).slice_days(35, 60),
    )
    known = TrainedDays.of([trained])
    wanted = {"changes": {}, "day": None, "account_start": None, "rescaled": False, "known": known}
    return newest(cfg, inputs, agent, **wanted | settings)


@pytest.mark.parametrize("observation", ["finrl", "relative"])
def test_a_stock_delisted_before_the_account_begins_is_told_and_orders_are_the_same(
    observation: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = delisted(30)
    cfg = tiny(
        "agent=a2c", "data=processed_csv", "data.universe=mask", f"env.observation={observation}"
    )
    agent, env = learned(cfg, data.slice_days(0, 40), tmp_path)
    there = found(data, monkeypatch, cfg=cfg, agent=agent)
    assert there.market.tickers == data.tickers
    assert f"No row of {data.day_names[59]}: {GONE}." in " ".join(there.notes)
    account = Holdout(Environments(cfg), data.slice_days(40, 60)).run(agent, env, "agent")
    assert account.trades.any()
    for day in (0, 7, 18):
        until = there.market.slice_days(0, there.first + day + 1)
        decision = decide(Environments(cfg), agent, env, until, there.first)
        np.testing.assert_array_equal(decision.orders, account.trades[day])
        assert decision.held.cash == account.cash[day]
        assert decision.orders[1] == 0


def test_a_stock_that_the_account_may_have_held_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = delisted(50)
    days = data.day_names
    with pytest.raises(DataError, match=f"{GONE}: there is no row of it, and it was listed on"):
        found(data, monkeypatch)
    with pytest.raises(DataError, match="has not recorded until when"):
        found(data, monkeypatch, known=None)
    assert found(data, monkeypatch, account_start=days[52]).first == 17
    with pytest.raises(DataError, match="may have held it"):
        found(data, monkeypatch, account_start=days[39])


def test_without_a_mask_it_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = tiny("agent=a2c", "data=processed_csv")
    with pytest.raises(DataError, match=f"tickers: {GONE} is missing here"):
        found(delisted(30), monkeypatch, cfg=cfg)


def test_a_stock_that_is_added_has_nothing_to_show() -> None:
    data = generated_market(n_days=9, n_stocks=2)
    wider = with_absent(data, ["AAA", "S00", "S01"], {data.sentiment_names[0]: 3.0})
    assert wider.tickers == ("AAA", "S00", "S01")
    np.testing.assert_array_equal(wider.close[:, 1:], data.close)
    np.testing.assert_array_equal(wider.features[..., 1:], data.features)
    assert not wider.features[..., 0].any()
    assert wider.sentiment is not None
    assert (wider.sentiment[:, 0, 0] == 3.0).all()
    assert wider.listed is not None
    assert wider.listed.tolist() == [[False, True, True]] * 9

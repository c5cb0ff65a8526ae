"""The newest data is held against what the agent was trained on."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.market import MarketData
from finai_rl.errors import ConfigError, DataError
from finai_rl.experiment.deciding.decision import Position
from finai_rl.experiment.deciding.newest import Newest, _old, newest, unpinned
from finai_rl.experiment.deciding.orders import fractions, read_positions
from finai_rl.experiment.environments import Environments
from finai_rl.experiment.learning.agent import new_agent
from finai_rl.experiment.learning.model_inputs import ModelInputs
from finai_rl.experiment.learning.trained_days import TrainedDays
from finai_rl.experiment.market import load_market
from tests.agents.test_registry import tiny
from tests.markets import generated_market

CFG = tiny("agent=a2c", "data=synthetic", "data.n_days=60", "data.n_stocks=3")
MARKET = load_market(CFG)
AGENT = new_agent(CFG, Environments(CFG).training(MARKET.slice_days(0, 40)))
INPUTS = ModelInputs.of(CFG, AGENT, MARKET.slice_days(0, 40))


def found(inputs: ModelInputs | None = INPUTS, **settings: Any) -> Newest:
    wanted = {"changes": {}, "day": None, "account_start": None, "rescaled": False} | settings
    return newest(CFG, inputs, AGENT, **wanted)


def shown(monkeypatch: pytest.MonkeyPatch, market: MarketData) -> None:
    monkeypatch.setattr("finai_rl.experiment.deciding.newest.load_market", lambda *_, **__: market)


def test_the_account_starts_after_the_days_of_training() -> None:
    data = found()
    assert data.market.n_days == 60
    assert data.first == 40
    (note, *_) = data.notes
    assert note == (
        f"The agent has learned from days until {MARKET.day_names[39]}, 20 periods before this "
        f"decision; its account starts on {MARKET.day_names[40]}."
    )


def test_a_day_and_a_start_can_be_named() -> None:
    data = found(day=MARKET.day_names[50], account_start=MARKET.day_names[45])
    assert (data.market.n_days, data.first) == (51, 45)
    assert (
        "knows what came next"
        in found(day=MARKET.day_names[20], account_start=MARKET.day_names[3]).notes[0]
    )
    assert found(changes={"n_days": 70}).market.n_days == 70


@pytest.mark.parametrize(
    ("inputs", "settings", "said"),
    [
        (replace(INPUTS, tickers=("S00", "S02", "S01")), {}, "tickers: the order is S00, S02, S01"),
        (replace(INPUTS, tickers=("S00", "KO")), {}, "KO is missing here"),
        (replace(INPUTS, features=(*INPUTS.features, "vix")), {}, "vix is missing here"),
        (
            replace(INPUTS, last_close=tuple(2 * x for x in INPUTS.last_close)),
            {},
            r"S00: its close of .* 0\.5 times as much .*rescaled=true",
        ),
    ],
)
def test_another_market_is_refused(
    inputs: ModelInputs, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        found(inputs, **settings)


def test_another_scale_can_be_allowed_and_dividends_are() -> None:
    doubled = replace(INPUTS, last_close=tuple(2 * x for x in INPUTS.last_close))
    assert found(doubled, rescaled=True).first == 40
    assert found(replace(INPUTS, last_close=tuple(1.01 * x for x in INPUTS.last_close)))
    without = replace(INPUTS, trained_until="2010-01-02")
    assert any("could not be compared" in note for note in found(without).notes)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"day": "2011-13-01"}, "day: the data .* has no day 2011-13-01"),
        ({"account_start": "1999-01-01"}, "account_start: .* no day 1999-01-01; the next one"),
        ({"day": MARKET.day_names[30]}, "has learned from days until .* newer data"),
    ],
)
def test_a_day_that_is_not_there_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        found(**settings)


def test_days_of_training_that_are_others_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    known = TrainedDays.of([MARKET.slice_days(0, 40)])
    assert "equal to the last bit" in " ".join(found(known=known).notes)
    close = MARKET.close.copy()
    close[10, 1] *= 1.3
    shown(monkeypatch, replace(MARKET, close=close))
    with pytest.raises(DataError, match=rf"first on {MARKET.day_names[10]} \(S01: "):
        found(known=known)
    assert "Allowed by rescaled=true: close" in " ".join(found(known=known, rescaled=True).notes)


def test_an_account_starts_where_the_backtest_did_beyond_a_purged_gap() -> None:
    blocks = MARKET.slice_days(0, 40), MARKET.slice_days(46, 55)
    known = TrainedDays.of(blocks)
    assert found(known=known).first == 46
    assert found(known=known, account_start=MARKET.day_names[42]).first == 42
    # Where the first days of validation are not on record, it is not known where it began.
    assert found(known=TrainedDays.of(blocks[1:])).first == 40


@pytest.mark.parametrize(
    ("overrides", "refused"),
    [
        (["env=portfolio"], True),
        (["env.observation=relative"], True),
        (["env.impact=1.0"], True),
        ([], False),
    ],
    ids=str,
)
def test_data_that_looks_back_on_fewer_days_than_the_backtest_is_refused(
    overrides: list[str], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = tiny("agent=a2c", "data=synthetic", "data.n_days=60", "data.n_stocks=3", *overrides)
    agent = new_agent(cfg, Environments(cfg).training(MARKET.slice_days(0, 40)))
    inputs = ModelInputs.of(cfg, agent, MARKET.slice_days(0, 40))
    inputs = inputs.backtested_on(MARKET.slice_days(40, 50))
    assert inputs.seen_from == MARKET.day_names[0]
    settings: dict[str, Any] = {"changes": {}, "day": None, "account_start": None}
    assert newest(cfg, inputs, agent, rescaled=False, **settings).first == 40
    later = MARKET.slice_days(5, 60)
    shown(monkeypatch, later._with({"past": None}))
    if not refused:
        assert newest(cfg, inputs, agent, rescaled=False, **settings).first == 35
        return
    said = f"begins on {MARKET.day_names[5]}, 35 days before .* looked back to {inputs.seen_from}"
    with pytest.raises(DataError, match=said):
        newest(cfg, inputs, agent, rescaled=False, **settings)
    notes = newest(cfg, inputs, agent, rescaled=True, **settings).notes
    assert "Allowed by rescaled=true: begins on" in " ".join(notes)
    # As many days as observations ever look back on are enough.
    monkeypatch.setattr("finai_rl.experiment.deciding.newest.LOOK_BACK", 35)
    assert newest(cfg, inputs, agent, rescaled=False, **settings).first == 35


@pytest.mark.parametrize(("day", "refused"), [(59, True), (57, True), (50, False), (30, False)])
def test_a_price_that_has_just_jumped_as_after_a_split_is_refused(
    day: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = MARKET.close.copy()
    close[day:, 2] /= 4
    # One day's volume is no witness: here it is lower after the split.
    volume = np.ones(close.shape) * 1000.0
    volume[day:, 2] *= 0.9
    shown(monkeypatch, replace(MARKET, close=close, open=close, volume=volume))
    settings = {"day": None, "account_start": MARKET.day_names[59]}
    if day < 40:
        settings["rescaled"] = True
    if not refused:
        assert found(**settings).market.n_days == 60
        return
    told = f"S02: its close of {MARKET.day_names[day]} is .* as after a split of 4 for 1"
    with pytest.raises(DataError, match=told):
        found(**settings)
    assert re.search(told, " ".join(found(**settings, rescaled=True).notes))


def test_another_file_is_not_held_to_the_version_of_the_runs() -> None:
    cfg = tiny("agent=a2c", "data=processed_csv", "data.sha256=0123456789ab")
    assert unpinned(cfg, {"path": "new.csv"}) == {"path": "new.csv", "sha256": None}
    assert unpinned(cfg, {"path": "new.csv", "sha256": "ab"})["sha256"] == "ab"
    assert unpinned(cfg, {}) == {}


def test_a_run_that_has_recorded_nothing_is_told_of() -> None:
    assert "has not recorded" in found(None).notes[0]


def test_positions_are_read_and_every_problem_is_listed(tmp_path: Path) -> None:
    file = tmp_path / "held.csv"
    pd.DataFrame({"Ticker": ["JPM", "AAPL"], "shares": [3, 2.5]}).to_csv(file, index=False)
    position = read_positions(str(file), 10.0, ("AAPL", "JPM", "KO"))
    assert position.cash == 10.0
    np.testing.assert_array_equal(position.shares, [2.5, 3.0, 0.0])
    with pytest.raises(ConfigError, match="cash: must be given"):
        read_positions(str(file), None, ("AAPL", "JPM"))
    file.write_text("tic,shares\nAAPL,1\nAAPL,2\nXOM,x\n")
    with pytest.raises(DataError) as refusal:
        read_positions(str(file), 0.0, ("AAPL",))
    for said in ("'XOM' is no stock", "'AAPL' is there twice", "shares of 'XOM' are no number"):
        assert said in str(refusal.value)
    file.write_text("tic,shares\nAAPL,-1\nXOM,x\n")
    with pytest.raises(DataError) as refusal:
        read_positions(str(file), 0.0, ("AAPL",))
    for said in ("shares of 'AAPL' are sold short, which this agent cannot", "'XOM' is no stock"):
        assert said in str(refusal.value)
    file.write_text("tic,shares\nAAPL,-1\n")
    assert read_positions(str(file), -5.0, ("AAPL",), may_short=True).shares[0] == -1.0
    with pytest.raises(ConfigError, match="cash: -5 is owed"):
        read_positions(str(file), -5.0, ("AAPL",))
    file.write_text("tic,quantity\nAAPL,1\n")
    with pytest.raises(DataError, match="'shares'"):
        read_positions(str(file), 0.0, ("AAPL",))


@pytest.mark.parametrize(
    ("shares", "held"),
    [
        (["1.000", "2,5"], [1000.0, 2.5]),
        (["1.000", "2.25"], [1.0, 2.25]),
        (["1000", "2"], [1000.0, 2.0]),
        (["1.000", "2"], None),
        (["-1.000", "2.500"], None),
    ],
    ids=str,
)
def test_shares_that_may_be_thousands_or_decimals_are_refused(
    shares: list[str], held: list[float] | None, tmp_path: Path
) -> None:
    file = tmp_path / "held.csv"
    rows = zip(("AAPL", "JPM"), shares, strict=True)
    file.write_text("tic;shares\n" + "".join(f"{tic};{text}\n" for tic, text in rows))
    if held is not None:
        assert read_positions(str(file), 1.0, ("AAPL", "JPM")).shares.tolist() == held
        return
    with pytest.raises(DataError, match=r"are written -?1\.000, which may be -?1 or -?1000: write"):
        read_positions(str(file), 1.0, ("AAPL", "JPM"), may_short=True)
    file.write_text(file.read_text().replace(";", ","))
    assert read_positions(str(file), 1.0, ("AAPL", "JPM"), may_short=True).shares[1] in (2, 2.5)


@pytest.mark.parametrize("name", ["held.csv", "held.parquet"])
def test_no_row_of_positions_is_an_account_in_cash(tmp_path: Path, name: str) -> None:
    file = tmp_path / name

    def write(table: pd.DataFrame) -> None:
        if file.suffix == ".csv":
            table.to_csv(file, index=False)
        else:
            table.to_parquet(file, index=False)

    write(pd.DataFrame({"Symbol": [], "shares": []}))
    position = read_positions(str(file), 10.0, ("AAPL", "JPM"))
    assert (position.cash, position.shares.tolist()) == (10.0, [0.0, 0.0])
    write(pd.DataFrame({"Symbol": [], "quantity": []}))
    with pytest.raises(DataError, match="'shares'"):
        read_positions(str(file), 10.0, ("AAPL", "JPM"))


def test_parts_of_shares_are_told_of_an_agent_of_whole_ones() -> None:
    tickers = ("AAPL", "JPM", "KO")
    assert fractions(Position(0.0, np.array([2.0, 0.0, 7.0])), tickers) is None
    said = fractions(Position(0.0, np.array([0.5, 1.25, 7.0])), tickers)
    assert said is not None
    assert "0.5 of AAPL, 1.25 of JPM are held" in said


def test_what_has_no_row_on_the_day_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = np.ones((60, 3), dtype=np.bool_)
    listed[55:, 1] = False
    market = replace(MARKET, listed=listed)
    shown(monkeypatch, market)
    assert f"No row of {MARKET.day_names[59]}: {MARKET.tickers[1]}." in " ".join(found().notes)
    assert "No row of" not in " ".join(found(day=MARKET.day_names[54]).notes)


def test_data_that_ends_days_ago_is_told() -> None:
    market = generated_market(n_days=60, n_stocks=3)
    last = market.dates[-1].astype("datetime64[D]")

    def said(later: int) -> list[str]:
        return list(_old(market, (last + np.timedelta64(later, "D")).item()))

    assert [said(later) for later in (-1, 0, 5)] == [[], [], []]
    assert said(-261) == [
        f"The data ends on {last}, 261 days after today: is that day written right?"
    ]
    assert said(1000) == [
        f"The data ends on {last}, 1,000 days before today: is it the newest there is?"
    ]

"""When news is seen: held against a loop over items and cells, and against news from the future."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finai_rl.data.sentiment.join import join_scores

UTC = ZoneInfo("UTC")
ZONES = ("America/New_York", "Asia/Tokyo", "Pacific/Auckland", "Pacific/Honolulu", "UTC")
SPANS = (date(2020, 3, 2), date(2020, 10, 26), date(2020, 12, 28))
"""Four weeks each: clocks go forward, back, and a turn of the year with holidays."""

Item = tuple[str, datetime | date, float]
property_test = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def decided(day: date, clock: time, zone: str) -> datetime:
    return datetime.combine(day, clock, ZoneInfo(zone)).astimezone(UTC)


def known_at(stated: datetime | date, zone: str) -> datetime:
    if isinstance(stated, datetime):
        return stated.astimezone(UTC)
    return datetime.combine(stated + timedelta(days=1), time(0), ZoneInfo(zone)).astimezone(UTC)


def oracle(
    cells: list[tuple[str, datetime]], items: list[Item], zone: str, options: dict[str, Any]
) -> list[float]:
    """Loop over cells, periods and items; nothing is shared with the code under test."""
    gather = {
        "mean": lambda found: sum(found) / len(found),
        "last": lambda found: found[-1],
        "sum": sum,
        "max": max,
        "min": min,
        "count": len,
    }[options["aggregate"]]
    half_life, max_age = options["half_life"], options["max_age"]
    carry = max_age if max_age is not None else (math.inf if half_life else 0)
    shown = []
    for ticker, now in cells:
        moments = sorted(moment for other, moment in cells if other == ticker and moment <= now)
        value = math.nan
        for age, end in enumerate(reversed(moments)):
            earlier = [moment for moment in moments if moment < end]
            begin = max(earlier) if earlier else end - timedelta(days=1)
            inside = [
                (known_at(stated, zone), place, score)
                for place, (about, stated, score) in enumerate(items)
                if about == ticker and begin <= known_at(stated, zone) < end
            ]
            if inside and age <= carry:
                fading = 0.5 ** (age / half_life) if half_life else 1.0
                value = gather([score for *_, score in sorted(inside)]) * fading
            if inside or age >= carry:
                break
        shown.append(value)
    return shown


@st.composite
def worlds(draw: st.DrawFn) -> tuple[pd.DataFrame, list[Item], str, dict[str, Any]]:
    start = draw(st.sampled_from(SPANS))
    zone, item_zone = draw(st.sampled_from(ZONES)), draw(st.sampled_from(ZONES))
    clock = draw(st.sampled_from([time(16), time(9, 30), time(0), time(23, 59, 59)]))
    open_days = draw(st.sets(st.integers(0, 27), min_size=2, max_size=12))
    cells = {
        (ticker, start + timedelta(days=day))
        for ticker in draw(st.sampled_from(["A", "AB"]))
        for day in draw(st.sets(st.sampled_from(sorted(open_days)), min_size=1))
    }
    rows = pd.DataFrame(sorted(cells, key=lambda cell: cell[::-1]), columns=["tic", "date"])
    rows["date"] = pd.to_datetime(rows["date"])
    near = [
        decided(day, clock, zone) + timedelta(seconds=offset)
        for _, day in sorted(cells)
        for offset in (-86401, -86400, -1, 0, 1)
    ]
    times = st.one_of(
        st.sampled_from(near),
        st.integers(-3, 30).map(lambda day: start + timedelta(days=day)),
        st.datetimes(
            datetime.combine(start, time(0)) - timedelta(days=3),
            datetime.combine(start, time(0)) + timedelta(days=30),
        ).map(lambda moment: moment.replace(tzinfo=UTC)),
        st.integers(-3, 30).map(
            lambda day: datetime.combine(
                start + timedelta(days=day), time(23, 59, 59), ZoneInfo(item_zone)
            )
        ),
    )
    item = st.tuples(st.sampled_from("ABC"), times, st.integers(-5, 5).map(float))
    items = draw(st.lists(item, min_size=1, max_size=12))
    options = {
        "aggregate": draw(st.sampled_from(["mean", "last", "sum", "max", "min", "count"])),
        "half_life": draw(st.sampled_from([None, 0.5, 3.0])),
        "max_age": draw(st.sampled_from([None, 0, 1, 4])),
        "decision_time": f"{clock.isoformat()} {zone}",
        "zone": draw(st.sampled_from([None, item_zone])),
    }
    return rows, items, options["zone"] or zone, options


def write(file: Path, items: list[Item]) -> Path:
    timed = [isinstance(stated, datetime) for _, stated, _ in items]
    pd.DataFrame(
        {
            "tic": [about for about, *_ in items],
            "date": [
                stated.date() if exact else stated
                for exact, (_, stated, _) in zip(timed, items, strict=True)
            ],
            "published_at": [
                stated.isoformat() if exact else ""
                for exact, (_, stated, _) in zip(timed, items, strict=True)
            ],
            "score": [score for *_, score in items],
        }
    ).to_csv(file, index=False)
    return file


ANCHOR = "ANCHOR"
"""A ticker with news on its first day, so that no draw is refused for having none."""


def joined(
    folder: Path, rows: pd.DataFrame, items: list[Item], options: dict[str, Any]
) -> list[float]:
    first = rows["date"].min()
    rows = pd.concat([rows, pd.DataFrame({"tic": [ANCHOR], "date": [first]})])
    at = decided(first.date(), *clock_of(options)) - timedelta(seconds=1)
    file = write(folder / "scores.csv", [*items, (ANCHOR, at, 1.0)])
    found, _ = join_scores(rows, {"path": str(file), **options})
    return found["sentiment"].tolist()[:-1]


def clock_of(options: dict[str, Any]) -> tuple[time, str]:
    clock, zone = options["decision_time"].split()
    return time.fromisoformat(clock), zone


@pytest.mark.slow
@property_test
@given(world=worlds())
def test_cells_are_those_of_a_loop_over_items_and_cells(tmp_path: Path, world: Any) -> None:
    rows, items, zone, options = world
    cells = [
        (ticker, decided(day.date(), *clock_of(options)))
        for ticker, day in zip(rows["tic"], rows["date"], strict=True)
    ]
    expected = oracle(cells, items, zone, options)
    np.testing.assert_allclose(joined(tmp_path, rows, items, options), expected, rtol=1e-12)


@pytest.mark.slow
@property_test
@given(world=worlds(), data=st.data())
def test_what_is_known_at_a_decision_or_later_moves_nothing_up_to_it(
    tmp_path: Path, world: Any, data: st.DataObject
) -> None:
    rows, items, zone, options = world
    day = data.draw(st.sampled_from(sorted(rows["date"])))
    now = decided(day.date(), *clock_of(options))
    later = [place for place, item in enumerate(items) if known_at(item[1], zone) >= now]
    changed: list[Item] = list(items)
    for place in later:
        about, stated, score = items[place]
        changed[place] = data.draw(
            st.sampled_from([(about, stated, score + 1), ("A", now, score), ("B", stated, -9.0)])
        )
    added = data.draw(st.lists(st.integers(0, 10**7), max_size=3))
    changed += [("A", now + timedelta(seconds=seconds), 4.0) for seconds in added]
    past = (rows["date"] <= day).to_numpy()
    before = np.array(joined(tmp_path, rows, items, options))[past]
    after = np.array(joined(tmp_path, rows, changed, options))[past]
    np.testing.assert_array_equal(before, after)


def seen_on(folder: Path, text: str, days: list[str], **options: Any) -> str | None:
    """Return the day on which one item is seen; None for none of them."""
    column = options.pop("column", "published_at")
    rows = pd.DataFrame({"tic": "A", "date": pd.to_datetime(["2019-12-02", *days])})
    file = folder / "scores.csv"
    file.write_text(f"tic,{column},score\nA,2019-12-02T00:00Z,1\nA,{text},2\n")
    found, _ = join_scores(rows, {"path": str(file), **options})
    shown = found.loc[found["sentiment"] == 2, "date"].tolist()
    assert len(shown) <= 1
    return str(shown[0])[:10] if shown else None


WEEK = ["2020-01-15", "2020-01-16", "2020-01-17", "2020-01-21"]
"""Wednesday to Friday, and the Tuesday after a weekend and a holiday."""


@pytest.mark.parametrize(
    ("published", "day"),
    [
        ("2020-01-16T15:59:59-05:00", "2020-01-16"),
        ("2020-01-16T15:59:59.999999999-05:00", "2020-01-16"),
        ("2020-01-16T16:00:00-05:00", "2020-01-17"),
        ("2020-01-16T23:59:59-05:00", "2020-01-17"),
        ("2020-01-17T05:59:59+09:00", "2020-01-16"),
        ("2020-01-17T06:00:00+09:00", "2020-01-17"),
        ("2020-01-17T16:00:00-05:00", "2020-01-21"),
        ("2020-01-18T12:00:00Z", "2020-01-21"),
        ("2020-01-20 09:00:00 UTC", "2020-01-21"),
        ("2020-01-21T21:00:00Z", None),
    ],
)
def test_an_item_waits_for_the_next_decision(
    tmp_path: Path, published: str, day: str | None
) -> None:
    assert seen_on(tmp_path, published, WEEK) == day


@pytest.mark.parametrize(
    ("written", "options", "day"),
    [
        ("2020-01-15", {}, "2020-01-16"),
        ("2020-01-15 00:00:00", {}, "2020-01-16"),
        ("2020-01-15", {"date_only": "before_close"}, "2020-01-15"),
        ("2020-01-17", {}, "2020-01-21"),
        ("2020-01-18", {"date_only": "before_close"}, "2020-01-21"),
        # The 16th is over in Tokyo at ten in the morning of New York, in Honolulu the next day.
        ("2020-01-16", {"zone": "Asia/Tokyo"}, "2020-01-16"),
        ("2020-01-16", {"zone": "Pacific/Honolulu"}, "2020-01-17"),
        ("2020-01-16", {"decision_time": "15:00 Asia/Tokyo"}, "2020-01-17"),
        # A midnight with an offset is a date in that offset, if that one ends later.
        ("2020-01-16 00:00:00 UTC", {"decision_time": "08:00 Asia/Tokyo"}, "2020-01-21"),
        ("2020-01-16 00:00:00 UTC", {"decision_time": "10:00 Asia/Tokyo"}, "2020-01-17"),
        ("2020-01-16 00:00:00+09:00", {}, "2020-01-17"),
    ],
)
def test_a_date_alone_counts_when_it_is_over(
    tmp_path: Path, written: str, options: dict[str, str], day: str
) -> None:
    assert seen_on(tmp_path, written, WEEK, column="date", **options) == day


@pytest.mark.parametrize(
    ("published", "day"),
    [
        ("2020-03-06T20:59:59Z", "2020-03-06"),
        ("2020-03-06T21:00:00Z", "2020-03-09"),
        ("2020-03-09T19:59:59Z", "2020-03-09"),
        ("2020-03-09T20:00:00Z", "2020-03-10"),
        ("2020-10-30T19:59:59Z", "2020-10-30"),
        ("2020-10-30T20:00:00Z", "2020-11-02"),
        ("2020-11-02T20:59:59Z", "2020-11-02"),
        ("2020-11-02T21:00:00Z", "2020-11-03"),
    ],
)
def test_decisions_move_with_the_clocks(tmp_path: Path, published: str, day: str) -> None:
    days = ["2020-03-06", "2020-03-09", "2020-03-10", "2020-10-30", "2020-11-02", "2020-11-03"]
    assert seen_on(tmp_path, published, days) == day


def test_an_hour_that_comes_twice_counts_as_the_later(tmp_path: Path) -> None:
    # 01:30 in New York is 05:30 or 06:30 UTC on that night; 02:30 never comes in March.
    options = {"zone": "America/New_York", "decision_time": "06:00 UTC"}
    days = ["2020-03-08", "2020-03-09", "2020-11-01", "2020-11-02"]
    assert seen_on(tmp_path, "2020-11-01 01:30", days, **options) == "2020-11-02"
    assert seen_on(tmp_path, "2020-11-01 00:30", days, **options) == "2020-11-01"
    assert seen_on(tmp_path, "2020-03-08 02:30", days, **options) == "2020-03-09"


@pytest.mark.parametrize(
    ("published", "bar"),
    [
        ("2020-01-16T15:29:59Z", "15:30"),
        ("2020-01-16T15:30:00Z", "16:30"),
        ("2020-01-15T23:00:00Z", "14:30"),
    ],
)
def test_intraday_bars_are_decided_at_their_own_time(
    tmp_path: Path, published: str, bar: str
) -> None:
    clocks = ["14:30", "15:30", "16:30"]
    rows = pd.DataFrame({"tic": "A", "date": pd.to_datetime([f"2020-01-16 {c}" for c in clocks])})
    file = tmp_path / "scores.csv"
    file.write_text(f"tic,published_at,score\nA,{published},2\n")
    found, _ = join_scores(rows, {"path": str(file), "bar_zone": "UTC"})
    assert found["sentiment"].notna().tolist() == [clock == bar for clock in clocks]

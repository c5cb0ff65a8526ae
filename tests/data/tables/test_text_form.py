"""The form of a text file: found, told, and as strict with any separator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from finai_rl.data.preparation.raw_prices import load_raw_prices
from finai_rl.data.sources.processed_csv import load_processed_csv
from finai_rl.data.tables.dates import likely_formats, read_dates
from finai_rl.data.tables.layout import Layout
from finai_rl.data.tables.table import open_table
from finai_rl.errors import DataError, InputError
from tests.data.raw_panels import raw_panel

ROWS = ["date,tic,close", "2020-01-02,A,1.5", "2020-01-02,B,2.5"]


def written(folder: Path, lines: list[str], separator: str = ",", **how: str) -> Path:
    file = folder / "prices.csv"
    text = "".join(f"{line}\n" for line in lines).replace(",", separator)
    file.write_text(text, newline="", **how)  # type: ignore[arg-type]
    return file


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_damage_is_found_with_any_separator(separator: str, tmp_path: Path) -> None:
    lines = [*ROWS, "2020-01-03,A", '2020-01-03,"B,3', "2020-01-03,C,1,2", '2020-01-03,"D,D",4']
    file = written(tmp_path, lines, separator)
    with pytest.raises(DataError) as refusal:
        open_table(file)
    said = str(refusal.value)
    assert "2 lines without the 3 fields of the header: line 4 (2 fields), line 6 (4" in said
    assert "1 line with a quote that is not closed: line 5" in said
    whole = written(tmp_path, [*ROWS, '2020-01-03,"D,D",4'], separator)
    assert open_table(whole).rows["tic"].tolist() == ["A", "B", f"D{separator}D"]


@pytest.mark.parametrize("separator", ["~", "^", " ", "tab"])
def test_a_form_can_be_told(separator: str, tmp_path: Path) -> None:
    layout = Layout(separator=separator, decimal=",")
    lines = ["date,tic,close", "2020-01-02,A,1.234", "2020-01-02,B,2.345"]
    file = written(tmp_path, lines, layout.separator_character or "")
    assert open_table(file, layout).rows["close"].tolist() == [1234.0, 2345.0]
    point = open_table(file, Layout(separator=separator))
    assert point.rows["close"].tolist() == [1.234, 2.345]


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["1,5", "1.234,25"], [1.5, 1234.25]),
        (["1 234,5", "2,0"], [1234.5, 2.0]),
        (["1,234.5", "9.5"], [1234.5, 9.5]),
        (["$1.5", "$1,000"], None),
        (["1,234", "2,345"], None),  # thousands or decimals
        (["1,5", "12.34"], None),  # both signs of decimals
        (["1,5", "1,23,4"], None),
    ],
)
def test_decimals_are_read_where_they_cannot_be_meant_otherwise(
    cells: list[str], read: list[float] | None, tmp_path: Path
) -> None:
    lines = ["date;close", *(f"2020-01-0{n + 2};{cell}" for n, cell in enumerate(cells))]
    file = tmp_path / "A.csv"
    file.write_text("\n".join([*lines, ""]))
    how: dict[str, Any] = {"adjust": "auto", "on_missing": "error"}
    if read is None:
        with pytest.raises(DataError, match="where a finite number is needed"):
            load_raw_prices(str(file), **how)
    else:
        assert load_raw_prices(str(file), **how).rows["close"].tolist() == read


def test_a_comma_that_may_be_either_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "A.csv").write_text("date;close\n2020-01-02;1,234\n2020-01-03;2,345\n")
    how: dict[str, Any] = {"path": str(tmp_path / "A.csv"), "adjust": "auto", "on_missing": "error"}
    with pytest.raises(DataError, match=r'raw\.decimal=","\'? or .?raw\.decimal="?\.'):
        load_raw_prices(**how)
    read = {sign: load_raw_prices(**how, layout=Layout(decimal=sign)).rows["close"].tolist()
            for sign in (",", ".")}  # fmt: skip
    assert read == {",": [1.234, 2.345], ".": [1234.0, 2345.0]}


def test_two_names_for_one_column_are_asked_for(tmp_path: Path) -> None:
    rows = raw_panel(5).rename(columns={"tic": "asset"}).assign(instrument="share")
    rows.to_csv(tmp_path / "prices.csv", index=False)
    how: dict[str, Any] = {"adjust": "auto", "on_missing": "error"}
    with pytest.raises(DataError, match=r"'asset' and 'instrument' could each be 'tic'.*raw\.col"):
        load_raw_prices(str(tmp_path / "prices.csv"), **how)
    told = Layout(columns={"tic": "asset"})
    read = load_raw_prices(str(tmp_path / "prices.csv"), **how, layout=told)
    assert sorted(read.rows["tic"].unique()) == ["T0", "T1", "T2"]


def test_a_name_of_a_company_beside_a_ticker_stays_what_it_is(tmp_path: Path) -> None:
    raw_panel(5).assign(Name="Apple Inc.").to_csv(tmp_path / "prices.csv", index=False)
    assert set(open_table(tmp_path / "prices.csv").rows["tic"]) == {"T0", "T1", "T2"}


@pytest.mark.parametrize(
    ("dates", "formats"),
    [
        (["31.12.2020", "04.01.2021"], ["%d.%m.%Y"]),
        (["12/31/2020", "01/04/2021"], ["%m/%d/%Y"]),
        (["03/04/2020", "04/05/2020"], ["%d/%m/%Y", "%m/%d/%Y"]),
        (["31/12/2020 15:30", "04/01/2021 09:30"], ["%d/%m/%Y %H:%M"]),
        (["2 Jan 2020", "13 Feb 2020"], ["%d %b %Y"]),
        (["2020013109", "2020013110"], ["%Y%m%d%H"]),
        (["202001310930", "202001310931"], ["%Y%m%d%H%M"]),
        (["20200131093015", "20200131093016"], ["%Y%m%d%H%M%S"]),
    ],
)
def test_dates_that_are_not_read_name_their_format(dates: list[str], formats: list[str]) -> None:
    texts = pd_series(dates)
    assert likely_formats(texts) == formats
    _, (problem,), _ = read_dates(texts, Layout())
    assert all(Layout().setting("date_format", each) in problem for each in formats)
    parsed, problems, _ = read_dates(texts, Layout(date_format=formats[0]))
    assert not problems
    assert parsed.notna().all()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_since_1970_on_the_clock_of_a_zone(
    unit: Any,
) -> None:
    stamps = pd.date_range("2020-03-06 14:30", periods=3, freq="72h", tz="UTC")
    counted = pd_series([str(stamp.value // {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}[unit])
                         for stamp in stamps])  # fmt: skip
    utc, problems, notes = read_dates(counted, Layout())
    assert not problems
    assert utc.tolist() == stamps.tz_localize(None).tolist()
    assert f"{unit} since 1970 and are read on the clock of UTC" in notes[0]
    local, _, _ = read_dates(counted, Layout(zone="America/New_York"))
    assert [str(each.time()) for each in local] == ["09:30:00", "10:30:00", "10:30:00"]
    early = pd_series(["207619200000", "207619260000"])  # August 1976, no hour of a day.
    assert read_dates(early, Layout())[0].dt.year.tolist() == [1976, 1976]
    with pytest.raises(InputError, match=r"there is no time zone 'Mars'.*America/New_York"):
        read_dates(counted, Layout(zone="Mars"))


def test_an_hour_that_comes_twice_is_not_to_be_thrown_away(tmp_path: Path) -> None:
    """Clocks of New York went back on 7 November 2021."""
    hours = pd.date_range("2021-11-06", "2021-11-08", freq="h", tz="UTC")
    local = hours.tz_convert("America/New_York").map(str)
    rows = pd.DataFrame({"date": local, "tic": "BTC", "close": 100.0, "f": range(len(hours))})
    rows.to_csv(tmp_path / "hours.csv", index=False)
    how: dict[str, Any] = {"adjust": "auto", "on_missing": "error"}
    with pytest.raises(DataError, match=r"an hour comes twice: set .*zone.*UTC"):
        load_raw_prices(str(tmp_path / "hours.csv"), **how)
    read = load_raw_prices(str(tmp_path / "hours.csv"), **how, layout=Layout(zone="UTC"))
    assert len(read.rows) == len(hours)
    with pytest.raises(DataError, match="an hour comes twice: write the dates in UTC"):
        load_processed_csv(str(tmp_path / "hours.csv"))
    pd.concat([rows, rows.iloc[20:21]]).sort_values("date").to_csv(
        tmp_path / "twice.csv", index=False
    )
    with pytest.raises(DataError, match="keep one of them in the file"):
        load_raw_prices(str(tmp_path / "twice.csv"), **how, layout=Layout(zone="UTC"))


def pd_series(values: list[str]) -> Any:
    return pd.Series(values, name="date", dtype="str")

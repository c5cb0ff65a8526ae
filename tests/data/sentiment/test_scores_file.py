"""A scores file is read whole or refused: no item goes missing in a damaged one."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from finai_rl.data.sentiment.scores_file import read_score_table
from finai_rl.data.tables.csv_file import CUT_OFF
from finai_rl.errors import DataError

HEADER = ["date", "tic", "headline", "score"]
ITEMS = st.lists(
    st.tuples(
        st.sampled_from(["2020-01-06", "2020-01-07T10:00Z", ""]),
        st.sampled_from(["AAA", "NA"]),
        # Before one that begins with a separator, a stray quote can make another valid file.
        st.text('ab ,"\n\u00e9', max_size=8).filter(lambda text: text[:1] not in (",", "\n")),
        st.sampled_from(["1", "-0.25", ""]),
    ),
    min_size=1,
    max_size=6,
)


def as_text(rows: list[tuple[str, ...]], header: list[str] = HEADER) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    return stream.getvalue()


def read(content: str | bytes) -> tuple[pd.DataFrame, tuple[str, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "news.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_score_table(file, ("tic",), ("headline", "date"))


def items_of(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    return [tuple(row) for row in frame.astype(object).fillna("").astype(str).to_numpy().tolist()]


def expected(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [(*row[:3], str(float(row[3])) if row[3] else "") for row in rows]


def numbers_as_floats(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(score=pd.to_numeric(frame["score"]).astype(float))


@given(rows=ITEMS)
@settings(deadline=None)
def test_what_the_csv_module_writes_is_read_back(rows: list[tuple[str, ...]]) -> None:
    frame, notes = read(as_text(rows))
    assert items_of(numbers_as_floats(frame)) == expected(rows)
    assert notes == ()
    begins = [2 + as_text(rows[:n]).count("\n") - 1 for n in range(len(rows))]
    assert frame.index.tolist() == begins
    assert frame.index.name == "line"


@pytest.mark.slow
@given(rows=ITEMS, data=st.data())
@settings(deadline=None, max_examples=600)
def test_damage_in_one_item_costs_no_other(
    rows: list[tuple[str, ...]], data: st.DataObject
) -> None:
    texts = [as_text([row], HEADER).partition("\n")[2] for row in rows]
    struck = data.draw(st.integers(0, len(rows) - 1))
    place = data.draw(st.integers(0, len(texts[struck]) - 1))
    put = data.draw(st.sampled_from(["", *'",\n\r\0x']))
    texts[struck] = texts[struck][:place] + put + texts[struck][place + (put == "") :]
    damaged = ",".join(HEADER) + "\n" + "".join(texts)
    try:
        frame, _ = read(damaged)
    except DataError:
        return
    assume(pd.api.types.is_numeric_dtype(frame["score"]))  # A number that is none is told later.
    found, whole = items_of(numbers_as_floats(frame)), expected(rows)
    assert found[:struck] == whole[:struck]
    after = len(rows) - struck - 1
    assert found[len(found) - after :] == whole[struck + 1 :]
    assert len(rows) <= len(found) <= len(rows) + 1


@pytest.mark.slow
def test_a_large_file_is_known_by_its_lines() -> None:
    """Blocks of a megabyte end inside of headlines, some after a quote within an unquoted one."""
    rows = [
        ("2020-01-06", "AAA", ("two\nlines, ", "plain", 'a "b"\n')[n % 3] * 9, f"0.{n}")
        for n in range(30_000)
    ]
    content = as_text(rows) + '2020-01-06,AAA,a 5" screen,1\n\n' + as_text(rows).partition("\n")[2]
    frame, _ = read(content)
    assert items_of(frame[["headline"]]) == [
        (row[2],) for row in [*rows, ("", "", 'a 5" screen'), *rows]
    ]
    lines = content.split("\n")
    assert all(lines[n - 1].startswith("2020-01-06,AAA,") for n in frame.index)
    n_lines = content.count("\n")
    with pytest.raises(DataError, match=f"1 line without the 4 fields.*line {n_lines + 1} "):
        read(content + "2020-01-06,AAA\n")


SWALLOWED = (
    "date,tic,score,headline\n"
    '2020-01-06,AAA,0.5,"Apple rises\n'
    "2020-01-07,BBB,0.1,plain\n"
    '2020-01-07,CCC,0.1,"x"\n'
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (SWALLOWED, r"quote inside of a field \(.*double the quote\): lines 2 to 4"),
        ('tic,score\nA,1\nB,"2\n', "1 line with a quote that is not closed: line 3"),
        ("tic,score\nA,1\nB\nC,2,3\n", r"line 3 \(1 field\), line 4 \(3 fields\)"),
        ("tic,score\nA,1,\nB,2,\n", r"2 lines without the 2 fields.*line 2 \(3 fields\)"),
        ("tic,score,score\nA,1,2\n", r"the header holds \['score'\] more than once"),
        ("tic,score\nA\0,1\n", "1 line with NUL bytes: line 2"),
        ("tic,score\nA,1\rB,2\n", "1 line with a carriage return outside of quotes: line 2"),
        ("tic,score\nA,\u00fc\n".encode("latin1"), "that are not UTF-8 text: line 2"),
        (
            gzip.compress(b"tic,score\nA,1\n", mtime=0)[:-6],
            "cannot be read as CSV after line 1: .*ended",
        ),
        (b"PK\x03\x04", "a zip archive"),
        (b"PAR1 and no more", "cannot be read as Parquet"),
        ("tic,score\n\n", "a header but no rows"),
    ],
)
def test_damage_is_named(content: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(content)


def test_a_compressed_file_with_a_byte_order_mark_and_an_index() -> None:
    content = gzip.compress("\ufeff,tic,score\r\n0,NA,1\r\n\r\n1,NA,NA".encode())
    frame, notes = read(content)
    assert frame.columns.tolist() == ["tic", "score"]
    assert frame["tic"].tolist() == ["NA", "NA"]
    assert frame["score"].isna().tolist() == [False, True]
    assert frame.index.tolist() == [2, 4]
    assert notes == (CUT_OFF,)


def test_an_article_longer_than_the_csv_modules_limit() -> None:
    frame, _ = read(as_text([("2020-01-06", "AAA", "a," * 200_000, "1")]))
    assert len(frame["headline"].iloc[0]) == 400_000
    assert csv.field_size_limit() < 400_000


@pytest.mark.parametrize(
    "content",
    [
        b"tic;score\nA;1\n",
        "tic\tscore\nA\t1\n".encode("utf-16"),
        gzip.compress("tic,score\nA,1\n".encode("utf-16"), mtime=0),
    ],
)
def test_other_separators_and_utf_16_are_found(content: bytes) -> None:
    frame, notes = read(content)
    assert frame.to_dict("list") == {"tic": ["A"], "score": [1]}
    assert notes == ()


def test_tickers_of_parquet_that_are_whole_numbers_are_text(tmp_path: Path) -> None:
    rows = pd.DataFrame({"tic": [700, 941], "date": ["2024-01-02"] * 2, "score": [0.5, 0.3]})
    rows.to_parquet(tmp_path / "scores.parquet", index=False)
    table, _ = read_score_table(tmp_path / "scores.parquet", ("tic",), ())
    assert table["tic"].tolist() == ["700", "941"]
    rows.assign(tic=[7.5, 9.0]).to_parquet(tmp_path / "scores.parquet", index=False)
    with pytest.raises(DataError, match="values of type float64, tickers must be text"):
        read_score_table(tmp_path / "scores.parquet", ("tic",), ())

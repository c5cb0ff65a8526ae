"""Files of numbers by ticker: read, refused line by line, and no longer needed afterwards."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from finai_rl.config.check import check
from finai_rl.config.command import CONFIG_DIR
from finai_rl.config.command_line import refuse_unreadable
from finai_rl.config.tickers.by_ticker import file_tags
from finai_rl.errors import ConfigError
from tests.config.composition import composed

TICKERS = ["0700", "1E5", "600519", "EURUSD=X", "M&M.NS", "NA", "NULL", "ON", "TRUE", "^GSPC"]
TICKERS += ["nan", "贵州茅台", "Société_Générale", "a,b"]


@pytest.fixture(autouse=True)
def _started_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_file_becomes_its_numbers_for_any_ticker() -> None:
    rows = [f'"{ticker}",{number}' for number, ticker in enumerate(TICKERS)]
    file = Path("持仓.csv")
    file.write_text("\ufeffTicker,Value\r\n" + "\r\n\r\n".join(rows) + "\r\n", encoding="utf-8")
    cfg = check(composed("env.num_stock_shares='持仓.csv'"))
    assert dict(cfg.env.num_stock_shares) == {t: n for n, t in enumerate(TICKERS)}
    assert file_tags(cfg) == {
        "env.num_stock_shares.path": "持仓.csv",
        "env.num_stock_shares.sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    file.unlink()
    assert check(cfg).env == cfg.env


@pytest.mark.parametrize("name", ["num_stock_shares", "buy_cost_pct", "sell_cost_pct"])
@pytest.mark.parametrize("env", ["stock_trading", "portfolio", "finrl"])
def test_every_environments_settings_take_a_file(env: str, name: str) -> None:
    Path("numbers.csv").write_text(f"tic,{name}\nTRUE,0.5\n^GSPC,1e-3\n")
    cfg = check(composed(f"env={env}", f"env.{name}=numbers.csv"))
    assert dict(cfg.env[name]) == {"TRUE": 0.5, "^GSPC": 0.001}


def test_an_evaluations_environment_takes_a_file() -> None:
    Path("fees.csv").write_text("borrow_rate,symbol\n0.02,0700\n")
    cfg = check(composed("+evaluation.env.borrow_rate=fees.csv"))
    assert dict(cfg.evaluation.env.borrow_rate) == {"0700": 0.02}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1: the header must be tic,buy_cost_pct (or tic,value), got"),
        ("tic,shares\nA,1\n", "got tic,shares"),
        ("tic,value,buy_cost_pct\nA,1,1\n", "the header must be"),
        ("tic;value\nA;1\n", "got tic;value"),
        ("tic,value\n", "it has a header but no rows"),
        ("tic,value\nA,0.1\nA,0.2\n", "line 3: 'A' stands on line 2 already"),
        ("tic,value\nA,many\n", "line 2: value must be a finite number, got many"),
        ("tic,value\nA,\n", "line 2: value must be a finite number, got an empty cell"),
        ("tic,value\nA,1_0\n", "line 2: value must be a finite number, got 1_0"),
        ("tic,value\nA,inf\n", "must be a finite number, got inf"),
        ("tic,value\nA,1e999\n", "must be a finite number, got 1e999"),
        ('tic,value\nA,"0,1"\n', "write a decimal point"),
        ("tic,value\n\nA,-0.1\n", "line 3: value must be at least 0, got -0.1"),
        ("tic,value\nA,1\n", "line 2: value must be below 1, got 1"),
        ("tic,value\n,0.1\n", "line 2: no ticker"),
        ("tic,value\n A,0.1\n", "white space or control characters"),
        ("tic,value\nA,0.1,2\n", "line 2: 3 fields, the header has 2"),
        ('tic,value\n"A"B,0.1\n', "line 2: cannot be read as CSV"),
        ("tic,value\n" + "A,x\n" * 9, "... (17 problems)"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_by_its_line(content: str, said: str) -> None:
    Path("costs.csv").write_text(content)
    with pytest.raises(ConfigError) as refusal:
        check(composed("env.buy_cost_pct=costs.csv", "env.hmax=0"))
    assert "env.buy_cost_pct: costs.csv: " in str(refusal.value)
    assert said in str(refusal.value)
    assert "env.hmax: must be at least 1" in str(refusal.value)


def test_a_file_of_another_encoding_is_refused() -> None:
    Path("costs.csv").write_bytes("tic,value\n贵州茅台,1\n".encode("gbk"))
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        check(composed("env.num_stock_shares=costs.csv"))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("env.num_stock_shares=gone.csv", "gone.csv: no such file (looked in "),
        ("env.num_stock_shares=many", "'many': it is no number, no list"),
        ("env.num_stock_shares={AAPL: true}", "env.num_stock_shares.AAPL: must be a number"),
        ("env.num_stock_shares={AAPL: '1'}", "env.num_stock_shares.AAPL: must be a number"),
        ("env.buy_cost_pct=[0.1,x]", "env.buy_cost_pct[1]: must be a number, got 'x'"),
        ("data.tickers=[AAPL,1E5]", "data.tickers[1]: 100000.0 is no text; put the name in quotes"),
        ("data.tickers=[TRUE]", "data.tickers[0]: True is no text"),
    ],
)
def test_what_is_no_number_and_no_name_is_refused(override: str, said: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        check(composed(override))
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("env.num_stock_shares={^GSPC: 1}", "tic,num_stock_shares and one line a ticker"),
        ("env.buy_cost_pct={EURUSD=X: 1}", "env.buy_cost_pct=tickers.csv"),
        ("+evaluation.env.borrow_rate={M&M.NS: 1}", "+evaluation.env.borrow_rate=tickers.csv"),
        ("env.num_stock_shares={贵州茅台: 1}", "a CSV file with the header"),
        ("env.num_stock_shares={NULL: 1}", "NULL is read as null"),
        ("env.num_stock_shares=持仓.csv", """env.num_stock_shares='"持仓.csv"'"""),
    ],
)
def test_what_the_command_line_cannot_write_a_file_can(
    argument: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        refuse_unreadable(["agent=a2c", argument], CONFIG_DIR)
    assert end.value.code == 1
    assert said in capsys.readouterr().err


def test_other_arguments_are_left_to_hydra() -> None:
    refuse_unreadable(
        ["-m", "env.num_stock_shares={A.B: 1, TRUE: 2}", "x={^", "env.hmax=^"], CONFIG_DIR
    )
    refuse_unreadable(["env.num_stock_shares=a.csv,b.csv", "env.buy_cost_pct=0.1"], CONFIG_DIR)

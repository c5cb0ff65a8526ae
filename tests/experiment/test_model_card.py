"""A card says what its run was, and what is to be believed of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from finai_rl.data.combinatorial import split_combinatorial
from finai_rl.data.split import split_by_fraction
from finai_rl.experiment.backtests.holdout import HoldoutReport
from finai_rl.experiment.model_card import log_card, verdict_of
from tests.config.composition import composed
from tests.markets import generated_market


class Cards:
    """A tracker that keeps the card it is told."""

    run_id: str | None = "ab12"
    markdown = page = ""

    def flush(self) -> None: ...

    def count_trials(self) -> int:
        return 17

    def log_card(self, markdown: str, page: str) -> None:
        self.markdown, self.page = markdown, page


def carded(folder: Path, *overrides: str, **report: Any) -> Cards:
    market = generated_market(n_days=200, n_stocks=2)
    returns = np.random.default_rng(0).normal(0.0, 0.01, (29, 2))
    days = market.day_names[141:170]
    table = pd.DataFrame(returns, columns=["agent", "equal_weight"]).assign(date=days)
    table.to_csv(folder / "returns.csv", index=False)
    numbers = {"agent": {"sharpe_ratio": 0.1234}, "equal_weight": {"sharpe_ratio": 0.5}}
    tracker: Any = Cards()
    cfg = composed("agent=a2c", "env.buy_cost_pct=0.0042", *overrides)
    split = split_by_fraction(market, train=0.7, validation=0.15)
    log_card(tracker, cfg, split, HoldoutReport(numbers, [], returns[:, 0], **report), folder)
    return tracker


def test_all_that_a_reader_asks(tmp_path: Path) -> None:
    card = carded(tmp_path, habits="It <held>.", shortfall="Equal weight leaves out 1 stock")
    for text in (card.markdown, card.page):
        for said in (
            "stable_baselines3.A2C", "S00, S01", "env.buy_cost_pct: 0.0042",
            "No evidence of", "scored on these validation days: 17", "Sharpe ratio 0.1234",
            "leaves out 1 stock, so returns", "(sealed)", "run_id=ab12",
        ):  # fmt: skip
            assert said in text, said
    assert "It &lt;held>." in card.markdown
    assert "It &lt;held&gt;." in card.page


def test_costs_are_those_of_the_backtest(tmp_path: Path) -> None:
    card = carded(tmp_path, "+evaluation.env.buy_cost_pct=0", "env.delisting_loss=0.3").markdown
    assert "- evaluation.env.buy_cost_pct: 0\n" in card
    assert "0.0042" not in card
    assert "- env.delisting_loss: 0.3\n" in card


def test_a_ruined_account_is_told(tmp_path: Path) -> None:
    assert "The account was ruined." in carded(tmp_path, ruined_on="2020-06-01").markdown


def test_a_store_that_did_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cards, "count_trials", lambda _: None)
    monkeypatch.setattr(Cards, "run_id", None)
    text = carded(tmp_path).markdown
    assert "is not known: the store did not answer" in text
    assert "validation days: 1" not in text
    assert "run_id=..." in text


def test_a_run_without_a_model_has_no_card(tmp_path: Path) -> None:
    assert carded(tmp_path, "tracking.log_model=false").markdown == ""
    assert carded(tmp_path, "tracking=none").markdown == ""


def test_what_has_learned_from_later_days_is_weak_at_most(tmp_path: Path) -> None:
    market = generated_market(n_days=200, n_stocks=2)
    returns = np.random.default_rng(0).normal([0.01, 0.0], 0.01, (100, 2))
    table = pd.DataFrame(returns, columns=["agent", "equal_weight"])
    table.to_csv(tmp_path / "returns.csv", index=False)
    whole = split_by_fraction(market, train=0.7, validation=0.15)
    apart = split_combinatorial(market, fold=0, n_folds=4, embargo=5)
    levels = {
        split.combinatorial: verdict_of(
            composed("agent=a2c"), split, HoldoutReport({}, [], returns[:, 0]), tmp_path, 1
        )
        for split in (whole, apart)
    }
    assert levels[False].level == "strong"
    assert levels[True].level == "weak"
    assert "later days" in levels[True].sentence

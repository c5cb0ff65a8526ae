"""A contender's account at its own and at other costs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from finai_rl.experiment.deciding.newest import Newest, unpinned
from finai_rl.experiment.finished_run import Block
from finai_rl.experiment.promotion import challenge
from finai_rl.experiment.promotion.challenge import Challenge, Contender, _pays, apart
from finai_rl.tracking.history.finished_run import TEST_TAG
from tests.config.composition import composed
from tests.markets import generated_market

MARKET = generated_market(n_days=40, n_stocks=3)


class Alternating:
    """Trades every day, by what it sees and not by what it pays."""

    def predict(self, observation: Any, **_: Any) -> tuple[Any, None]:
        return np.sin(observation[:, 1:4]).astype(np.float32), None


@pytest.mark.parametrize("cost", [0.001, 0.0])
def test_costs_are_multiplied(cost: float) -> None:
    agent: Any = Alternating()
    overrides = ("env.normalize=false", f"env.buy_cost_pct={cost}", f"env.sell_cost_pct={cost}")
    contender = Contender(composed(*overrides), agent, None, MARKET)
    once, more = (contender.account(multiplier) for multiplier in (1.0, 3.0))
    assert once.trades.any()
    first = once.trades.any(axis=1).argmax()
    assert more.costs[first] == pytest.approx(3 * once.costs[first])
    assert (contender.returns(3.0).sum() < contender.returns(1.0).sum()) == (cost > 0)
    held = [contender.equal_weight(multiplier).sum() for multiplier in (1.0, 3.0)]
    assert (held[1] < held[0]) == (cost > 0)


def test_costs_that_only_backtests_pay_are_multiplied() -> None:
    agent: Any = Alternating()
    dear = ("+evaluation.env.buy_cost_pct=0.01", "+evaluation.env.sell_cost_pct=0.01")
    contender = Contender(composed("env.normalize=false", *dear), agent, None, MARKET)
    once, more = (contender.account(multiplier) for multiplier in (1.0, 2.0))
    first = once.trades.any(axis=1).argmax()
    paid = once.costs[first] / np.abs(once.trades[first] * once.fill_price[first]).sum()
    assert paid == pytest.approx(0.01)
    assert more.costs[first] == pytest.approx(2 * once.costs[first])


def test_accounts_on_other_terms_are_told_apart() -> None:
    usual = composed()
    free = composed("+evaluation.env.buy_cost_pct=0", "+evaluation.env.sell_cost_pct=0")
    assert len(apart(free, usual)) == 2
    assert "the champion's 0.001" in apart(free, usual)[0]
    assert _pays(usual)
    assert not _pays(free)
    (loss,) = apart(composed("env.delisting_loss=1"), usual)
    assert loss.startswith("env.delisting_loss is 1")
    assert apart(composed("env=portfolio"), usual) == []


SHORT = ("env.allow_short=true", "env.borrow_rate=0.03")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["env.allow_short=false"], "env.allow_short is False, the champion's True"),
        (["env.borrow_rate=0.05"], "env.borrow_rate is 0.05, the champion's 0.03"),
        (["env.initial_margin=0.9"], "env.initial_margin is 0.9"),
        (["env.maintenance_margin=0.4"], "env.maintenance_margin is 0.4"),
    ],
)
def test_accounts_that_sell_short_on_other_terms_are_told_apart(
    changed: list[str], said: str
) -> None:
    (found,) = apart(composed(*SHORT, *changed), composed(*SHORT))
    assert found.startswith(said)


def test_terms_of_short_positions_are_nothing_to_accounts_without_any() -> None:
    assert apart(composed("env.borrow_rate=0.5", "env.initial_margin=0.9"), composed()) == []


FILE = ("data=processed_csv", "data.path=a.csv")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ((*FILE, "data.rev=v2"), {"path": "a.csv", "rev": "v2", "sha256": None}),
        ((*FILE, f"data.sha256={'ab' * 32}"), {"path": "a.csv", "rev": None, "sha256": "ab" * 32}),
        (("data=synthetic",), {}),
    ],
)
def test_the_champion_is_backtested_on_the_same_version_held_against_its_own_days(
    own: tuple[str, ...], said: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def on(cfg: Any, *_: Any, **settings: Any) -> Newest:
        asked.update(settings, read=unpinned(cfg, settings["changes"]))
        return Newest(MARKET, first=0)

    run: Any = SimpleNamespace(run_id="ab", check=lambda: None, policy=lambda: (None, None))
    config = composed(*(FILE if said else own), *(["data.rev=v1"] if said else []))
    for name, found in (
        ("config_of", config),
        ("inputs_of", None),
        ("trained_days_of", "its days"),
    ):
        monkeypatch.setattr(challenge, name, lambda _, found=found: found)
    monkeypatch.setattr(challenge, "newest", on)
    one: Any = object.__new__(Challenge)
    one.cfg, one.notes = composed(*own), []
    one.challenger = Contender(one.cfg, run, None, MARKET)
    one._on_the_same_days(run)
    assert asked["known"] == "its days"
    assert asked["read"] == said


PAYS = ("env.normalize=false",)
FREE = (*PAYS, "env.buy_cost_pct=0", "env.sell_cost_pct=0")


def challenged(own: tuple[str, ...] = PAYS, champion: tuple[str, ...] | None = None) -> Any:
    one: Any = object.__new__(Challenge)
    agent: Any = Alternating()
    one.cfg, one.notes, one.rival, one._seed = composed(*own), [], "the other", 0
    one.challenger = Contender(one.cfg, agent, None, MARKET)
    one.champion = champion and Contender(composed(*champion), agent, None, MARKET)
    return one


@pytest.mark.parametrize(
    ("own", "champion", "is_one"),
    [
        (PAYS, None, True),
        (FREE, None, False),
        (PAYS, PAYS, True),
        (FREE, PAYS, False),
        (PAYS, FREE, False),
    ],
)
def test_both_have_to_pay_for_a_duel_at_other_costs(
    own: tuple[str, ...], champion: tuple[str, ...] | None, is_one: bool
) -> None:
    one = challenged(own, champion)
    assert (one.duel(2.0) is not None) is is_one
    assert one.duel() is not None


def test_a_sealed_block_that_was_opened_before_is_not_counted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Run:
        tags: ClassVar[dict[str, str]] = {}

        def tag_now(self, tag: str) -> str | None:
            return self.tags.get(tag)

        def open_test(self) -> None:
            self.tags[TEST_TAG] = str(int(self.tags.get(TEST_TAG, 0)) + 1)

    monkeypatch.setattr(challenge, "block_of", lambda *_: Block("test", MARKET, MARKET))
    one = challenged()
    one._run = Run()
    for before, after in (({}, "1"), ({TEST_TAG: "1"}, "1"), ({TEST_TAG: "3"}, "3")):
        Run.tags = dict(before)
        assert MARKET.span in one.sealed_block()
        assert Run.tags[TEST_TAG] == after


@pytest.mark.parametrize(("counted", "n_counted"), [(0, 1), (7, 7)])
def test_the_challenger_is_judged_by_all_that_its_experiment_has_counted(
    counted: int, n_counted: int
) -> None:
    one = challenged()
    one._run = SimpleNamespace(trials_counted=lambda: counted)
    assert one.verdict.evidence.n_counted == n_counted


@pytest.mark.parametrize(
    ("day", "noted"), [("2019-12-31", False), *((MARKET.day_names[n], True) for n in (0, 20, 39))]
)
def test_a_champion_that_has_learned_from_any_of_the_days_is_noted(
    day: str, noted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = challenged()
    inputs = SimpleNamespace(trained_until=day)
    for name, found in (
        ("config_of", one.cfg),
        ("inputs_of", inputs),
        ("trained_days_of", None),
    ):
        monkeypatch.setattr(challenge, name, lambda _, found=found: found)
    monkeypatch.setattr(challenge, "newest", lambda *_, **__: Newest(MARKET, first=0))
    run: Any = SimpleNamespace(run_id="ab", check=lambda: None, policy=lambda: (None, None))
    one._on_the_same_days(run)
    assert len(one.notes) == noted
    assert all(f"has learned from days until {day}" in note for note in one.notes)

"""What each gate lets through, and what it stops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from finai_rl.experiment.promotion import gates
from finai_rl.experiment.promotion.gates import Duel
from finai_rl.statistics.run_verdict import judge_returns

NOISE = np.random.default_rng(0).normal(0.0, 0.01, (250, 50))
HELD = NOISE[:, 3]


def test_better_by_more_than_luck() -> None:
    skilled = Duel(HELD + 0.002, HELD, "equal weight")
    assert gates.better(skilled, 0.0).passed
    assert not gates.better(skilled, 1000.0).passed
    # A difference that luck explains is none, and one that cannot be measured is none either.
    assert not gates.better(Duel(NOISE[:, 2], HELD, "the champion"), 0.0).passed
    short = gates.better(Duel(skilled.returns[:10], HELD[:10], "equal weight"), 0.0)
    assert short.passed is False
    assert "10 days have no interval" in short.measured


def test_the_seed_moves_the_interval() -> None:
    duel = Duel(NOISE[:, 0], HELD, "equal weight")
    assert gates.better(duel, 0.0).measured != gates.better(replace(duel, seed=1), 0.0).measured


def test_the_luckiest_of_many_is_refused() -> None:
    best = NOISE[:, NOISE.mean(axis=0).argmax()]
    held = np.zeros(250)

    def judged(n_counted: int, least: float = 0.95, **state: bool) -> gates.Gate:
        verdict = judge_returns(best, held, "cash", n_counted)
        return gates.deflated(verdict, least, **{"ruined": False, "traded": True, **state})

    # As the only one that was ever tried it would pass.
    assert judged(1).passed
    assert judged(50).passed is False
    assert "verdict: no evidence; looks counted: 50" in judged(50).measured
    assert judged(50, least=0.01).passed
    assert judged(1, ruined=True).passed is False
    assert judged(1, traded=False).passed is False


def test_skill_that_is_none_over_equal_weight_is_refused() -> None:
    market = HELD + 0.005
    assert gates.deflated(
        judge_returns(market + 0.002 + NOISE[:, 0] * 0.1, market, "equal weight"),
        0.95,
        ruined=False,
        traded=True,
    ).passed
    follows = judge_returns(market, market + NOISE[:, 0] * 0.1, "equal weight")
    assert follows.evidence.deflated > 0.99
    assert not gates.deflated(follows, 0.95, ruined=False, traded=True).passed


def test_costs_that_eat_it_all() -> None:
    dear = Duel(HELD + 0.001, HELD, "equal weight")
    assert gates.costs(dear, 2.0, 0.0).passed
    assert not gates.costs(dear, 2.0, 5.0).passed
    assert not gates.costs(Duel(HELD - 0.001, HELD, "equal weight"), 2.0, 0.0).passed
    assert "at 3 times the costs" in gates.costs(dear, 3.0, 0.0).needed
    # Who trades for free has not been tested.
    assert gates.costs(None, 2.0, 0.0).passed is False


def test_the_champions_equal_at_other_costs_is_not_above_it() -> None:
    equal = Duel(HELD, HELD.copy(), "the champion")
    assert gates.costs(equal, 2.0, 0.0).passed is False
    assert gates.costs(equal, 2.0, -1e-9).passed


def test_a_champion_in_cash_can_be_beaten_over_any_rate() -> None:
    for rate in (0.0, 0.02):
        duel = Duel(HELD + 0.006, np.zeros(250), "the champion", risk_free=rate)
        assert gates.costs(duel, 2.0, 0.0).passed
        assert "the champion 0.00" in gates.costs(duel, 2.0, 0.0).measured
        assert gates.better(duel, 0.0).passed, gates.better(duel, 0.0)


def test_a_leak_is_named() -> None:
    assert gates.leakage(9, []).passed
    found = gates.leakage(9, ["future values: signal: the close of the next day"])
    assert found.passed is False
    assert "signal" in found.measured


@pytest.mark.parametrize(
    ("tags", "known", "committed"),
    [
        ({}, False, False),
        ({"data.sha256": "ab" * 32}, True, False),
        ({"data.sha256": "ab" * 32, "data.rev": "c" * 40, "data.dirty": "true"}, True, False),
        ({"data.sha256": "ab" * 32, "data.rev": "c" * 40}, True, False),
        ({"data.sha256": "ab" * 32, "data.rev": "c" * 40, "data.dirty": "false"}, True, True),
    ],
)
def test_data_that_can_be_found_again(tags: dict[str, str], known: bool, committed: bool) -> None:
    assert gates.data_version(tags, "sha256").passed is known
    assert gates.data_version(tags, "committed").passed is committed

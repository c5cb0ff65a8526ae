"""Blocks that overlap or reach into each other are caught, as is training that knows of later."""

from __future__ import annotations

from dataclasses import replace

import pytest

from finai_rl.config.check import check
from finai_rl.data.market import MarketData
from finai_rl.data.split import Split, sealed_block, split_by_fraction
from finai_rl.leakage.altered_source import Recomputation
from finai_rl.leakage.finding import Verdict, leaks
from finai_rl.leakage.panel import altered
from finai_rl.leakage.split_separation import _blocks, _sealed, _statistics
from tests.config.composition import composed
from tests.leakage.panels import verified
from tests.markets import generated_market

MARKET = generated_market(n_days=60, n_stocks=2)


def days(first: int, last: int) -> MarketData:
    return MARKET.slice_days(first, last).copy()


def test_statistics_that_keep_learning_on_validation_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from finai_rl.experiment import environments as assembly

    def thawed(env: object, trained: object) -> object:
        wrapped = frozen(env, trained)  # type: ignore[arg-type]
        wrapped.training = True  # type: ignore[attr-defined]
        return wrapped

    frozen = assembly.frozen
    monkeypatch.setattr(assembly, "frozen", thawed)
    found = verified("data=synthetic", "data.n_days=200")
    assert [one.check for one in leaks(found)] == ["normalization"]


@pytest.mark.parametrize(
    ("validation", "test", "verdict"),
    [
        ((40, 50), 50, Verdict.PASSED),
        ((40, 50), 60, Verdict.PASSED),
        ((40, 50), 49, Verdict.LEAK),
        ((39, 50), 50, Verdict.LEAK),
        ((39, 50), 49, Verdict.LEAK),
        ((39, 50), 60, Verdict.LEAK),
    ],
)
def test_blocks_that_share_a_day_are_caught(
    validation: tuple[int, int], test: int, verdict: Verdict
) -> None:
    found = _blocks(Split(days(0, 40), days(*validation), sealed_block(MARKET, test)))
    assert found.verdict is verdict
    assert ("overlap" in found.evidence) == (verdict is Verdict.LEAK)


def test_a_block_that_is_a_view_of_other_days_is_caught() -> None:
    train, validation, test = days(0, 40), days(40, 50), sealed_block(MARKET, 50)
    assert _sealed(Split(train, validation, test)).verdict is Verdict.PASSED
    view = MARKET.slice_days(40, 50)
    assert validation.past is not None
    for reaching, name in (
        (Split(MARKET.slice_days(0, 40), validation, test), "train.close"),
        (Split(train, view, test), "validation.close"),
        # What lies before a block is handed on with it.
        (Split(train, replace(validation, past=view.past), test), "validation.past.close"),
    ):
        found = _sealed(reaching)
        assert found.verdict is Verdict.LEAK
        assert f"{name}, " in found.evidence
        assert "reaches rows outside" in found.evidence


def test_a_test_block_with_its_days_is_caught() -> None:
    test: object = days(50, 60)
    found = _sealed(Split(days(0, 40), days(40, 50), test))  # type: ignore[arg-type]
    assert found.verdict is Verdict.LEAK
    assert found.evidence.startswith("test reaches rows outside")


@pytest.mark.parametrize("normalize", ["true", "false"])
def test_training_that_another_future_moves_is_caught(normalize: str) -> None:
    cfg = check(composed(f"env.normalize={normalize}", "env.n_envs=2"))
    split = split_by_fraction(MARKET)
    last = split.train.n_days - 1
    for first_moved, verdict in ((last, Verdict.PASSED), (5, Verdict.LEAK)):
        again = Recomputation(last, altered(MARKET, first_moved, seed=1), "shuffled")
        found = _statistics(cfg, split, again)
        assert found.verdict is verdict
        moves = "training moves when everything after its last day is altered"
        assert (found.evidence == moves) == (verdict is Verdict.LEAK)

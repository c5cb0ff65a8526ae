"""What is expected of a generated market comes true on average, and knows nothing of later days."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from finai_rl.data.sources.expectations import calm_probability, expectations
from finai_rl.data.sources.generation import WARM_UP_DAYS, Generation
from finai_rl.data.sources.planted import is_planted
from finai_rl.data.sources.synthetic import synthetic_market
from finai_rl.data.sources.synthetic_settings import KINDS
from finai_rl.errors import InputError

PLANTED = tuple(kind for kind in KINDS if kind != "noise")
LONG = 20_000

Array = NDArray[np.float64]


def slope(expected: Array, found: Array) -> float:
    """Return the coefficient of what came on what was expected; 1 where nothing is biased."""
    return float(np.polyfit(expected.ravel(), found.ravel(), 1)[0])


@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_expected_comes_true_on_average(kind: str) -> None:
    settings = {"kind": kind, "n_days": LONG, "seed": 2}
    data = synthetic_market(**settings)  # type: ignore[arg-type]
    known = expectations(settings, data)
    returns = data.close[1:] / data.close[:-1] - 1.0
    expected = known.next_day[:-1]
    assert slope(expected, returns) == pytest.approx(1.0, abs=0.06)
    left = (returns - expected).var()
    assert left == pytest.approx((known.market_variance + known.own_variance).mean(), rel=0.06)
    if kind != "regimes":
        assert known.drift == pytest.approx(0.05 / 252, rel=0.01)
    two_days_on = known.ahead(days=1)[:-2]
    assert slope(two_days_on, returns[1:]) == pytest.approx(1.0, abs=0.15)
    weights = 0.3 * 0.7 ** np.arange(40)
    later = np.stack([returns[h : len(returns) - 40 + h] for h in range(40)], axis=-1) @ weights
    assert slope(known.ahead(discount=0.7)[: len(later)], later) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("kind", PLANTED)
def test_shocks_after_a_day_change_nothing_that_was_expected_until_then(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"kind": kind, "n_days": 60}
    day = 40
    before = expectations(settings, synthetic_market(**settings))  # type: ignore[arg-type]
    drawn = Generation._normal

    def altered(self: Generation, stream: int, width: int) -> Any:
        values = drawn(self, stream, width)
        values[WARM_UP_DAYS + day + 1 :] *= -2.0
        return values

    monkeypatch.setattr(Generation, "_normal", altered)
    other = synthetic_market(**settings)  # type: ignore[arg-type]
    after = expectations(settings, other)
    for one, two in (
        (before.next_day, after.next_day),
        (before.ahead(1, 0.5), after.ahead(1, 0.5)),
        (before.own_variance, after.own_variance),
    ):
        assert np.array_equal(one[: day + 1], two[: day + 1])
    if kind != "seasonality":
        assert not np.array_equal(before.next_day, after.next_day)


@pytest.mark.parametrize("kind", PLANTED)
def test_a_block_is_known_as_the_whole_and_a_longer_market_as_the_shorter(kind: str) -> None:
    settings: dict[str, Any] = {"kind": kind, "n_days": 50}
    data = synthetic_market(**settings)
    whole = expectations(settings, data)
    part = expectations(settings, data.slice_days(20, 35))
    longer = {**settings, "n_days": 80}
    more = expectations(longer, synthetic_market(**longer))
    assert np.array_equal(part.next_day, whole.next_day[20:35])
    assert np.array_equal(whole.days(20, 35).ahead(0, 0.8), part.ahead(0, 0.8))
    assert np.array_equal(more.next_day[:50], whole.next_day)


def test_days_of_another_market_are_refused() -> None:
    with pytest.raises(InputError, match="not of the market"):
        expectations({"kind": "momentum", "n_days": 50}, synthetic_market(n_days=50, seed=1))
    with pytest.raises(InputError, match="not of the market"):
        expectations({"kind": "momentum", "n_days": 50}, synthetic_market(n_days=60))


def test_nothing_is_planted_in_noise_or_without_a_sharpe_ratio() -> None:
    assert is_planted({"kind": "pair"})
    assert not is_planted({"kind": "pair", "sharpe_ratio": 0.0})
    assert not is_planted({"kind": "noise", "sharpe_ratio": 8.0})
    assert not is_planted({})


def test_a_calm_day_is_told_by_its_risk_index() -> None:
    data = synthetic_market(kind="regimes", n_days=2000, sharpe_ratio=3.0)
    assert data.risk is not None
    calm = calm_probability(data.risk)
    assert (calm[data.risk < 25] > 0.99).all()
    assert (calm[data.risk > 65] < 0.05).all()
    assert ((calm >= 0) & (calm <= 1)).all()

"""Statistics that learn on validation are caught."""

from __future__ import annotations

import pytest

from finai_rl.leakage.finding import leaks
from tests.leakage.panels import verified


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

"""Attributions add up, and find what a network reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from finai_rl.errors import InputError
from finai_rl.evaluation.attribution import N_POINTS, integrated_gradients, require_captum
from finai_rl.evaluation.observation_layout import ObservationLayout

LAYOUT = ObservationLayout(("close", "signal"), n_stocks=2, window=2)


class Linear(torch.nn.Module):
    """A policy whose actions are products with the observation."""

    device = "cpu"

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weights = torch.as_tensor(weights, dtype=torch.float32)

    def set_training_mode(self, mode: bool) -> None:
        self.train(mode)

    def _predict(self, observation: torch.Tensor, deterministic: bool = False) -> torch.Tensor:
        assert deterministic
        return observation @ self.weights.T


def test_a_linear_policy_is_attributed_exactly() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(2, LAYOUT.n_columns))
    seen = rng.normal(size=(9, LAYOUT.n_columns)).astype(np.float32)
    agent: Any = type("Agent", (), {"policy": Linear(weights)})()
    found = integrated_gradients(agent, seen, LAYOUT, n_days=9)
    sizes = np.abs(weights[:, None] * (seen - seen.mean(axis=0))).mean(axis=1)
    # Columns: cash, two closes, two signals; and the same again for the last day.
    mine = {"cash": [[0, 5], [0, 5]], "close": [[1, 6], [2, 7]], "signal": [[3, 8], [4, 9]]}
    for name, (first, second) in mine.items():
        own = sizes[0, first].sum() + sizes[1, second].sum()
        assert found.own[name] == pytest.approx(own / sizes.sum(), rel=1e-4)
    assert sum([*found.own.values(), *found.others.values()]) == pytest.approx(1)
    assert "cash" not in found.others
    assert found.n_days == 9
    assert found.error < 1e-4


class Kinked(Linear):
    """A policy that answers to no product below zero, which no few points add up to."""

    def _predict(self, observation: torch.Tensor, deterministic: bool = False) -> torch.Tensor:
        return torch.relu(super()._predict(observation, deterministic))


def test_the_error_is_what_the_parts_of_all_stocks_lack() -> None:
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(2, LAYOUT.n_columns))
    seen = rng.normal(size=(9, LAYOUT.n_columns)).astype(np.float32)
    agent: Any = type("Agent", (), {"policy": Kinked(weights)})()
    found = integrated_gradients(agent, seen, LAYOUT, n_days=9)
    points, share = np.polynomial.legendre.leggauss(N_POINTS)
    usual = seen.mean(axis=0)
    lacking = sizes = 0.0
    for stock in weights:
        begin, end = usual @ stock, seen @ stock
        way = begin + (points[:, None] + 1) / 2 * (end - begin)
        slope = (share[:, None] / 2 * (way > 0)).sum(axis=0)
        real = np.maximum(end, 0.0) - np.maximum(begin, 0.0)
        lacking += np.abs(slope * (end - begin) - real).mean()
        sizes += np.abs(slope[:, None] * (seen - usual) * stock).mean(axis=0).sum()
    assert found.error == pytest.approx(lacking / sizes, rel=1e-3)


def test_a_policy_that_never_answers_is_made_of_nothing() -> None:
    agent: Any = type("Agent", (), {"policy": Linear(np.zeros((2, LAYOUT.n_columns)))})()
    seen = np.random.default_rng(0).normal(size=(9, LAYOUT.n_columns))
    found = integrated_gradients(agent, seen, LAYOUT, n_days=3)
    assert set(found.own.values()) == {0.0}
    assert found.n_days == 3


def test_without_captum_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finai_rl.evaluation.attribution.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'finai_rl\[attribution\]'"):
        require_captum()

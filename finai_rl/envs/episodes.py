"""Where episodes start and end, and what is remembered of them."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


class EpisodeWindows:
    """Draws the days of each environment's next episode from a generator of its own.

    Args:
        n_days: Days in the market.
        n_envs: Number of environments.
        episode_days: Most days in an episode, both ends included; a shorter market, or None,
            makes every episode span all days.
        random_start: Whether windows start on a random day rather than on the first.

    Raises:
        ValueError: If an episode has no step, or a random start has no window to move.
    """

    def __init__(
        self, n_days: int, n_envs: int, episode_days: int | None, random_start: bool
    ) -> None:
        if episode_days is not None and episode_days < 2:
            raise ValueError(
                f"episode_days must be at least 2, or null for the whole block, got {episode_days}"
            )
        if episode_days is not None and episode_days > n_days:
            log.info(
                "Episodes span all %d days of this block: it is shorter than episode_days=%d",
                n_days,
                episode_days,
            )
        if random_start and episode_days is None:
            raise ValueError("random_start needs episode_days, e.g. episode_days=252")
        self.length = min(episode_days or n_days, n_days)
        self._starts = n_days - self.length + 1 if random_start else 1
        self._n_envs = n_envs
        self.seed(None)

    def seed(self, seed: int | None) -> None:
        """Seed one generator per environment; None takes fresh entropy."""
        children = np.random.SeedSequence(seed).spawn(self._n_envs)
        self._generators = [np.random.default_rng(child) for child in children]

    def draw(self, env: int) -> tuple[int, int]:
        """Return the first and last day of the environment's next episode."""
        start = int(self._generators[env].integers(self._starts)) if self._starts > 1 else 0
        return start, start + self.length - 1


class Ledger:
    """The day-by-day books of each environment's running episode, in arrays made once.

    Args:
        n_envs: Number of environments.
        length: Days in an episode.
        n_stocks: Number of stocks.
    """

    def __init__(self, n_envs: int, length: int, n_stocks: int) -> None:
        self._account_value = np.zeros((n_envs, length))
        self._cash = np.zeros((n_envs, length))
        self._shares = np.zeros((n_envs, length, n_stocks))
        self._trades = np.zeros((n_envs, length, n_stocks))
        self._costs = np.zeros((n_envs, length))

    def open(self, env: int, account_value: float, cash: float, shares: FloatArray) -> None:
        """Start an episode's books with what the account holds on its first day."""
        self._account_value[env, 0] = account_value
        self._cash[env, 0] = cash
        self._shares[env, 0] = shares

    def enter(
        self,
        envs: IntArray,
        position: IntArray,
        account_value: FloatArray,
        cash: FloatArray,
        shares: FloatArray,
        executed: FloatArray,
        costs: FloatArray,
    ) -> None:
        """Enter a step: what was traded the day before, and what is held on day ``position``."""
        self._account_value[envs, position] = account_value[envs]
        self._cash[envs, position] = cash[envs]
        self._shares[envs, position] = shares[envs]
        self._trades[envs, position - 1] = executed[envs]
        self._costs[envs, position - 1] = costs[envs]

    def close(self, env: int, first_day: int, last_day: int) -> dict[str, Any]:
        """Return copies of an episode's books, with the days they are about.

        Returns:
            ``days`` (n,), ``account_value`` (n,), ``cash`` (n,), ``shares`` (n, n_stocks),
            ``trades`` (n-1, n_stocks) and ``costs`` (n-1,).
        """
        n = last_day - first_day + 1
        return {
            "days": np.arange(first_day, last_day + 1),
            "account_value": self._account_value[env, :n].copy(),
            "cash": self._cash[env, :n].copy(),
            "shares": self._shares[env, :n].copy(),
            "trades": self._trades[env, : n - 1].copy(),
            "costs": self._costs[env, : n - 1].copy(),
        }

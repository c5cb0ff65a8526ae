"""Where episodes start and end, and what is remembered of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finai_rl.type_aliases import FloatArray

log = logging.getLogger(__name__)


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

    Example:
        >>> windows = EpisodeWindows(n_days=10, n_envs=1, episode_days=4, random_start=False)
        >>> windows.draw(env=0)
        (0, 3)
        >>> windows = EpisodeWindows(n_days=10, n_envs=1, episode_days=4, random_start=True)
        >>> windows.seed(0)
        >>> first, last = windows.draw(env=0)
        >>> last - first
        3
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


def statistics(account: Mapping[str, Any], borrows: bool) -> dict[str, float]:
    """Return what an episode's end says of its account.

    Args:
        account: Fields of :data:`~finai_rl.envs.kernels.stepping.ACCOUNT`, as Python's numbers.
        borrows: Whether it may be short.

    Returns:
        account_value, turnover (mean daily one-way, a fraction of account value), cost, trades; of
        one that borrows financing and margin_calls.
    """
    days = max(account["day"] - account["first_day"], 1)
    found: dict[str, float] = {
        "account_value": account["value"],
        "turnover": account["turnover"] / days,
        "cost": account["cost"],
        "trades": account["trades"],
    }
    if borrows:
        found |= {"financing": account["financing"], "margin_calls": account["margin_calls"]}
    return found


class Ledger:
    """The day-by-day books of each environment's running episode, in arrays made once.

    Args:
        n_envs: Number of environments.
        length: Days in an episode.
        fill_price: (n_days - 1, n_stocks) prices at which a day's orders are executed.
        delisting_loss: Fraction that is lost of what is held of a stock when it is delisted; None
            where none ever is.

    Example:
        >>> ledger = Ledger(n_envs=1, length=3, fill_price=np.ones((9, 2)))
        >>> ledger.open(0, account_value=100.0, cash=100.0, shares=np.zeros(2))
        >>> books = ledger.close(0, first_day=4, last_day=4)
        >>> books["days"], books["cash"]
        (array([4]), array([100.]))
    """

    def __init__(
        self, n_envs: int, length: int, fill_price: FloatArray, delisting_loss: float | None = None
    ) -> None:
        n_stocks = fill_price.shape[1]
        self._fill_price, self._delisting_loss = fill_price, delisting_loss
        self._account_value = np.zeros((n_envs, length))
        self._cash = np.zeros((n_envs, length))
        self._shares = np.zeros((n_envs, length, n_stocks))
        self._trades = np.zeros((n_envs, length, n_stocks))
        self._costs = np.zeros((n_envs, length))
        self._financing = np.zeros((n_envs, length))
        if delisting_loss is not None:
            self._settled = np.zeros((n_envs, length, n_stocks))

    def open(self, env: int, account_value: float, cash: float, shares: FloatArray) -> None:
        """Start an episode's books with what the account holds on its first day."""
        self._account_value[env, 0] = account_value
        self._cash[env, 0] = cash
        self._shares[env, 0] = shares

    def enter(
        self,
        before: NDArray[np.void],
        after: NDArray[np.void],
        shares: FloatArray,
        executed: FloatArray,
        settled: FloatArray | None = None,
    ) -> None:
        """Enter a step: what was traded the day before, and what is held on the day after.

        Args:
            before: (n_envs,) accounts before, with ``first_day``, ``day``, ``cost``, ``financing``.
            after: (n_envs,) accounts after, with ``value`` and ``cash`` too; those whose day has
                not moved are left out.
            shares: (n_envs, n_stocks) holdings after.
            executed: (n_envs, n_stocks) shares traded.
            settled: (n_envs, n_stocks) shares of delisted stocks among them; None for none.
        """
        envs = np.flatnonzero(after["day"] > before["day"])
        position = (after["day"] - after["first_day"])[envs]
        self._account_value[envs, position] = after["value"][envs]
        self._cash[envs, position] = after["cash"][envs]
        self._shares[envs, position] = shares[envs]
        self._trades[envs, position - 1] = executed[envs]
        self._costs[envs, position - 1] = (after["cost"] - before["cost"])[envs]
        self._financing[envs, position - 1] = (after["financing"] - before["financing"])[envs]
        if settled is not None:
            self._settled[envs, position - 1] = settled[envs]

    def get_state(self) -> dict[str, FloatArray]:
        """Return copies of the books of all running episodes, by name."""
        return {name: array.copy() for name, array in self._books().items()}

    def set_state(self, state: dict[str, FloatArray]) -> None:
        """Put the books where `get_state` found them."""
        for name, array in self._books().items():
            array[:] = state[name]

    def _books(self) -> dict[str, FloatArray]:
        apart = ("_fill_price", "_delisting_loss")
        return {name: array for name, array in vars(self).items() if name not in apart}

    def close(self, env: int, first_day: int, last_day: int) -> dict[str, Any]:
        """Return copies of an episode's books, with the days they are about.

        Returns:
            ``days`` (n,), ``account_value`` (n,), ``cash`` (n,), ``shares`` (n, n_stocks),
            ``trades`` (n-1, n_stocks), the prices they were executed at as ``fill_price``
            (n-1, n_stocks), what they cost as ``costs`` (n-1,), and borrow fees as ``financing``
            (n-1,). Where stocks may be delisted also ``settled`` (n-1, n_stocks), the shares whose
            sale among the trades no order asked for, and ``losses`` (n-1,) on them.
        """
        n = last_day - first_day + 1
        books = {
            "days": np.arange(first_day, last_day + 1),
            "account_value": self._account_value[env, :n].copy(),
            "cash": self._cash[env, :n].copy(),
            "shares": self._shares[env, :n].copy(),
            "trades": self._trades[env, : n - 1].copy(),
            "fill_price": self._fill_price[first_day:last_day].copy(),
            "costs": self._costs[env, : n - 1].copy(),
            "financing": self._financing[env, : n - 1].copy(),
        }
        if self._delisting_loss is not None:
            settled = self._settled[env, : n - 1].copy()
            worth = np.maximum(settled * books["fill_price"], 0.0)
            books |= {"settled": settled, "losses": self._delisting_loss * worth.sum(axis=1)}
        return books

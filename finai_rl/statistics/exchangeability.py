"""Whether new returns still look like earlier ones: a test that may be looked at after each day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finai_rl.type_aliases import FloatArray

_EPSILON = (np.arange(1000) + 0.5) / 1000
"""Midpoints of the exponents that the mixture averages over."""

EVIDENCE = 20.0
"""Wealth that by luck is ever reached with a probability of at most 5 % (Ville's inequality)."""


@dataclass(frozen=True)
class ExchangeabilityTest:
    """What the test has found so far.

    Attributes:
        wealth: (n_live,) after each live return: what a bet of 1 against the hypothesis that it was
            drawn as the earlier ones were has become. 20 is evidence at the level of 5 %.
        p_values: (n_live,) of each live return: the share of all returns so far that are as low.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> test = exchangeability_test(rng.normal(0.001, 0.01, 500), rng.normal(-0.02, 0.01, 40))
        >>> test.highest > 20
        True
    """

    wealth: FloatArray
    p_values: FloatArray

    @property
    def highest(self) -> float:
        """Highest wealth so far, 1 before any return.

        Under the hypothesis it ever reaches c with a probability of at most 1 / c (Ville).
        """
        return max(1.0, float(self.wealth.max(initial=1.0)))

    @property
    def is_lower(self) -> bool:
        """Whether there is evidence, at the level of 5 %, that live returns are lower."""
        return self.highest >= EVIDENCE

    @property
    def p_value(self) -> float:
        """The probability of as high a wealth by luck, however often it is looked at; at most."""
        return min(1.0, 1.0 / self.highest)


def exchangeability_test(
    earlier: Sequence[float] | FloatArray, live: Sequence[float] | FloatArray, seed: int = 0
) -> ExchangeabilityTest:
    r"""Test, after each live return, whether live returns are lower than earlier ones.

    Each live return gets a conformal p-value among all returns before it and itself,

    .. math:: p_n = \frac{\#\{i \le n : r_i < r_n\} + \theta_n \#\{i \le n : r_i = r_n\}}{n}

    with :math:`\theta_n` uniform, and bets against small ones by the simple mixture martingale,

    .. math:: M_n = \int_0^1 \prod_{i \le n} \epsilon p_i^{\epsilon - 1} d\epsilon

    Where live returns are exchangeable with the earlier ones, it is a martingale that starts at 1.
    (Vovk, Nouretdinov and Gammerman 2003, "Testing exchangeability on-line"; Ville 1939.) Returns
    that hang together over days are not exchangeable in full: with them it is a rough guide.

    Args:
        earlier: (n_earlier,) returns of the backtest.
        live: (n_live,) returns since, in order.
        seed: Of the uniforms that part equal returns.

    Returns:
        Nothing bet, all wealth 1, where there is no earlier return.
    """
    known, live = np.asarray(earlier, dtype=np.float64), np.asarray(live, dtype=np.float64)
    if not len(known) or not len(live):
        return ExchangeabilityTest(np.ones(len(live)), np.ones(len(live)))
    uniforms = np.random.default_rng(seed).uniform(size=len(live))
    p_values = np.empty(len(live))
    for n, (value, uniform) in enumerate(zip(live, uniforms, strict=True)):
        so_far = np.concatenate([known, live[: n + 1]])
        below, equal = (so_far < value).sum(), (so_far == value).sum()
        p_values[n] = (below + uniform * equal) / len(so_far)
    p_values = np.maximum(p_values, np.finfo(np.float64).tiny)
    bets = np.log(_EPSILON)[None] + np.log(p_values)[:, None] * (_EPSILON - 1)[None]
    logs = bets.cumsum(axis=0)
    top = logs.max(axis=1)
    wealth = np.exp(np.minimum(top + np.log(np.exp(logs - top[:, None]).mean(axis=1)), 700.0))
    return ExchangeabilityTest(wealth, p_values)

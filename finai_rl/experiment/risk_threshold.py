"""How many days a turbulence threshold closes: told before training, refused where it is all."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from finai_rl.errors import ConfigError
from finai_rl.experiment.environments import in_finrls_arithmetic
from finai_rl.type_aliases import FloatArray

if TYPE_CHECKING:
    from finai_rl.data.market import MarketData
    from finai_rl.data.split import Split
    from finai_rl.experiment.environments import Environments

log = logging.getLogger(__name__)

SETTING = "turbulence_threshold"
WARNED_SHARE = 0.5
"""Of the days: where more of them are closed, a threshold is hardly meant so."""
QUANTILE = 0.99


@dataclass(frozen=True)
class ClosedDays:
    """On how many of the days that an account can trade nothing may be bought.

    Attributes:
        closed: Days whose risk index is at or above the threshold.
        days: All days on which orders are given: of each block all but the last.

    Example:
        >>> from finai_rl.data import synthetic_market
        >>> market = synthetic_market(n_days=20, n_stocks=2)
        >>> ClosedDays.of([market], threshold=0.0, free_start=False)
        ClosedDays(closed=19, days=19)
    """

    closed: int
    days: int

    @classmethod
    def of(
        cls, blocks: Sequence[MarketData], threshold: float | None, *, free_start: bool
    ) -> ClosedDays:
        """Count them.

        Args:
            blocks: The blocks, each with a risk index.
            threshold: The threshold; None closes no day.
            free_start: Whether the index counts as 0 on the first day, as in FinRL.
        """
        closed = days = 0
        for block in blocks:
            risk = _risk(block)[:-1].copy()
            if free_start:
                risk[0] = 0.0
            closed += 0 if threshold is None else int((risk >= threshold).sum())
            days += len(risk)
        return cls(closed, days)

    @property
    def share(self) -> float:
        """Closed days over all days."""
        return self.closed / self.days

    def of_all(self, kind: str) -> str:
        """Return the count in words."""
        return f"{self.closed:,} of {self.days:,} {kind} days ({100 * self.share:.1f} %)"


def check_risk_threshold(environments: Environments, split: Split) -> None:
    """Tell on which share of the days nothing may be bought; warn where it is most of them.

    A threshold that closes no day at all is told, too: it has no effect.

    Args:
        environments: Of the run; ``evaluation.env`` may set another threshold for validation.
        split: The days that are trained and validated on.

    Raises:
        ConfigError: If the risk index is at or above the threshold on every training day, so that
            the agent could never buy anything.
    """
    of_training, of_validation = environments.cfg.env, environments.evaluation_settings
    threshold = of_training.get(SETTING)
    if split.train.risk is None or (threshold is None and of_validation.get(SETTING) is None):
        return
    training = _closed(split.train_blocks, of_training)
    validation = _closed(split.validation_blocks, of_validation)
    index = split.train.risk_name or "the risk index"
    advice = _advice(split.train_blocks, index)
    if threshold is not None and training.closed == training.days:
        raise ConfigError(
            [
                f"env.{SETTING}: {index} is at or above {threshold:.10g} on all "
                f"{training.days:,} training days, so nothing could ever be bought; {advice}; "
                "null ignores the index"
            ]
        )
    shown = _shown(threshold, of_validation.get(SETTING))
    if training.closed == validation.closed == 0:
        log.info("%s has no effect: %s is below it on every day; %s", shown, index, advice)
        return
    told = (
        f"{shown}: nothing may be bought on {training.of_all('training')} and on "
        f"{validation.of_all('validation')}"
    )
    if max(training.share, validation.share) > WARNED_SHARE:
        log.warning("%s; %s", told, advice)
    else:
        log.info("%s", told)


def _closed(blocks: Sequence[MarketData], settings: Mapping[str, Any]) -> ClosedDays:
    free_start = in_finrls_arithmetic(settings)
    return ClosedDays.of(blocks, settings.get(SETTING), free_start=free_start)


def _shown(training: float | None, validation: float | None) -> str:
    if training == validation:
        return f"env.{SETTING}={training:.10g}"
    settings = {f"env.{SETTING}": training, f"evaluation.env.{SETTING}": validation}
    return ", ".join(
        f"{name}={'null' if value is None else f'{value:.10g}'}" for name, value in settings.items()
    )


def _advice(blocks: Sequence[MarketData], index: str) -> str:
    """Name a value that few training days reach; later days are not to be known."""
    risk = np.concatenate([_risk(block) for block in blocks])
    value = _just_above(float(np.quantile(risk, QUANTILE, method="lower")))
    share = 100 * float((risk < float(value)).mean())
    return (
        f"{share:.1f} % of the training days lie below {value} "
        f"({index}: median {np.median(risk):.4g}, largest {risk.max():.4g})"
    )


def _just_above(value: float) -> str:
    """Return the next number of four digits above a value, in figures."""
    digits = 3 - math.floor(math.log10(abs(value))) if value else 3
    step = 10.0**-digits
    return f"{(math.floor(value / step) + 1) * step:.{max(digits, 0)}f}"


def _risk(block: MarketData) -> FloatArray:
    assert block.risk is not None
    return block.risk

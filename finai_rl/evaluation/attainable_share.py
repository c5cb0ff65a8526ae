"""An agent's Sharpe ratio on a scale that ends at what was there to be earned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AttainableShare:
    """Three annualized Sharpe ratios of the same days, net of costs.

    Attributes:
        agent: Of the agent.
        equal_weight: Of equal weight, bought and held.
        attainable: Of the rule that knows what is planted; a lower bound of what can be earned.
        rule: That rule, in words.

    Example:
        >>> found = AttainableShare(agent=2.0, equal_weight=1.0, attainable=4.0)
        >>> found.share, round(found.progress, 2)
        (0.5, 0.33)
        >>> AttainableShare(agent=-1.0, equal_weight=0.5, attainable=0.5).progress is None
        True
    """

    agent: float
    equal_weight: float
    attainable: float
    rule: str = ""

    @property
    def share(self) -> float | None:
        """``agent / attainable``; may be negative; None where nothing was there to be earned."""
        return self.agent / self.attainable if self.attainable > 0 else None

    @property
    def progress(self) -> float | None:
        """How much of the way from equal weight to the attainable the agent went.

        ``(agent - equal weight) / (attainable - equal weight)``; negative below equal weight, None
        where equal weight is as good as what knows.
        """
        way = self.attainable - self.equal_weight
        return (self.agent - self.equal_weight) / way if way > 0 else None

    @property
    def values(self) -> dict[str, float]:
        """What there is of the scale, by the name that a run records it under."""
        found = {
            "attainable_sharpe": self.attainable,
            "attainable_share": self.share,
            "attainable_progress": self.progress,
        }
        return {name: value for name, value in found.items() if value is not None}

    @property
    def words(self) -> str:
        """The scale as a sentence."""
        said = f"Attainable Sharpe ratio: at least {self.attainable:.2f}, by who knows the signal"
        said += f" ({self.rule})" if self.rule else ""
        if self.share is not None:
            said += f"; the agent's {self.agent:.2f} is {self.share:.0%} of it".replace("%", " %")
        if self.progress is not None:
            said += f", {self.progress:.0%} of the way from equal weight's".replace("%", " %")
            said += f" {self.equal_weight:.2f}"
        return f"{said}."


def mean_share(found: Sequence[AttainableShare]) -> AttainableShare:
    """Return the scale whose three Sharpe ratios are means, such as over blocks.

    Args:
        found: At least one.
    """
    rules = list(dict.fromkeys(one.rule for one in found))
    return AttainableShare(
        agent=float(np.mean([one.agent for one in found])),
        equal_weight=float(np.mean([one.equal_weight for one in found])),
        attainable=float(np.mean([one.attainable for one in found])),
        rule=rules[0] if len(rules) == 1 else "",
    )

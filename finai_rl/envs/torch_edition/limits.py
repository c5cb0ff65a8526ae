"""What accounts on tensors do not do, refused before they are made."""

from __future__ import annotations

from finai_rl.envs.market_env import MarketVecEnv

INSTEAD = "leave it, or choose env.backend=compiled"


def refuse_unsupported(market: MarketVecEnv) -> None:
    """Refuse a market whose rules only the compiled accounting has.

    Raises:
        ValueError: Names every such setting.
    """
    terms = market.terms
    asked = {
        "allow_short=true": terms.borrow is not None,
        "impact": terms.impact is not None,
        "data.universe=mask": terms.listed is not None,
        "finrl_compat=true": bool(getattr(market, "finrl_compat", False)),
        "sentiment_modulation": getattr(market, "_modulation", None) is not None,
        "record=true": market._ledger is not None,
    }
    if found := [name for name, here in asked.items() if here]:
        raise ValueError(f"backend=torch has no {', '.join(found)}: {INSTEAD}")

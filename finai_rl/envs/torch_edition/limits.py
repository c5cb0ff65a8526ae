"""What accounts on tensors do not do, refused before they are made."""

from __future__ import annotations

from finai_rl.envs.market_env import MarketVecEnv
from finai_rl.envs.portfolio import PortfolioVecEnv
from finai_rl.envs.stock_trading import StockTradingVecEnv

INSTEAD = "leave it out, or choose backend=compiled"


def refuse_unsupported(market: MarketVecEnv) -> None:
    """Refuse a market whose rules only the compiled accounting has.

    Raises:
        ValueError: Names every such setting.
    """
    if type(market) not in (StockTradingVecEnv, PortfolioVecEnv):
        raise ValueError(
            f"backend=torch steps StockTradingVecEnv and PortfolioVecEnv, not "
            f"{type(market).__name__}, which may trade by rules of its own: choose backend=compiled"
        )
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

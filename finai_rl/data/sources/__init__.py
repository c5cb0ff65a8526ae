"""Where markets come from: each function returns MarketData."""

"""From MarketData to a stepping market; importing this registers the Gymnasium environments."""

import gymnasium

gymnasium.register(
    id="finai_rl/StockTrading-v0",
    entry_point="finai_rl.envs.stock_trading:StockTradingEnv",
)

"""From MarketData to a stepping market; importing this registers the Gymnasium environments."""

import gymnasium

for _name in ("StockTrading", "Portfolio"):
    gymnasium.register(
        id=f"finai_rl/{_name}-v0",
        entry_point=f"finai_rl.envs.gymnasium_api:{_name}Env",
        vector_entry_point=f"finai_rl.envs.gymnasium_api:{_name}VectorEnv",
    )

"""From a source to MarketData; knows nothing of reinforcement learning."""

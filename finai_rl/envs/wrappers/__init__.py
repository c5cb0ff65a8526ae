"""What stands between a market and an agent: segments, windows, normalization."""

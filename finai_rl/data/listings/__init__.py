"""What happens to a listing: splits, and tickers that come and go."""

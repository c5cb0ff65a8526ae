"""Settings by ticker: in the config, or in a file of their own."""

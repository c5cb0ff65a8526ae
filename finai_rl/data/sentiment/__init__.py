"""Sentiment: columns of a table, scored news joined to prices, and simulated scores."""

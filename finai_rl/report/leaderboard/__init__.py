"""The leaderboard over finished runs."""

"""Arrays in, numbers out: returns, inference, and the verdicts that rest on them."""

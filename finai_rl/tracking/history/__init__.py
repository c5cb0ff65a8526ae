"""Finished runs, read back from the tracking store."""

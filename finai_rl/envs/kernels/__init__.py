"""The trading arithmetic, compiled."""

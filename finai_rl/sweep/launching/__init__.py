"""Launchers: how many jobs at once, and jobs on a Ray cluster."""

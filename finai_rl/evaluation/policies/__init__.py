"""Policies that no training made: baselines and random agents."""

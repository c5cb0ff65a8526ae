"""Policies that no training made: baselines, random agents, the oracle."""

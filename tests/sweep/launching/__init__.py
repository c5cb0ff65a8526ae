"""Tests of finai_rl.sweep.launching."""

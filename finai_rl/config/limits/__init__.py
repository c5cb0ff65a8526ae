"""Bounds of settings that no schema of ours describes, and of several settings together."""

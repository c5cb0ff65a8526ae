"""The report of one agent on one block."""

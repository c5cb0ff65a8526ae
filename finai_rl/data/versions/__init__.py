"""Which version of a file: its content, and what DVC and git call it."""

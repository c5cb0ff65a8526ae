"""One run: from a config to its objects, its training, its hold-out, its record."""

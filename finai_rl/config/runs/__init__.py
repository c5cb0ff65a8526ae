"""The runs that a command names: where they are, and what they have recorded of themselves."""

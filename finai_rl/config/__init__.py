"""The bridge to Hydra: from the command line to a checked config and to its objects."""

"""Beside the training of a trial: looks for the pruner, and going on where it was broken off."""

"""The journal of a run: what it has to tell its store, noted in its folder and sent from there."""

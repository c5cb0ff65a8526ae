"""`hydra/launcher=ray`: the jobs of a multirun on a Ray cluster."""

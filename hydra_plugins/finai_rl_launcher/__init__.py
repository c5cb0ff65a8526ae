"""`hydra/launcher=processes`, `ray` and `slurm`: the jobs of a multirun, one by one."""

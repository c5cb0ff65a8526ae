"""Many runs of one experiment: what a hyperparameter search leaves behind."""

"""What a config from elsewhere can do no harm by: targets, variables, secrets, Hydra's own node."""

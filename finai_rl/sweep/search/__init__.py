"""A search by Optuna: what it can be asked for, and what its versions differ in."""

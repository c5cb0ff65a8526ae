"""From raw prices to a feature-engineered table."""

"""From a trained agent and the newest data to its next orders."""

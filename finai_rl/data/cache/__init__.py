"""Split markets kept on disk between runs."""

"""Trained policies as MLflow models."""

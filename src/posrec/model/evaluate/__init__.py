"""Scores, metrics, baselines and diagnostics of a trained model."""

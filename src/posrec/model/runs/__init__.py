"""Trainings as jobs: runs, checkpoints, progress, results."""

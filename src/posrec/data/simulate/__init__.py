"""Simulated reviews with a known truth."""

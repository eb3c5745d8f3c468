"""Run files -> tables."""

"""Measurements behind the figures in docs; `make bench` runs them all."""

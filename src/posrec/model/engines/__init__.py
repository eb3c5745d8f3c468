"""Engines other than plain torch: compiled, stacked."""

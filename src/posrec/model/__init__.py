"""Prepared data sets to runs: encodings, CARCA, training, evaluation."""

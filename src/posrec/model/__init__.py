"""Prepared data sets to runs: encodings, CARCA, training, evaluation."""

import os

# Two packed batches hardly ever have the same number of tokens, yet torch and oneDNN each keep what they prepared for
# the last 1,024 shapes: over a gigabyte that no batch asks for again, and it costs time too. A step has few shapes.
for cache in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
    os.environ.setdefault(cache, "32")

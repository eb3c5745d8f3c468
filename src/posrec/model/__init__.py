"""Prepared data sets to runs: encodings, CARCA, training, evaluation."""

import os
from pathlib import Path

from posrec.plan import environment, ids

# Two packed batches hardly ever have the same number of tokens, yet torch and oneDNN each keep what they prepared for
# the last 1,024 shapes: over a gigabyte that no batch asks for again, and it costs time too. A step has few shapes.
for cache in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
    os.environ.setdefault(cache, "32")

# numba reads it when it is first imported, by the compiled engine.
if folder := environment.compiled_cache(os.environ):
    base = Path(os.environ.get("NUMBA_CACHE_DIR") or ids.store().absolute())
    if base.name != folder:  # a child process inherits it
        os.environ["NUMBA_CACHE_DIR"] = str(base / folder)

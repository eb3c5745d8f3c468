"""Another library's model on a prepared data set: RecTools' SASRec, in a Python environment of its own.

Make the environment once:

    python -m venv .cache/peer
    .cache/peer/bin/pip install torch==2.13.0 'rectools[torch]==0.19.0'

or name another Python that has RecTools in POSREC_PEER_PYTHON. posrec never imports it.
"""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from posrec.data.prepare.prepared import Prepared
from posrec.files import read_json

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("POSREC_PEER_PYTHON", HERE.parent / ".cache/peer/bin/python"))
PARTS = ("train", "validation", "test")


def interactions(data: Prepared) -> pd.DataFrame:
    """user_id, item_id, order (within the user) and part of every interaction that posrec trains or evaluates with."""
    lengths = np.diff(data.offsets)
    users = np.repeat(np.arange(data.n_users), lengths)
    order = np.arange(len(data.items)) - np.repeat(data.offsets[:-1], lengths)
    part = np.full(len(data.items), -1)
    part[order < np.repeat(data.train_length, lengths)] = 0
    part[data.validation[data.validation >= 0]] = 1
    part[data.test[data.test >= 0]] = 2
    table = pd.DataFrame({"user_id": users, "item_id": data.items, "order": order, "part": part})
    return table[table["part"] >= 0].assign(part=lambda rows: rows["part"].map(dict(enumerate(PARTS))))


def measure(arrays: Path, manifest: Path, result: Path) -> dict[str, Any] | None:
    """The row of RecTools' SASRec on prepared data, kept in `result`; None where RecTools isn't installed."""
    if not result.exists():
        if not PYTHON.exists():
            print("RecTools isn't installed; see benchmarks/peer.py. Its last rows are kept.", flush=True)
            return None
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "interactions.csv"
            interactions(Prepared.load(arrays, manifest)).to_csv(table, index=False)
            subprocess.run((str(PYTHON), str(HERE / "peer_rectools.py"), str(table), str(result)), check=True)
    found: dict[str, Any] = read_json(result)
    return found

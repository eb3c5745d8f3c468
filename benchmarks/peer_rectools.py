"""Train and evaluate RecTools' SASRec; runs in RecTools' own environment, see peer.py.

    python benchmarks/peer_rectools.py interactions.csv result.json [epochs]

Width, heads, length, dropout and batch are those of posrec's default recipe. The loss is RecTools' sampled softmax with
256 negatives, the learning rate 1e-3. One thread.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import rectools
import torch
from pytorch_lightning import Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

TOP = 10
EPOCHS = 16


def trainer(epochs: int) -> Trainer:
    """A quiet trainer on one CPU that keeps nothing."""
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    return Trainer(accelerator="cpu", max_epochs=epochs, min_epochs=epochs, enable_checkpointing=False, **quiet)


def dataset(rows: pd.DataFrame) -> Dataset:
    """RecTools' data set of these interactions, in their order."""
    return Dataset.construct(rows[[*Columns.UserItem, Columns.Weight, Columns.Datetime]])


def main(table: str, result: str, epochs: int = EPOCHS) -> None:
    """Train on the training part, recommend from training and validation, and compare with the held-out items."""
    torch.set_num_threads(1)
    rows = pd.read_csv(table).assign(weight=1.0)
    rows["datetime"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rows["order"], unit="D")
    width = {"n_factors": 64, "n_blocks": 1, "n_heads": 2, "session_max_len": 50, "dropout_rate": 0.2}
    loss = {"loss": "sampled_softmax", "n_negatives": 256, "lr": 1e-3, "batch_size": 128}
    model = SASRecModel(**width, **loss, get_trainer_func=lambda: trainer(epochs), recommend_torch_device="cpu")
    began = time.process_time()
    model.fit(dataset(rows[rows["part"] == "train"]))
    trained = time.process_time() - began
    test = rows[rows["part"] == "test"]
    known = dataset(rows[rows["part"] != "test"])
    lists = model.recommend(test["user_id"].unique(), dataset=known, k=TOP, filter_viewed=True)
    total = time.process_time() - began
    hits = lists.merge(test[["user_id", "item_id"]], on=["user_id", "item_id"])
    gains = 1 / torch.log2(torch.tensor(hits[Columns.Rank].to_numpy()) + 1.0)
    cost = f"{epochs} epochs of {trained / epochs:.1f} CPU s"
    row = {
        "model": f"RecTools {rectools.__version__} SASRec, 1 block, {cost}",
        "encoding": "learnt",
        "seeds": 1,
        "NDCG@10": 100 * float(gains.sum()) / len(test),
        "Hit@10": 100 * len(hits) / len(test),
        "sd": "",
        "CPU s": total,
        "still rising": "",
    }
    Path(result).write_text(json.dumps(row))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))

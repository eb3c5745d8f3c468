"""Weights that a study asks to keep, in the store beside the run's blocks. Nothing but tensors is ever loaded."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from posrec.data.prepare.prepared import inputs_of
from posrec.errors import DataError, PosrecError
from posrec.files import sha256, write_bytes
from posrec.model.train import Curve, Weights
from posrec.plan.run import PlannedRun, curve_file, weights_file
from posrec.store import results


def save_weights(run: PlannedRun, curve: Curve, weights: dict[int, Weights]) -> None:
    """Keep the weights of all evaluated epochs, then the curve: it says whose they are, and names their checksums."""
    checksums = {}
    for epoch, state in weights.items():
        path = weights_file(run.stored, epoch)
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_bytes(path, buffer.getvalue())
        checksums[path.name] = sha256(path)
    content = {**run.training_must_say, "inputs": inputs_of(run.data.manifest), "weights": checksums}
    results.write_result(curve_file(run.stored), content, curve_arrays(curve))


def kept_weights(folder: Path, every_epoch: bool, **identity: Any) -> tuple[Curve, dict[int, Path]] | None:
    """The curve and the files of the selected epoch's weights, or of all epochs that were read.

    None where they weren't kept, or are damaged, or not of the training that `identity` says.
    """
    try:
        about, arrays = results.read_result(curve_file(folder), **identity)
        curve = Curve(
            arrays["curve_epoch"].astype(int).tolist(),
            arrays["curve_loss"].tolist(),
            arrays["curve_validation"].tolist(),
            arrays["curve_gradient_mean"].tolist(),
            arrays["curve_gradient_variance"].tolist(),
        )
        paths = {
            epoch: weights_file(folder, epoch) for epoch in (curve.readings() if every_epoch else [curve.best()[0]])
        }
        whole = all(about["weights"][path.name] == sha256(path) for path in paths.values())
        return (curve, paths) if whole else None
    except (PosrecError, OSError, KeyError, ValueError):
        return None


def read_weights(path: Path) -> Weights:
    """The tensors of a weights file. Raises DataError for anything else: code in it is refused, never run."""
    try:
        weights: Weights = torch.load(path, weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch passes on any error of its unpickler
        raise DataError(f"{path}: not a file of weights alone ({type(error).__name__})") from None
    return weights


def curve_arrays(curve: Curve) -> dict[str, np.ndarray]:
    """The curve as float64 arrays (epochs,), as a run's npz has them."""
    columns = ("epoch", "loss", "validation", "gradient_mean", "gradient_variance")
    return {f"curve_{name}": np.array(getattr(curve, name), np.float64) for name in columns}

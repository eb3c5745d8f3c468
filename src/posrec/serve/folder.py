"""The folder of an exported model: what it holds, written as a whole and read with every checksum.

    config.json             settings, versions, metrics; the sha256 of the files below
    seed=<s>.safetensors    the weights of each seed
    attributes.safetensors  attributes and dense features of the items
    items.parquet           ids of items 1 .. I in this order, and their training interactions
    users.parquet           ids of the users that the model was trained on
    README.md               the model card; it may be edited
    histories.parquet       the users' interactions, where they were asked for

Nothing in it is ever unpickled or run.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_of
from safetensors.torch import save as bytes_of
from torch import Tensor

from posrec.errors import DataError, WriteError
from posrec.files import FILES, check_files, read_checked_json, write_bytes, write_checked_json, write_text

LAYOUT = 1  # of the folder
CONFIG, CARD, HISTORIES = "config.json", "README.md", "histories.parquet"
ITEMS, USERS, ATTRIBUTES = "items.parquet", "users.parquet", "attributes.safetensors"
ATTRIBUTE_ARRAYS = ("attribute_offsets", "attribute_ids", "features")
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Exported:
    """What an exported folder holds.

    config: settings and facts (`export.describe`); weights: of each seed; items: (I,) ids of items 1 .. I; popularity:
    (I,) training interactions; users: (U,) ids; attributes: the arrays of `Prepared` about items.
    """

    config: dict[str, Any]
    weights: Mapping[int, Weights]
    items: list[str]
    popularity: np.ndarray
    users: list[str]
    attributes: Mapping[str, np.ndarray]


def write(folder: Path, exported: Exported, card: str, histories: pl.DataFrame | None = None) -> None:
    """Write the folder under a temporary name, then move it into place; an earlier export there is replaced.

    Raises WriteError where something else is there, or where it cannot be written.
    """
    items = pl.DataFrame({"item": exported.items, "interactions": exported.popularity})
    contents = {
        **{f"seed={seed}.safetensors": bytes_of(weights) for seed, weights in exported.weights.items()},
        ATTRIBUTES: bytes_of({name: torch.from_numpy(array) for name, array in exported.attributes.items()}),
        ITEMS: parquet_bytes(items),
        USERS: parquet_bytes(pl.DataFrame({"user": exported.users})),
        **({} if histories is None else {HISTORIES: parquet_bytes(histories)}),
    }
    with _replacing(folder) as draft:
        for name, content in contents.items():
            write_bytes(draft / name, content)
        write_text(draft / CARD, card)
        write_checked_json(draft / CONFIG, exported.config, [draft / name for name in contents])


def read(folder: Path) -> Exported:
    """Read an exported folder. Raises DataError for one that is missing, damaged, edited or of another version."""
    try:
        return _read(folder)
    except DataError as error:
        raise DataError(f"{str(error).split('; ')[0]}; export the model again: `posrec export --help`") from None


def _read(folder: Path) -> Exported:
    if not (folder / CONFIG).is_file():
        raise DataError(f"{folder}: not an exported model: it has no {CONFIG}")
    config = read_checked_json(folder / CONFIG)
    if config.get("layout") != LAYOUT:
        raise DataError(f"{folder / CONFIG}: layout {config.get('layout')!r}, this version of posrec reads {LAYOUT}")
    weights = {seed: folder / f"seed={seed:d}.safetensors" for seed in config["seeds"]}
    names = [path.name for path in weights.values()] + [ATTRIBUTES, ITEMS, USERS]
    check_files(folder / CONFIG, config, names)
    del config[FILES]
    items = pl.read_parquet(folder / ITEMS)
    arrays = _tensors(folder / ATTRIBUTES)
    return Exported(
        config,
        {seed: _tensors(path) for seed, path in weights.items()},
        items["item"].to_list(),
        items["interactions"].to_numpy(),
        pl.read_parquet(folder / USERS)["user"].to_list(),
        {name: arrays[name].numpy() for name in ATTRIBUTE_ARRAYS},
    )


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """A table as the bytes of a Parquet file."""
    buffer = BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _tensors(path: Path) -> Weights:
    try:
        return dict(tensors_of(path.read_bytes()))
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path}: not a file of tensors ({error})") from None


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` at the end, or of which nothing is left."""
    if folder.exists() and not (folder / CONFIG).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise WriteError(f"{folder}: is there and is not an exported model; choose another folder for --out")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written ({error.strerror or error})") from error
    try:
        yield draft
        draft.chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            os.replace(folder, old)
            os.replace(draft, folder)
            shutil.rmtree(old)
        else:
            os.replace(draft, folder)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)

"""Device, engine and precision of a training: `training.numerics`. Never detected, since run ids name them.

A device or engine that this machine lacks is an error before anything is trained.
"""

import importlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version

import torch

from posrec.errors import StudyError
from posrec.study.settings.training import NumericsSettings
from posrec.study.study import Cell

KEY = "training.numerics.device"
ENGINE = "training.numerics.engine"


def device_of(numerics: NumericsSettings) -> torch.device:
    """The device that the settings name. Raises StudyError where this machine lacks it."""
    if numerics.device == "cuda" and (why := without_gpu()):
        raise StudyError(
            f"{KEY}: cuda, but {why}: run the study on a machine with a GPU and a CUDA build of torch "
            f"(docs/guide/gpu.md), or set {KEY}: cpu, which gives the runs other ids"
        )
    return torch.device(numerics.device)


def without_gpu() -> str:
    """Why torch cannot compute on a GPU here; empty where it can."""
    if torch.version.cuda is None:
        return "this torch is a build for the CPU alone"
    return "" if torch.cuda.is_available() else "torch finds no GPU on this machine"


def check_devices(cells: Sequence[Cell]) -> None:
    """Raise StudyError where a cell names a device or an engine that this machine lacks."""
    for numerics in {cell.training.numerics for cell in cells}:
        device_of(numerics)
        check_engine(numerics)


def check_engine(numerics: NumericsSettings) -> None:
    """Raise StudyError where the settings name an engine that this machine lacks."""
    if numerics.engine == "numba" and (why := without_numba()):
        raise StudyError(
            f"{ENGINE}: numba, but {why}: `make setup` or pip install 'posrec[compiled]' installs it; or set "
            f"{ENGINE}: torch, which gives the runs other ids"
        )


def without_numba() -> str:
    """Why the compiled engine is not available here; empty if it is."""
    try:
        importlib.import_module("numba")
    except (ImportError, OSError) as error:
        return f"numba cannot be loaded ({error})"
    return ""


def device_note(cells: Sequence[Cell]) -> str:
    """What a plan prints about the devices and engines that the cells name."""
    try:
        check_devices(cells)
    except StudyError as error:
        return f"not on this machine: {error}"
    named = [cell.training.numerics for cell in cells]
    here = []
    if any(numerics.device == "cuda" for numerics in named):
        here.append(f"{KEY}: cuda is here: {torch.cuda.get_device_name(0)}")
    if any(numerics.engine == "numba" for numerics in named):
        here.append(f"{ENGINE}: numba is here: {version('numba')}")
    return "; ".join(here)


def weights_type(numerics: NumericsSettings) -> torch.dtype:
    """The type of weights, optimiser and evaluation: float32 also where products of training are bfloat16."""
    return torch.float64 if numerics.precision == "fp64" else torch.float32


def training_products(numerics: NumericsSettings) -> AbstractContextManager[object]:
    """Compute matrix products in the settings' precision in this context."""
    if numerics.precision == "bf16":
        return torch.autocast(numerics.device, torch.bfloat16)
    return nullcontext()

"""The parts of a training step that are no matrix products of whole tokens: attention, dropout, activations.

`Kernels` is torch, and the reference. With `training.numerics.engine: numba` a training takes
`compiled.kernels.CompiledKernels`, which computes the same in one pass each; evaluation is torch's either way.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posrec.model.attention import Layout, Relative, attend
from posrec.model.encodings import REGISTRY
from posrec.model.engines.devices import check_engine
from posrec.model.ops.dropout import dropout
from posrec.model.ops.item_updates import DenseUpdate, ItemUpdate
from posrec.study.encodings import find
from posrec.study.settings import NumericsSettings
from posrec.study.study import Cell

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "leaky": lambda x: F.leaky_relu(x, 0.2),
    "silu": F.silu,
    "relu": F.relu,
    "gelu": F.gelu,
    "identity": lambda x: x,
}


class Kernels:
    """By torch's own operations."""

    exact = False  # whether attention takes histories of any length as they are, without padding

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, layout: Layout, rate: float, relative: Relative | None = None
    ) -> Tensor:
        """See `attention.attend`. query: (Tq, H, Dh); key, value: (T, H, Dh). Returns (Tq, D)."""
        return attend(query, key, value, layout, rate, relative)

    def activate(self, x: Tensor, name: str, rate: float) -> Tensor:
        """dropout(act(x)), any shape."""
        return dropout(ACTIVATIONS[name](x), rate)

    def add_dropped(self, y: Tensor, x: Tensor, rate: float) -> Tensor:
        """y + dropout(x), both of one shape."""
        return y + dropout(x, rate)

    def item_update(self, embedding: nn.Parameter, optimiser: torch.optim.AdamW) -> ItemUpdate:
        """What becomes of the item embedding's gradient, (I + 1, D)."""
        return DenseUpdate(embedding)


def make_kernels(numerics: NumericsSettings) -> Kernels:
    """The kernels of the settings' engine. Raises StudyError where this machine lacks it."""
    check_engine(numerics)
    if numerics.engine == "torch":
        return Kernels()
    from posrec.model.engines.compiled.kernels import CompiledKernels  # numba is an extra

    return CompiledKernels()


def attention_note(cells: Sequence[Cell]) -> str:
    """Says for which built-in encodings the compiled engine leaves attention to torch; empty where for none."""
    names = dict.fromkeys(cell.encoding for cell in cells if cell.training.numerics.engine == "numba")
    kinds = {name: find(name).kind for name in names}
    left = [name for name, kind in kinds.items() if not kind.own and REGISTRY[kind.name].acts_on_pairs()]
    return f"attention by torch, the rest by numba: {', '.join(left)} act on its scores or values" if left else ""

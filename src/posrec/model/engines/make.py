"""Which operations a training takes (`training.numerics.engine`): the one place that knows the engines."""

from collections.abc import Sequence

from posrec.model.encodings import REGISTRY
from posrec.model.engines.devices import check_engine
from posrec.model.ops.plain import Ops
from posrec.model.ops.training import TrainingOps
from posrec.study.encodings import find
from posrec.study.settings.training import NumericsSettings
from posrec.study.study import Cell


def make_ops(numerics: NumericsSettings) -> Ops:
    """The operations of the settings' engine for one seed. Raises StudyError where this machine lacks it."""
    check_engine(numerics)
    if numerics.engine == "torch":
        return TrainingOps()
    from posrec.model.engines.compiled.ops import CompiledOps  # numba is an extra

    return CompiledOps()


def attention_note(cells: Sequence[Cell]) -> str:
    """For which built-in encodings the compiled engine leaves attention to torch; empty if for none."""
    names = dict.fromkeys(cell.encoding for cell in cells if cell.training.numerics.engine == "numba")
    kinds = {name: find(name).kind for name in names}
    left = [name for name, kind in kinds.items() if not kind.own and REGISTRY[kind.name].acts_on_pairs()]
    return f"attention by torch, the rest by numba: {', '.join(left)} act on its scores or values" if left else ""

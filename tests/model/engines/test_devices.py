"""The engine makes no tensor on another device than its model's: shown on torch's meta device, which computes nothing.

That is all that can be shown of a GPU without one; what a GPU computes is tests/model/test_cuda.py.
"""

import sys
from importlib.metadata import version
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from posrec.data.prepare.prepared import Prepared
from posrec.errors import StudyError
from posrec.model.carca import Carca
from posrec.model.engines import devices
from posrec.model.engines.stacked import model as stacked
from posrec.model.engines.stacked.batches import stack_batches
from posrec.model.evaluate.released import slot_scores
from posrec.model.evaluate.sampled import SampledScorer
from posrec.model.evaluate.score import model_scores, requests_of
from posrec.model.train import Training, build_model
from posrec.study.protocols import EvaluationSwitches
from posrec.study.settings.training import NumericsSettings
from tests.model.conftest import make_candidates, make_cell, make_data

META = torch.device("meta")
COPIES = ("aten::_to_copy", "aten::copy_")
FORMS: list[dict[str, Any]] = [
    {"encoding": "learnt_con", "loss": "ce", "negatives": 3},
    {"encoding": "rope", "upper_bound": 1.0, "decoder_positions": True},
    {"encoding": "rmha4", "decoder_positions": True},
    {"encoding": "t5_bias", "head": "dot", "loss": "gbce", "negatives": 2},
    {"encoding": "time_interval"},
    {"encoding": "alibi", "protocol": "sound_last"},
    {"encoding": "rope", "protocol": "released"},
    {"encoding": "rmha4", "protocol": "released"},
]


class OneDevice(TorchDispatchMode):
    """Within, no operation but a copy may mix devices: a number alone may lie anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        used = {one.device.type for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor) and one.dim() > 0}
        assert func.name() in COPIES or len(used) < 2, f"{func.name()} of tensors on {sorted(used)}"
        self.seen += used == {"meta"}
        return func(*args, **(kwargs or {}))


def on_meta(data: Prepared, dropout: float = 0.3, **settings: Any) -> tuple[Carca, Training]:
    """A model on the meta device, and a training of its cell on the CPU."""
    training = Training(make_cell(dropout=dropout, **settings), data, 1)
    return build_model(training.cell, data, 1).to(META), training


def test_the_check_sees_a_mixture() -> None:
    with OneDevice(), pytest.raises(AssertionError, match=r"aten::index_select of tensors on \['cpu', 'meta'\]"):
        torch.empty(3, 4, device=META).index_select(0, torch.arange(2))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_a_step_stays_on_its_device(data: Prepared, form: dict[str, Any]) -> None:
    model, training = on_meta(data, **form)
    with OneDevice() as seen:
        batch = next(training.sampler.epoch()).to(META)
        model.bound_embedding(batch.items.ids)
        loss = training.loss_of(model(batch.items, batch.tokens, batch.layout), batch)
        loss.backward()
    assert loss.device == META
    assert seen.seen > 100


@pytest.mark.parametrize("form", FORMS[:6], ids=lambda form: "-".join(map(str, form.values())))
def test_a_step_of_stacked_seeds_stays_on_its_device(data: Prepared, form: dict[str, Any]) -> None:
    cell = make_cell(dropout=0.3, **form)
    trainings = [Training(cell, data, seed, stacked=True) for seed in (1, 2)]
    samplers = [training.sampler for training in trainings]
    batches = [next(sampler.epoch_parts()) for sampler in samplers]
    for training in trainings:
        training.model.to(META)
        training.dropout_stream = Still()
    stack = stacked.Stack(trainings)
    with OneDevice() as seen, stack.computing():
        losses = stack.losses(stack_batches(samplers, batches).to(META))
        losses.sum().backward()
        norms = stack.gradient_norms()
    assert (losses.device, norms.device) == (META, META)
    assert seen.seen > 100


class Still(torch.Generator):
    """A generator that says to be on the meta device, where nothing is drawn."""

    device = META


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_evaluation_stays_on_its_device(form: dict[str, Any]) -> None:
    data = make_data(users=12)
    model, _ = on_meta(data, **form)
    requests, switches = requests_of(data.test), EvaluationSwitches(candidate_position_test="released")
    with torch.no_grad(), OneDevice() as seen:
        blocks = [block for _, block in model_scores(model, data, requests)]
        negatives = make_candidates(data).test
        blocks += [block for _, block in slot_scores(model, data, requests, negatives, switches)]
        if not model.decoder_positions:
            blocks += [block for _, block in SampledScorer(model, data).score_listed(requests, negatives)]
    assert {block.device for block in blocks} == {META}
    assert seen.seen > 100


def test_numerics_say_device_type_and_products() -> None:
    assert devices.device_of(NumericsSettings()) == torch.device("cpu")
    assert devices.weights_type(NumericsSettings(precision="fp64")) == torch.float64
    assert devices.weights_type(NumericsSettings(precision="bf16")) == torch.float32
    x = torch.ones(2, 2)
    for precision, expected in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with devices.training_products(NumericsSettings(precision=precision)):  # type: ignore[arg-type]
            assert (x @ x).dtype == expected


def test_a_plan_says_whether_the_gpu_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [make_cell(numerics={"device": "cuda"})]
    monkeypatch.setattr("torch.version.cuda", "12.8")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert devices.device_note(cells).startswith(
        "not on this machine: training.numerics.device: cuda, but torch finds no GPU"
    )
    with pytest.raises(StudyError):
        devices.check_devices(cells)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda number: "a GPU")
    assert devices.device_note(cells) == "training.numerics.device: cuda is here: a GPU"


def test_a_plan_says_whether_numba_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [make_cell(numerics={"engine": "numba"})]
    assert devices.device_note(cells) == f"training.numerics.engine: numba is here: {version('numba')}"
    monkeypatch.setitem(sys.modules, "numba", None)
    assert devices.device_note(cells).startswith(
        "not on this machine: training.numerics.engine: numba, but numba cannot be"
    )
    with pytest.raises(StudyError):
        build_model(cells[0], make_data(), 1)

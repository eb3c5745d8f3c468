"""The compiled operations against torch's: values, gradients, dropout; where they act and where they do not.

That training with them is that of the equations is tests/model/test_packed_training.py.
"""

import copy
import math
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.errors import StudyError
from posrec.model import batches
from posrec.model.attention import Group, Packing, Relative, exact_group
from posrec.model.batches import ROWS
from posrec.model.encodings import Shape, build_encoding
from posrec.model.engines import devices
from posrec.model.engines.compiled import loops
from posrec.model.engines.compiled.compiler import REORDERED
from posrec.model.engines.compiled.item_updates import RowUpdate
from posrec.model.engines.compiled.ops import CompiledOps
from posrec.model.engines.make import attention_note
from posrec.model.evaluate.score import model_scores, requests_of
from posrec.model.ops.dropout import draw
from posrec.model.ops.training import TrainingOps
from posrec.model.runs import jobs
from posrec.model.runs.failures import TrainingFailed
from posrec.model.train import Training, build_model, train_run
from tests.model.conftest import make_cell
from tests.model.test_batches import users_of
from tests.model.test_repeatable import run_files, start_over
from tests.model.toy import make_study

TORCH, NUMBA = TrainingOps(), CompiledOps()
NUMERICS = {"precision": "fp64", "engine": "numba"}
RELEASED = {"name": "seeded", "base": "released", "seeding": "sound"}  # else each run id has weights of its own


@numba.njit(fastmath=REORDERED)
def reordered_exponential(x: float) -> float:
    """As the loops of attention call it: they may take sums in another order, the exponential must not. Not cached."""
    return loops.exponential(x)


@given(st.floats(-1e9, 0))
@example(-299.0)
def test_the_exponential_is_exact_whoever_calls_first(x: float) -> None:
    exact = math.exp(max(x, loops.SMALLEST))
    assert math.isclose(reordered_exponential(x), exact, rel_tol=1e-14)
    assert math.isclose(loops.exponential(x), exact, rel_tol=1e-14)


def test_the_exponential_is_compiled_in_the_order_in_which_it_is_written() -> None:
    """In a process of its own: whoever calls first decides, unless the function says it."""
    code = """
        from tests.model.engines.test_compiled import loops, reordered_exponential
        print(repr(reordered_exponential(-299.0)), repr(loops.exponential(-299.0)))
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [repr(math.exp(-299.0))] * 2


def plain_attention(q: Tensor, k: Tensor, v: Tensor, layout: list[Group], rate: float, in_decoder: bool) -> Tensor:
    """User by user, head by head, as the equation reads, with the bits in the same order. Returns (Tq, D)."""
    counts = [group.queries if in_decoder else group.keys for group in layout for _ in range(group.users)]
    sizes = [group.keys for group in layout for _ in range(group.users)]
    pairs = q.shape[1] * int(np.dot(counts, sizes))
    bits, below, scale = draw(pairs, rate, q.device) if rate else (torch.zeros(pairs), 0, 1.0)
    kept = (bits >= below).to(q.dtype) * scale
    rows, used = [], 0
    users = zip(q.split(counts), k.split(sizes), v.split(sizes), strict=True)
    for of_queries, of_keys, of_values in users:
        m, n = len(of_queries), len(of_keys)
        hidden = torch.arange(n) > torch.arange(m)[:, None] % n if layout[0].causal else torch.zeros(m, n).bool()
        heads = []
        for head in range(q.shape[1]):
            scores = of_queries[:, head] @ of_keys[:, head].T / math.sqrt(q.shape[2])
            mask = kept[used : used + m * n].view(m, n)
            heads.append((scores.masked_fill(hidden, -torch.inf).softmax(1) * mask) @ of_values[:, head])
            used += m * n
        rows.append(torch.cat(heads, 1))
    return torch.cat(rows)


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 6)), min_size=1, max_size=3, unique_by=lambda g: g[1]),
    heads=st.integers(1, 3),
    width=st.sampled_from([1, 4, 30]),
    causal=st.booleans(),
    in_decoder=st.booleans(),
    rate=st.sampled_from([0.0, 0.4]),
    seed=st.integers(0, 1000),
)
def test_attention_and_its_gradients(
    groups: list[tuple[int, int]], heads: int, width: int, causal: bool, in_decoder: bool, rate: float, seed: int
) -> None:
    layout = [exact_group(users, keys, 2 * keys, causal) for users, keys in groups]
    tokens = sum(users * keys for users, keys in groups)
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2 * tokens if in_decoder else tokens, heads, width), *[(tokens, heads, width)] * 2]
    qkv = [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]
    found, expected = [], []
    relative = None if in_decoder else relative_of_none()
    for into, attend in (
        (found, lambda: NUMBA.attend(*qkv, layout, rate, relative)),
        (expected, lambda: plain_attention(*qkv, layout, rate, in_decoder)),
    ):
        torch.manual_seed(seed)
        y = attend()
        weights = torch.arange(y.numel(), dtype=y.dtype).view(y.shape).sin()  # no gradient is that of another place
        into += [y, *torch.autograd.grad((y * weights).sum(), qkv)]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def relative_of_none() -> Relative:
    """What an encoder's attention is told of an encoding that adds nothing."""
    return Relative(build_encoding("none", Shape(4, 1, 1, 6), torch.Generator()), 0)


def test_attention_of_one_user_by_hand() -> None:
    """Scores ln 1 and ln 3 of two keys: weights 1/4 and 3/4; the first step sees itself alone."""
    q, v = torch.tensor([[[1.0]], [[1.0]]], requires_grad=True), torch.tensor([[[8.0]], [[16.0]]])
    k = torch.tensor([[[0.0]], [[math.log(3)]]])
    y = NUMBA.attend(q, k, v, [exact_group(1, 2, 4, True)], 0.0, relative_of_none())
    torch.testing.assert_close(y.detach(), torch.tensor([[8.0], [14.0]]))


def test_what_is_no_number_stays_none() -> None:
    for bad in (math.nan, math.inf):
        q, k, v = (torch.ones(3, 1, 4, requires_grad=True) for _ in range(3))
        with torch.no_grad():
            k[1, 0, 2] = bad
        y = NUMBA.attend(q, k, v, [exact_group(1, 3, 6, True)], 0.0, relative_of_none())
        assert y[0].isfinite().all()  # the first step does not see it
        assert y[1:].isnan().all()


@pytest.mark.parametrize("name", ["leaky", "relu", "identity", "silu", "gelu"])
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("number", [torch.float32, torch.float64])
def test_activation_with_dropout_is_torchs(name: str, rate: float, number: torch.dtype) -> None:
    x = torch.linspace(-2, 2, 7 * 13, dtype=number).view(7, 13).requires_grad_()
    results = []
    for ops in (NUMBA, TORCH):
        torch.manual_seed(1)
        y = ops.activate(x, name, rate)
        results.append((y, *torch.autograd.grad((y * x.detach()).sum(), x), torch.get_rng_state()))
    for one, other in zip(*results, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_dropout_with_a_residual_is_torchs(rate: float) -> None:
    x, y = (torch.randn(7, 13, generator=torch.Generator().manual_seed(n)).requires_grad_() for n in (1, 2))
    results = []
    for ops in (NUMBA, TORCH):
        torch.manual_seed(1)
        z = ops.add_dropped(y, x, rate)
        results.append((z, *torch.autograd.grad((z * x.detach()).sum(), (x, y)), torch.get_rng_state()))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("encoding", "protocol", "packing"),
    [
        ("learnt", "sound", "exact"),
        ("rope", "sound", "exact"),
        ("learnt_con", "released", "exact"),
        ("rmha4", "sound", "classes"),
        ("time_interval", "sound", "classes"),
        ("rmha4", "released", "padded"),
    ],
)
def test_where_histories_need_no_padding(data: Prepared, encoding: str, protocol: str, packing: Packing) -> None:
    model = build_model(make_cell(encoding, protocol, numerics=NUMERICS), data, 1)
    assert model.packing == packing
    assert build_model(make_cell(encoding, protocol), data, 1).packing != "exact"


@pytest.mark.parametrize("protocol", ["sound", "sound_last"])
@pytest.mark.parametrize("settings", [{}, {"negatives": 3}])
def test_batches_are_the_same_without_their_padding(data: Prepared, protocol: str, settings: dict[str, Any]) -> None:
    samplers = [
        Training(make_cell("learnt", protocol, numerics=numerics, **settings), data, 1).sampler
        for numerics in (NUMERICS, {"precision": "fp64"})
    ]
    for exact, padded in zip(*(sampler.epoch() for sampler in samplers), strict=True):
        users = users_of(padded)
        assert users_of(exact)[: len(users)] == users
        real, slots = ((batch.items.ids[batch.tokens.index] > 0) for batch in (exact, padded))
        assert torch.equal(exact.tokens.context[real], padded.tokens.context[slots])
        assert torch.equal(exact.sign[exact.sign != 0], padded.sign[padded.sign != 0])


def test_users_of_nothing_fill_a_batch_up(data: Prepared) -> None:
    """To a multiple of 64 history slots and distinct items; nobody but the last group has padding."""
    for batch in Training(make_cell("learnt", numerics=NUMERICS), data, 1).sampler.epoch():
        slots = sum(group.users * group.keys for group in batch.layout)
        filling = batch.layout[-1].users
        assert slots % ROWS == len(batch.items.ids) % ROWS == 0
        padding = batch.items.ids[batch.tokens.index] == 0
        assert padding[slots - filling : slots].all()
        assert padding[-2 * filling :].all()
        assert int(padding.sum()) == 3 * filling
        assert int((batch.sign == 0).sum()) == 2 * filling


def test_users_of_nothing_change_nothing(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for rows in (1, 64):
        monkeypatch.setattr(batches, "ROWS", rows)
        training = Training(make_cell("rope", numerics=NUMERICS), data, 1)
        training.train_epoch(lambda: None)
        found.append(training)
    assert found[0].steps.loss == pytest.approx(found[1].steps.loss, rel=1e-12)
    for one, other in zip(*(training.model.parameters() for training in found), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_only_training_is_compiled(data: Prepared) -> None:
    """The scores of the same weights are the same bytes: evaluation is one computation."""
    scores = []
    for engine in ("torch", "numba"):
        model = build_model(make_cell("rope", numerics={"precision": "fp32", "engine": engine}), data, 1)
        scores.append(torch.cat([block for _, block in model_scores(model, data, requests_of(data.test))]))
    assert torch.equal(*scores)


def test_a_loss_that_is_not_finite_ends_the_training(data: Prepared) -> None:
    cell = make_cell("learnt", numerics=NUMERICS, learning_rate=1e200, warmup_steps=0)
    with pytest.raises(TrainingFailed, match="the loss is"):
        train_run(cell, data, 1)


def test_the_same_bytes_again_and_from_a_checkpoint(data: Prepared) -> None:
    cell = make_cell("rope", dropout=0.3, numerics={"engine": "numba"})
    states = []
    whole = train_run(cell, data, 1, after_step=lambda training: states.append(copy.deepcopy(training.state())))
    (epoch, weights), *_ = whole.weights.items()
    for saved in (None, states[1], states[len(states) // 2]):
        again = train_run(cell, data, 1, saved=saved)
        assert again.curve.loss == whole.curve.loss
        assert all(torch.equal(value, again.weights[epoch][name]) for name, value in weights.items())


def test_the_same_files_alone_and_in_company(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = make_study(training={"numerics": {"engine": "numba"}}, encodings=["rope", "rmha4"])
    jobs.train_cells(loaded, loaded.cells)
    first = run_files()
    start_over(monkeypatch, "alone")
    for cell in reversed(loaded.cells):
        for seed in reversed(cell.seeds):
            jobs.train_cells(loaded, [cell], [seed])
    assert run_files() == first
    assert len(first) == 12


def test_a_job_says_what_is_left_to_torch(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = make_study(training={"epochs": 1, "numerics": {"engine": "numba"}}, encodings=["rope", "rmha4", "alibi"])
    jobs.train_cells(loaded, loaded.cells, [1])
    said = capsys.readouterr().out
    assert "training.numerics: cpu, fp32, numba: a separate numerics class with its own run ids." in said
    assert "attention by torch, the rest by numba: rmha4, alibi act on its scores or values" in said
    assert attention_note(make_study().cells) == ""


def test_without_numba_the_error_names_the_key_and_the_way_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    loaded = make_study(training={"numerics": {"engine": "numba"}})
    with pytest.raises(StudyError) as caught:
        jobs.train_cells(loaded, loaded.cells)
    assert str(caught.value).startswith("training.numerics.engine: numba, but numba cannot be loaded (")
    assert "posrec[compiled]" in str(caught.value)
    assert "training.numerics.engine: torch" in str(caught.value)
    assert run_files() == {}
    devices.check_devices(make_study().cells)  # torch needs none


@pytest.mark.parametrize("numerics", [{"device": "cuda"}, {"precision": "bf16"}])
def test_the_engine_is_for_the_cpu_in_full_precision(numerics: dict[str, str]) -> None:
    with pytest.raises(StudyError, match=r"training.numerics: .*engine numba needs device cpu and fp32 or fp64"):
        make_study(training={"numerics": {"engine": "numba", **numerics}})


@pytest.mark.parametrize(("decay", "number"), [(0.0, torch.float64), (0.1, torch.float64), (0.1, torch.float32)])
def test_the_item_embedding_moves_as_by_torchs_optimiser(decay: float, number: torch.dtype) -> None:
    """Ten steps, each with the gradients of some rows, one of them named twice with nothing the second time."""
    generator = torch.Generator().manual_seed(3)
    start = torch.randn(12, 5, generator=generator, dtype=number)
    tables = [torch.nn.Parameter(start.clone()) for _ in range(2)]
    settings = {"lr": 0.1, "eps": 1e-8, "weight_decay": decay, "fused": True}
    plain, own = (torch.optim.AdamW([table], **settings) for table in tables)
    update = RowUpdate(tables[1], own)
    for step in range(10):
        rows = torch.cat([torch.randperm(11, generator=generator)[:4] + 1, torch.zeros(2, dtype=torch.int64)])
        values = torch.randn(6, 5, generator=generator, dtype=number) * (rows > 0)[:, None]
        tables[0].grad = torch.zeros_like(start).index_add_(0, rows, values)
        tables[1].grad = torch.sparse_coo_tensor(rows[None], values, start.shape, check_invariants=True)
        if step == 5:  # as from a checkpoint
            own.load_state_dict(copy.deepcopy(own.state_dict()))
        for optimiser in (plain, own):
            for group in optimiser.param_groups:
                group["lr"] = 0.1 / (1 + step)
        plain.step()
        update.before_step()
        own.step()
        assert tables[1].grad is None
        rounding = 1e-12 if number == torch.float64 else 1e-6
        torch.testing.assert_close(tables[1], tables[0], rtol=rounding, atol=rounding)


def test_the_norm_is_that_of_all_gradients(data: Prepared) -> None:
    norms = []
    for engine in ("torch", "numba"):
        training = Training(make_cell("rope", numerics={"precision": "fp64", "engine": engine}), data, 1)
        training.train_epoch(lambda: None)
        norms.append(training.steps.gradient_norm)
    assert norms[0] == pytest.approx(norms[1], rel=1e-9)


class OneStream:
    """Random bits for dropout that do not depend on how many are drawn at once."""

    def __init__(self) -> None:
        self.bits = torch.from_numpy(np.random.default_rng(7).integers(-(2**15), 2**15, 2_000_000).astype(np.int16))
        self.used = 0

    def draw(self, count: int, rate: float, device: torch.device) -> tuple[Tensor, int, float]:
        """As `dropout.draw`."""
        _, *bounds = draw(0, rate, device)
        self.used += count
        return self.bits[self.used - count : self.used].clone(), *bounds


@pytest.mark.parametrize(
    "form", [{}, {"residual": "sum"}, {"head": "dot"}, {"norm_place": "after"}, {"activation": "silu"}]
)
@pytest.mark.parametrize("encoding", ["learnt_con", "rope"])
def test_training_with_dropout_is_torchs_with_the_same_bits(
    data: Prepared, monkeypatch: pytest.MonkeyPatch, encoding: str, form: dict[str, Any]
) -> None:
    """On the same batches: histories without padding."""
    found = []
    for ops in (NUMBA, TORCH):
        training = Training(make_cell(encoding, dropout=0.4, numerics=NUMERICS, **form), data, 1)
        training.model.use(ops)
        stream = OneStream()
        for place in ("posrec.model.ops.dropout.draw", "posrec.model.engines.compiled.ops.draw"):
            monkeypatch.setattr(place, stream.draw)
        training.train_epoch(lambda: None)
        found.append((training, stream.used))
    (one, used), (other, as_many) = found
    assert used == as_many > 10_000
    assert one.steps.loss == pytest.approx(other.steps.loss, rel=1e-11)
    for ours, its in zip(one.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(ours, its, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    ("encoding", "protocol", "form"),
    [
        ("learnt", "sound_last", {"negatives": 2}),
        ("learnt_con", RELEASED, {}),
        ("rope", RELEASED, {"head": "dot"}),
        ("rope", "sound", {"decoder_positions": True, "upper_bound": 1.0}),
        ("none", "sound", {"loss": "ce", "negatives": 3}),
        ("abs", "sound", {"loss": "gbce", "negatives": 2, "position_start": "begin"}),
        ("learnt", "sound", {"norm": "rms", "weight_decay": 0.1, "context": False}),
        ("rmha4", RELEASED, {}),
        ("time_interval", "sound", {"heads": 3}),
        ("learnt", "sound", {"loss": "shared_softmax", "negatives": 7, "head": "dot"}),
        ("rope", "sound", {"loss": "softmax", "candidate_context": "none"}),
    ],
)
def test_whole_trainings_are_torchs(data: Prepared, encoding: str, protocol: Any, form: dict[str, Any]) -> None:
    """Three epochs in float64 without dropout, in the layout of each engine: losses, readings and trained weights."""
    found = []
    for engine in ("torch", "numba"):
        cell = make_cell(encoding, protocol, numerics={"precision": "fp64", "engine": engine}, **form)
        found.append(train_run(cell, data, 1))
    one, other = found
    assert one.curve.loss == pytest.approx(other.curve.loss, rel=1e-10)
    assert one.curve.validation == pytest.approx(other.curve.validation, rel=1e-10, nan_ok=True)
    assert one.curve.gradient_mean == pytest.approx(other.curve.gradient_mean, rel=1e-8)
    for epoch, weights in one.weights.items():
        for name, value in weights.items():
            torch.testing.assert_close(other.weights[epoch][name], value, rtol=1e-8, atol=1e-9)

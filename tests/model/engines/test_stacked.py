"""Seeds trained at once against one at a time: equal up to rounding without dropout, of one distribution with it."""

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.speed_reference import Work
from benchmarks.speed_reference import make_data as make_dense
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from posrec.data.prepare.prepared import Prepared
from posrec.model.attention import make_group
from posrec.model.engines.stacked import model as stacked
from posrec.model.engines.stacked.batches import GroupSize, common_sizes, fill_up, hiding_group, stack_batches
from posrec.model.engines.stacked.ops import SeedStreams, StackedOps
from posrec.model.evaluate.score import model_scores, requests_of
from posrec.model.ops.dropout import LEVELS
from posrec.model.ops.plain import PLAIN
from posrec.model.train import Training
from posrec.study.protocols import TrainingSwitches
from tests.model.conftest import make_cell
from tests.model.engines.stacks import EPOCHS, SETTINGS, alone, difference, together

SEEDS = (1, 2, 3)
TOLERANCE = 1e-10  # float64, after 7 epochs: parameters and losses, gradient norms relative to their size
ENCODINGS = ("none", "learnt", "rotatory_con", "rope", "rmha4", "alibi", "t5_bias", "time_interval")
SPECIAL: list[dict[str, Any]] = [
    {"head": "dot", "encoding": "rmha4"},
    {"upper_bound": 0.5, "encoding": "learnt"},
    {"decoder_positions": True, "encoding": "rmha4"},
    {"decoder_positions": True, "encoding": "rope", "loss": "gbce", "negatives": 3},
    {"loss": "ce", "negatives": 3, "weight_decay": 0.5},
    {"protocol": "sound_last", "encoding": "relative_bias", "schedule": "linear", "norm": "rms"},
    {"loss": "softmax", "head": "dot", "encoding": "rope"},
    {"loss": "shared_softmax", "negatives": 7, "candidate_context": "none"},
    {"loss": "shared_softmax", "shared_negatives": "in_batch", "head": "dot", "encoding": "learnt_con"},
]


@pytest.fixture(autouse=True)
def no_loop_over_seeds() -> Iterator[None]:
    """torch.vmap warns where it has no rule for an operation and computes one seed after the other."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def assert_equal_to_alone(data: Prepared, epochs: int = EPOCHS, **settings: Any) -> None:
    cell = make_cell(**{**SETTINGS, **settings})
    trainings = together(cell, data, SEEDS, epochs)
    assert trainings[0].progress.step == epochs * trainings[0].sampler.steps
    differences = [difference(one, alone(cell, data, seed, epochs)) for seed, one in zip(SEEDS, trainings, strict=True)]
    assert max(differences) <= TOLERANCE


@pytest.mark.parametrize("number", range(len(ENCODINGS)), ids=ENCODINGS)
def test_seeds_at_once_are_what_they_are_alone(data: Prepared, number: int) -> None:
    assert_equal_to_alone(data, encoding=ENCODINGS[number], head=("carca", "dot")[number % 2])


@pytest.mark.parametrize("settings", SPECIAL, ids=lambda settings: "-".join(map(str, settings.values())))
def test_so_they_are_under_other_settings(data: Prepared, settings: dict[str, Any]) -> None:
    assert_equal_to_alone(data, 4, **settings)


@pytest.mark.parametrize("switch", [name for name in TrainingSwitches.model_fields if name != "targets"])
def test_under_every_released_switch_they_are_equal_or_said_not_to_be_stacked(data: Prepared, switch: str) -> None:
    protocol = {"name": "one", "base": "sound", switch: "released"}
    encoding = {"rope_axis": "rope", "rmha_softmax": "rmha4"}.get(switch, "none")
    why = stacked.unsupported(make_cell(encoding, protocol))
    assert bool(why) == (encoding != "none")
    assert why.startswith(f"{switch}: released" if why else "")
    if not why:
        assert_equal_to_alone(data, 2, protocol=protocol, head="dot" if switch == "dot_head" else "carca")


def test_dense_features_and_many_users() -> None:
    """36 users in batches of 12, with 9 attributes and 3 dense features."""
    dense = make_dense(Work(36, 50, 5, 9, 3, dimension=8, heads=2, blocks=2, max_length=6, batch_size=12))
    assert_equal_to_alone(dense, 4, encoding="learnt_con", batch_size=12)


def test_the_seeds_differ(data: Prepared) -> None:
    """Else the tests above could compare one seed with itself."""
    cell = make_cell(**SETTINGS)
    one, other = together(cell, data, (1, 2), epochs=1)
    assert difference(one, other) > 0.01


def test_training_moves_the_parameters(data: Prepared) -> None:
    """By a thousandth at the least: ten million times the tolerance."""
    cell = make_cell(**SETTINGS)
    (trained,), before = together(cell, data, (1,)), Training(cell, data, 1)
    moved = [
        (before.model.state_dict()[name] - value).abs().max() for name, value in trained.model.state_dict().items()
    ]
    assert max(moved) > 1e-3


def test_a_seed_that_fails_touches_no_other(data: Prepared) -> None:
    cell = make_cell(dropout=0.3)
    trainings, again = ([Training(cell, data, seed, stacked=True) for seed in SEEDS] for _ in range(2))
    with torch.no_grad():
        again[1].model.item_weight[0, 0] = torch.nan
    assert stacked.train_epoch(trainings) == [None, None, None]
    first, failed, last = stacked.train_epoch(again)
    assert (first, last) == (None, None)
    assert failed is not None
    assert (failed.step, failed.reason) == (1, "the loss is nan")
    assert [difference(trainings[place], again[place]) for place in (0, 2)] == [0.0, 0.0]


def test_what_the_models_code_raises_fails_the_stack(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = make_cell("learnt")
    trainings = [Training(cell, data, seed, stacked=True) for seed in SEEDS]
    encoding = trainings[0].model.encoding
    monkeypatch.setattr(encoding, "encode", lambda x, rows: x if rows.max() > 0 else x + 1)
    with pytest.raises(stacked.TrainingFailed, match="vmap"):
        stacked.train_epoch(trainings)
    assert trainings[0].model.ops is PLAIN


# --- the common layout ------------------------------------------------------------------------------------------------


def test_batches_in_one_layout(data: Prepared) -> None:
    """Two seeds: filling users come first in their class and have sign 0; every real slot is there."""
    samplers = [Training(make_cell(max_length=6), data, seed, stacked=True).sampler for seed in (1, 2)]
    batches = [next(copy.deepcopy(sampler).epoch_parts()) for sampler in samplers]
    counts = [{part.keys: len(part.length) for part in parts} for parts in batches]
    sizes = common_sizes(batches)
    assert [size.keys for size in sizes] == sorted(counts[0].keys() | counts[1].keys())
    assert [size.users for size in sizes] == [max(count.get(size.keys, 0) for count in counts) for size in sizes]
    whole = stack_batches(samplers, batches)
    for place, sampler in enumerate(samplers):
        single = next(sampler.epoch())
        assert int(whole.tensors["sign"][place].abs().sum()) == int(single.sign.abs().sum())
        assert sorted(whole.tensors["length"][place][whole.tensors["length"][place] > 0].tolist()) == sorted(
            length for part in batches[place] for length in part.length.tolist()
        )


def test_a_class_that_a_batch_lacks_is_filled_with_nobody(data: Prepared) -> None:
    sampler = Training(make_cell(max_length=6), data, 1, stacked=True).sampler
    parts = next(sampler.epoch_parts())
    filled = fill_up(parts[1:], common_sizes([parts]))
    assert filled[0].length.tolist() == [0] * len(parts[0].length)
    assert not filled[0].history.items.any()
    assert not sampler.signs(filled[:1]).any()
    assert [part.length.tolist() for part in filled[1:]] == [part.length.tolist() for part in parts[1:]]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.sampled_from([1, 2, 5, 10]), st.booleans())
def test_what_is_hidden_is_that_of_one_seed(lengths: list[int], queries: int, causal: bool) -> None:
    mine = hiding_group(torch.tensor(lengths), GroupSize(len(lengths), 5, queries), causal)
    its = make_group(np.array(lengths), 5, queries, causal)
    for found, known, count in (
        (mine.encoder_bias, its.encoder_bias, 5),
        (mine.decoder_bias, its.decoder_bias, queries),
    ):
        assert found is not None
        shape = (len(lengths), 1, count, 5)
        expected = torch.zeros(shape) if known is None else known.expand(shape)
        assert torch.equal(found.expand(shape), expected)


# --- dropout ----------------------------------------------------------------------------------------------------------


def streams_of(*seeds: int) -> SeedStreams:
    return SeedStreams([torch.Generator().manual_seed(seed) for seed in seeds])


def test_masks_of_stacked_seeds() -> None:
    """A third dropped, the rest scaled by 1.5 (rates are multiples of 1 / LEVELS); each seed from its own stream."""
    x = torch.ones(3, 200, 300, requires_grad=True)
    ops = StackedOps(streams_of(1, 2, 1))
    y = torch.vmap(lambda one: ops.dropout(one, 1 / 3))(x)
    scale = LEVELS / (LEVELS - round(LEVELS / 3))
    assert set(y.unique().tolist()) == {0.0, torch.tensor(scale).item()}
    share = (y == 0).double().mean((1, 2))
    assert (share - 1 / 3).abs().max() < 4 * np.sqrt(2 / 9 / 60_000)  # four standard errors
    assert torch.equal(y[0], y[2])
    assert ((y[0] == 0) == (y[1] == 0)).double().mean() == pytest.approx(5 / 9, abs=0.01)  # independent
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient, y)


def test_a_pool_gives_each_word_once() -> None:
    streams = streams_of(1, 2)
    drawn = torch.cat([streams.draw(count) for count in (3, 2**20 - 3, 5)], 1)
    assert len(drawn.unique()) == drawn.numel()


def test_dropout_has_the_distribution_that_it_has_alone(data: Prepared) -> None:
    """200 losses of the same batch and weights each way: one distribution; and another rate gives another."""
    cell = make_cell(dropout=0.5, encoding="learnt")
    single = Training(cell, data, 1)
    batch, parts = next(copy.deepcopy(single.sampler).epoch()), next(copy.deepcopy(single.sampler).epoch_parts())
    torch.manual_seed(5)
    model = single.model.train()
    each = [single.loss_of(model(batch.items, batch.tokens, batch.layout), batch).item() for _ in range(200)]
    trainings = [Training(cell, data, seed, stacked=True) for seed in range(50)]
    for training in trainings:
        training.model.load_state_dict(single.model.state_dict())
    for seed, training in enumerate(trainings):
        training.dropout_stream = torch.Generator().manual_seed(seed)
    stack = stacked.Stack(trainings)
    stack.model.train()
    same = stack_batches([single.sampler] * 50, [parts] * 50)
    with stack.computing(), torch.no_grad():
        at_once = [stack.losses(same) for _ in range(4)]
    assert ks_2samp(each, torch.cat(at_once).numpy()).pvalue > 0.01
    other = Training(make_cell(dropout=0.2, encoding="learnt"), data, 1).model.train()
    other.load_state_dict(model.state_dict())
    differing = [single.loss_of(other(batch.items, batch.tokens, batch.layout), batch).item() for _ in range(200)]
    assert ks_2samp(each, differing).pvalue < 0.01


# --- bfloat16 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["learnt", "rope", "rmha4"])
def test_bfloat16_is_that_of_products_in_training_alone(data: Prepared, encoding: str) -> None:
    """Losses within 2 % of float32's, and not the same; weights and scores are float32; stacked it is near to alone."""
    losses = {}
    for precision in ("fp32", "bf16"):
        cell = make_cell(encoding, precision=precision, **SETTINGS)
        single, (one, _) = alone(cell, data, 1, epochs=2), together(cell, data, (1, 2), epochs=2)
        losses[precision] = np.array([single.steps.loss, one.steps.loss])
        assert {value.dtype for value in single.model.state_dict().values()} == {torch.float32}
        assert next(model_scores(single.model, data, requests_of(data.test)))[1].dtype == torch.float32
    exact, rough = losses["fp32"], losses["bf16"]
    assert np.abs(rough / exact - 1).max() < 0.02
    assert np.abs(rough / exact - 1).max() > 1e-6
    assert rough[0] == pytest.approx(rough[1], rel=0.01)
    assert exact[0] == pytest.approx(exact[1], rel=1e-5)

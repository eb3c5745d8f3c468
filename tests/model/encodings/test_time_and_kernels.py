"""The properties of the encodings that read times, keys or weights; see test_encoding_formulas.py for the others."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.model.attention import Relative, attend, exact_group, make_group
from posrec.model.encodings import REGISTRY, Pairs, Shape, Steps, build_encoding
from posrec.model.encodings.interface import DAY, Encoding
from posrec.model.encodings.intervals import interval_index, shortest_gap
from posrec.model.encodings.relative import indexed_scores
from posrec.model.encodings.rotary_time import Rote, ToRope
from posrec.model.encodings.tensors import slot_distance
from posrec.model.encodings.time_biases import time_bucket
from posrec.study import encodings
from posrec.study.formulas import calculated
from tests.model.conftest import make_cell
from tests.model.test_packed_against_padded import test_loss_logits_and_gradients as check_training
from tests.model.test_packed_against_padded import test_scores_of_every_request as check_scores
from tests.pages import printed

SHAPE = Shape(dimension=16, heads=2, blocks=2, max_length=7, causal=True)
ROWS = torch.arange(7)
TIMES = torch.tensor([0.0, 1.25, 1.25, 4, 90, 91, 1000], dtype=torch.float64)
ASKED = torch.cat([TIMES[1:], TIMES[-1:] + 3])
GENERATOR = torch.Generator().manual_seed(3)
KEEP_ALL = torch.nn.Identity()  # dropout at rate 0
QUERY, KEY, VALUE = torch.randn(3, 7, 2, 8, dtype=torch.float64, generator=GENERATOR)
TIMED = ("to_rope", "to_rope-mode=split_by_dim", "to_rope-mode=split_by_head", "time_rope", "siren_rope", "hstu_bias")
TIMED += ("hstu_bias-time=request", "hstu_bias_time", "tisasrec", "time_interval", "rote", "time2vec", "abs_time")
NEW = (*TIMED, "rope_learnt", "kernel", "kernel-form=full", "parec", "fparec", "fire", "kerple", "cope")
CONTROLS = ("added_control", "pair_control", "rotary_control", "kernel_control")


def build(name: str, shape: Shape = SHAPE) -> Any:
    encoding = build_encoding(name, shape, torch.Generator().manual_seed(5)).double()
    with torch.no_grad():
        for parameter in encoding.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(6)).double() / 10)
    return encoding


def attended(
    encoding: Encoding, times: Tensor | None = TIMES, asked: Tensor | None = ASKED, keys: Tensor = KEY
) -> Tensor:
    """The attention of one user of 7 steps: queries and keys turned, scores, weights and values. (7, 16)."""
    given = encoding.given(times)
    turned = [encoding.rotate(x, ROWS, 1, *given) for x in (QUERY, keys)]
    layout = [exact_group(1, 7, 7, encoding.shape.causal)]
    relative = Relative(encoding, 1, Steps(ROWS, times, asked))
    return attend(*turned, VALUE, layout, KEEP_ALL, relative)


def test_to_rope_without_time_is_rope() -> None:
    ours, rope = ToRope(SHAPE, GENERATOR, beta=0.0), build("rope")
    assert (ours.rotate(QUERY, ROWS, 0, TIMES) - rope.rotate(QUERY, ROWS, 0)).abs().max() <= 1e-12


@pytest.mark.parametrize("mode", ["early", "split_by_dim", "split_by_head"])
def test_to_rope_without_order_is_blind_to_it_given_the_time(mode: str) -> None:
    one = ToRope(SHAPE, GENERATOR, mode, alpha=0.0)
    assert torch.equal(one.rotate(QUERY, ROWS, 0, TIMES), one.rotate(QUERY, ROWS.flip(0), 0, TIMES))
    both = ToRope(SHAPE, GENERATOR, mode)
    assert not torch.allclose(both.rotate(QUERY, ROWS, 0, TIMES), both.rotate(QUERY, ROWS.flip(0), 0, TIMES))


def test_to_rope_by_complex_numbers() -> None:
    w, v = (base ** (-np.arange(0, 8, 2) / 8) for base in (1_000.0, 10_000.0))
    order, time = (at[:, None, None] * by for at, by in ((ROWS.numpy(), w), (TIMES.numpy(), v)))
    pairs, heads = np.arange(4) % 2 == 0, np.array([[True], [False]])
    expected = {
        "early": order + time,
        "split_by_dim": np.where(pairs, order, time),
        "split_by_head": np.where(heads, order, time),
    }
    x = QUERY.numpy()
    for mode, angle in expected.items():
        turned = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * angle)
        found = ToRope(SHAPE, GENERATOR, mode).rotate(QUERY, ROWS, 0, TIMES).numpy()
        np.testing.assert_allclose(found[..., 0::2] + 1j * found[..., 1::2], turned, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in TIMED if n not in ("rote", "siren_rope", "time2vec", "abs_time")])
def test_only_differences_of_time_count(name: str) -> None:
    """All times of a user later by the same: the same attention; one time later: another."""
    encoding = build(name)
    torch.testing.assert_close(attended(encoding, TIMES + 500, ASKED + 500), attended(encoding), rtol=1e-9, atol=1e-9)
    moved = TIMES + 300.0 * (ROWS == 3)
    other = attended(encoding, moved, torch.cat([moved[1:], ASKED[-1:]]))
    assert not torch.allclose(other, attended(encoding), rtol=1e-3, atol=1e-3)


def rote_score(levels: list[int], shift: float) -> float:
    """The part of one query's and key's product that comes from a level of each."""
    q, k = (x[0, 0, 0::2].numpy() + 1j * x[0, 0, 1::2].numpy() for x in (QUERY, KEY))
    turned = []
    for x, level, at in ((q, levels[0], 4.0), (k, levels[1], 90.0)):
        days, base, weight = Rote.LEVELS[level]
        turned.append(weight * x * np.exp(1j * (at + shift) / days * base ** (-np.arange(0, 8, 2) / 8)))
    return float((turned[0] * turned[1].conj()).real.sum())


def test_rote_depends_on_differences_of_time_within_a_level_and_on_the_origin_across_levels() -> None:
    rote = build("rote")
    for shift in (0.0, 777.0):
        at = torch.tensor([4.0, 90.0], dtype=torch.float64) + shift
        q, k = (rote.rotate(x[:1], ROWS[:1], 0, at[[i]])[0, 0] for i, x in enumerate((QUERY, KEY)))
        parts = sum(rote_score([i, j], shift) for i in range(3) for j in range(3))
        assert float(q @ k) == pytest.approx(parts, abs=1e-10)
    for i, j in np.ndindex(3, 3):
        same = rote_score([i, j], 0.0) == pytest.approx(rote_score([i, j], 777.0), abs=1e-9)
        assert same == (i == j)
    later = build_encoding("rote-origin=777", SHAPE, GENERATOR)
    assert torch.equal(later.rotate(QUERY, ROWS, 0, TIMES), rote.rotate(QUERY, ROWS, 0, TIMES + 777))


@pytest.mark.parametrize("name", NEW)
def test_no_step_sees_a_later_one(name: str) -> None:
    """Of the last step the time, the key and the value: earlier outputs stay, but for a request's time that it is."""
    encoding, later = build(name), torch.where(ROWS == 6, 92.5, TIMES)
    asked = torch.cat([later[1:], ASKED[-1:]])
    found = attended(encoding, later, asked, torch.cat([KEY[:6], -KEY[6:]]))
    seen = 5 if name.endswith("time=request") else 6
    torch.testing.assert_close(found[:seen], attended(encoding)[:seen], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(found[seen], attended(encoding)[seen], rtol=1e-3) or name in ("parec", "fparec")


def test_hstu_by_its_formula() -> None:
    for kind in ("query", "request"):
        encoding = build("hstu_bias" if kind == "query" else "hstu_bias-time=request")
        steps = Steps(ROWS[None], TIMES[None], ASKED[None])
        found = encoding.scores(torch.zeros(1, 2, 7, 8).double(), Pairs(slot_distance(7, 7), steps, steps), 1)
        to = TIMES if kind == "query" else ASKED
        for i, j in np.ndindex(7, 7):
            seconds = max(1.0, abs(float(to[i] - TIMES[j])) * 86_400)
            expected = encoding.position[1, j - i + 7] + encoding.time[1, min(128, int(math.log(seconds) / 0.301))]
            assert float(found[0, 0, i, j].detach()) == pytest.approx(float(expected.detach()), abs=1e-12)


def test_buckets_are_counted_in_whole_seconds() -> None:
    assert time_bucket(torch.tensor([0, 1 / DAY, -2 / DAY, 1e9], dtype=torch.float64), 128).tolist() == [0, 0, 2, 106]
    assert time_bucket(torch.tensor([1e9]).double(), 50).tolist() == [50]


@pytest.mark.parametrize("form", ["toeplitz", "full"])
def test_a_kernel_of_ones_is_none(form: str) -> None:
    kernel = build_encoding("kernel" + "-form=full" * (form == "full"), SHAPE, GENERATOR).double()
    assert not torch.equal(attended(build("kernel")), attended(build("none")))
    with torch.no_grad():
        for name, value in kernel.named_parameters():
            value.fill_(1.0 if name == "by_distance" else 0.0)
            if name != "by_distance":
                value[:, [row * (row + 1) // 2 for row in range(7)]] = 1.0
    torch.testing.assert_close(attended(kernel), attended(build("none")), rtol=1e-12, atol=1e-12)


def test_the_full_kernel_is_a_lower_times_an_upper_triangular_matrix() -> None:
    kernel = build("kernel-form=full")
    lower, upper = np.zeros((7, 7)), np.zeros((7, 7))
    lower[np.tril_indices(7)] = kernel.lower[1].detach()
    upper[np.tril_indices(7)] = kernel.upper[1].detach()
    np.testing.assert_allclose(kernel.kernel(1).detach().numpy(), lower @ upper.T, atol=1e-12)


@pytest.mark.parametrize("name", ["parec", "fparec"])
def test_parec_ignores_content_and_knows_the_row(name: str) -> None:
    encoding = build(name)
    assert torch.equal(attended(encoding), attended(encoding, keys=-5 * KEY))
    y = attended(encoding)
    if name == "parec":
        scores = encoding.matrix[1] / math.sqrt(8)
    else:
        scores = torch.einsum("hik,hjk->hij", encoding.of_query[1], encoding.of_key[1]) / math.sqrt(8)
    weights = scores.masked_fill(torch.ones(7, 7).triu(1).bool(), -torch.inf).softmax(2)
    torch.testing.assert_close(y, torch.einsum("hij,jhd->ihd", weights, VALUE).flatten(1), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("causal", [True, False])
def test_cope_with_open_gates_is_relative_keys_by_distance(monkeypatch: pytest.MonkeyPatch, causal: bool) -> None:
    cope = build("cope", Shape(16, 2, 2, 7, causal))
    monkeypatch.setattr(cope, "gates", lambda query, keys: torch.ones(1, 2, 7, 7).double())
    query, keys = (x.transpose(0, 1)[None] for x in (QUERY, KEY))
    visible = torch.ones(7, 7).tril().bool()[None, None] if causal else None
    found = cope.scores(query, Pairs(slot_distance(7, 7), None, None, keys, visible), 1)
    back = (-slot_distance(7, 7)).clamp_min(0) + 1
    expected = indexed_scores(query, cope.vectors[1, 0], back)
    if not causal:
        ahead = indexed_scores(query, cope.vectors[1, 1], slot_distance(7, 7).clamp_min(0) + 1)
        expected = torch.where(slot_distance(7, 7) > 0, ahead, expected)
    seen = torch.ones(7, 7).tril().bool() if causal else torch.ones(7, 7).bool()
    torch.testing.assert_close(found[..., seen], expected[..., seen], rtol=1e-12, atol=1e-12)


def test_cope_by_loops() -> None:
    cope = build("cope")
    query, keys = (x.transpose(0, 1)[None] for x in (QUERY, KEY))
    visible = torch.ones(7, 7).tril().bool()[None, None]
    found = cope.scores(query, Pairs(slot_distance(7, 7), None, None, keys, visible), 0).detach()
    gates = (query @ keys.mT).sigmoid()[0].numpy()
    for h, i in np.ndindex(2, 7):
        for j in range(i + 1):
            place = gates[h, i, j : i + 1].sum()
            low, share = int(place), place - int(place)
            vector = (1 - share) * cope.vectors[0, 0, low] + share * cope.vectors[0, 0, min(7, low + 1)]
            assert float(found[0, h, i, j]) == pytest.approx(float(query[0, h, i] @ vector), abs=1e-10)


def test_fire_and_kerple_by_formula() -> None:
    fire, kerple = build("fire-hidden=5-threshold=4"), build("kerple")
    pairs = Pairs(slot_distance(7, 7), Steps(ROWS[None]), Steps(ROWS[None]))
    found, falling = (e.scores(torch.zeros(1, 2, 7, 8).double(), pairs, 1).detach() for e in (fire, kerple))
    c, reach = float(fire.scale[1]), float(fire.threshold[1])
    w1, b1, w2, b2 = (x[1].detach().numpy() for x in (fire.weight1, fire.bias1, fire.weight2, fire.bias2))
    r1, r2 = (x[1].detach().exp().numpy() for x in (kerple.log_slope, kerple.log_scale))
    for h, i, j in np.ndindex(2, 7, 7):
        near = math.log(c * abs(i - j) + 1) / math.log(c * max(i + 1, reach) + 1)
        assert float(found[0, h, i, j]) == pytest.approx(w2[h] @ np.maximum(near * w1 + b1, 0) + b2[h], abs=1e-10)
        assert float(falling[h, i, j]) == pytest.approx(-r1[h] * math.log(1 + r2[h] * abs(i - j)), abs=1e-10)


def test_tisasrec_by_loops() -> None:
    """Intervals in units of the shortest that the query sees; positions and intervals as keys and values by head."""
    encoding = build("tisasrec-clip=20")
    steps, seen = Steps(ROWS[None], TIMES[None], ASKED[None]), torch.ones(7, 7).tril().bool()[None, None]
    pairs = Pairs(slot_distance(7, 7), steps, steps, None, seen)
    query, weights = QUERY.transpose(0, 1)[None], torch.rand(1, 2, 7, 7, generator=GENERATOR).double()
    found, mixed = encoding.scores(query, pairs, 0).detach(), encoding.values(weights, pairs, 0).detach()
    shortest = [math.inf, 1.25, 1.25, 1.25, 1.25, 1.0, 1.0]
    assert (shortest_gap(TIMES[None], seen)[0, 0, :, 0] / DAY).tolist() == shortest
    tables = {name: value.detach().view(-1, 2, 8) for name, value in encoding.named_parameters()}
    for h, i in np.ndindex(2, 7):
        total = torch.zeros(8).double()
        for j in range(7):
            n = min(20, int(abs(float(TIMES[i] - TIMES[j])) / shortest[i]))
            key = tables["row_keys"][j, h] + tables["interval_keys"][n, h]
            assert float(found[0, h, i, j]) == pytest.approx(float(query[0, h, i] @ key), abs=1e-10)
            total += weights[0, h, i, j] * (tables["row_values"][j, h] + tables["interval_values"][n, h])
        torch.testing.assert_close(mixed[0, h, i], total, rtol=1e-10, atol=1e-10)


def test_vectors_of_time_by_formula() -> None:
    x = torch.zeros(7, 16).double()
    fixed, learnt = build("abs_time-scale=2"), build("time2vec")
    found, other = (e.encode(x, ROWS, TIMES).detach().numpy() for e in (fixed, learnt))
    w, b = learnt.frequency.detach().numpy(), learnt.phase.detach().numpy()
    for step, c in np.ndindex(7, 16):
        angle = float(TIMES[step]) / 2 / 10_000 ** (2 * (c // 2) / 16)
        assert found[step, c] == pytest.approx(math.cos(angle) if c % 2 else math.sin(angle), abs=1e-12)
        z = float(TIMES[step]) * w[c] + b[c]
        assert other[step, c] == pytest.approx(math.sin(z) if c else z, abs=1e-10)


@pytest.mark.parametrize("name", [*NEW, *CONTROLS, "rope", "abs", "abs_con", "alibi", "rmha4"])
def test_shapes_types_and_gradients(name: str) -> None:
    """float32 stays float32, and a loss of encoded items and attention moves each parameter."""
    encoding = build_encoding(name, SHAPE, torch.Generator().manual_seed(1))
    x = encoding.encode(torch.randn(7, 16, generator=GENERATOR), ROWS, *encoding.given(TIMES))
    assert (x.dtype, x.shape) == (torch.float32, (7, 16))
    heads = x.view(7, 2, 8)
    total = torch.zeros(())
    for block in range(2):
        turned = [encoding.rotate(each, ROWS, block, *encoding.given(TIMES)) for each in (heads, heads.flip(0))]
        assert {(each.dtype, each.shape) for each in turned} == {(torch.float32, (7, 2, 8))}
        relative = Relative(encoding, block, Steps(ROWS, TIMES, ASKED))
        y = encoding.project(attend(*turned, heads, [exact_group(1, 7, 7, True)], KEEP_ALL, relative), block)
        assert (y.dtype, y.shape) == (torch.float32, (7, 16))
        total = total + (y * torch.randn(y.shape, generator=GENERATOR)).sum()
    if list(encoding.parameters()):
        total.backward()
    for parameter_name, parameter in encoding.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", ["rope", "rope_learnt", "to_rope", "time_rope", "rote", "siren_rope"])
def test_a_head_of_odd_width_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="dimension 9 with 3 heads gives 3"):
        build_encoding(name, Shape(9, 3, 1, 50), torch.Generator())
    with pytest.raises(ValueError, match="at least 2 heads"):
        build_encoding("to_rope-mode=split_by_head", Shape(8, 1, 1, 50), torch.Generator())
    with pytest.raises(ValueError, match="multiple of 4"):
        build_encoding("to_rope-mode=split_by_dim", Shape(12, 2, 1, 50), torch.Generator())


def test_without_times_the_error_says_what_is_missing() -> None:
    for name in TIMED:
        encoding = build(name)
        with pytest.raises(ValueError, match="needs the items' times"):
            attended(encoding, None, None)


@pytest.mark.parametrize("name", list(encodings.built_in_families()))
def test_the_number_of_learnt_parameters_is_the_documented_one(name: str) -> None:
    choice = encodings.find(name)
    for values in [
        choice.parameters,
        *({**choice.parameters, k: w} for k, ws in choice.kind.choices.items() for w in ws),
    ]:
        encoding = REGISTRY[choice.kind.name](SHAPE, torch.Generator().manual_seed(1), **values)
        sizes = {"L": 7, "D": 16, "H": 2, "N": 2, "causal": True, **values}
        expected = calculated(choice.kind.about["Learnt"], sizes)
        assert sum(parameter.numel() for parameter in encoding.parameters()) == expected
        assert choice.kind.about["Formula"]
        assert choice.kind.about["Source"]


def test_words_as_parameters() -> None:
    assert encodings.find("to_rope-mode=split_by_head").parameters["mode"] == "split_by_head"
    assert encodings.find("to_rope").parameters["mode"] == "early"
    for name, expected in (
        ("to_rope-mode=late", "mode must be one of early, split_by_dim, split_by_head"),
        ("to_rope-mode=early", "is the default; leave it out"),
    ):
        with pytest.raises(encodings.StudyError, match=expected):
            encodings.find(name)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(encodings.FOLDER, str(tmp_path))
    path = tmp_path / "own_time_rotary.py"
    path.write_text(printed("guide/own-encoding.md", "python")[0])
    yield path
    REGISTRY.pop("own_time_rotary", None)


def test_a_file_of_ones_own_reads_times_in_both_engines(own: Path, data: Prepared) -> None:
    assert len(own.read_text().splitlines()) <= 25
    check_training(data, "own_time_rotary", "sound", {})
    check_scores(data, "own_time_rotary", "sound", {"head": "dot"})
    moved = build("own_time_rotary")
    assert not torch.allclose(attended(moved), attended(moved, TIMES * 2))


def test_padding_changes_no_pair(data: Prepared) -> None:
    """Of a user with 5 steps among padding: as it is alone, also where the padding has times of its own."""
    for name in NEW:
        encoding = build(name)
        real = ROWS >= 2
        outputs = []
        for times in (TIMES, torch.where(real, TIMES, -7e4)):
            turned = [encoding.rotate(x, ROWS, 1, *encoding.given(times)) for x in (QUERY, KEY)]
            steps = Steps(ROWS, times, ASKED)
            outputs.append(
                attend(*turned, VALUE, [make_group(np.array([5]), 7, 7, True)], KEEP_ALL, Relative(encoding, 1, steps))[
                    2:
                ]
            )
        torch.testing.assert_close(*outputs, rtol=1e-12, atol=1e-12)


def test_intervals_of_days() -> None:
    gaps = torch.tensor([0.0, 0.5, -3.0, 400.0]).double()
    assert interval_index(gaps, 256, 1.0).tolist() == [0, 0, 3, 256]
    second = 1 / DAY
    edges = torch.tensor([195 - second, 195, 195 + second, second - 195, 5_000 - second], dtype=torch.float64)
    assert interval_index(edges, 9_999, 1.0).tolist() == [194, 195, 195, 194, 4_999]


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=8), st.sampled_from([1, 3_600, 86_400, 604_800]))
def test_intervals_are_whole_units_of_whole_seconds(seconds: list[int], unit: int) -> None:
    """However near a gap is to the next unit: in float32, 195 days less a second were 195 days."""
    gaps = [*seconds, *(k * unit + off for k in map(abs, seconds) if k * unit < 10**9 for off in (-1, 0, 1))]
    found = interval_index(torch.tensor(gaps, dtype=torch.float64) / DAY, 10**9, unit / DAY)
    assert found.tolist() == [abs(gap) // unit for gap in gaps]


def built_or_none(name: str, shape: Shape, generator: torch.Generator) -> Encoding | None:
    try:
        return build_encoding(name, shape, generator)
    except ValueError:
        return None


@pytest.mark.parametrize("name", [name for name in encodings.built_in_families() if "{" not in name] + ["rmha4"])
@given(st.integers(4, 13), st.integers(1, 3), st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_any_width_gives_its_own_shape_in_float32_or_is_refused(name: str, width: int, heads: int, seed: int) -> None:
    """An encoding of channels in pairs once turned three channels into four, and float32 into float64."""
    generator = torch.Generator().manual_seed(seed)
    encoding = built_or_none(name, Shape(width * heads, heads, 1, 8), generator)
    if encoding is None:
        assert width % 2, "only odd widths are refused"
        return
    rows, times = torch.arange(5), torch.arange(5).double() * 1.5
    x = torch.randn(5, width * heads, generator=generator)
    encoded = encoding.encode(x, rows, *encoding.given(times))
    turned = encoding.rotate(x.view(5, heads, width), rows, 0, *encoding.given(times))
    assert (encoded.dtype, encoded.shape) == (torch.float32, x.shape)
    assert (turned.dtype, turned.shape) == (torch.float32, (5, heads, width))
    assert encoded.isfinite().all()
    assert turned.isfinite().all()


def test_families() -> None:
    families = encodings.built_in_families()
    assert set(families.values()) == set(encodings.FAMILIES)
    assert {families[name] for name in ("rope", "rope_one", "rope_learnt")} == {"rotary"}
    assert re.fullmatch(encodings.name_pattern(), "to_rope-mode=split_by_dim-scale=7")
    assert make_cell("to_rope-mode=split_by_head").encoding == "to_rope-mode=split_by_head"

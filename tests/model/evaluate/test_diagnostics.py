"""Diagnostics of a run: by hand on tiny tables, for every encoding, and equal however the run file comes about."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from posrec.data.prepare.prepared import Prepared
from posrec.model import train
from posrec.model.encodings import Encoding, Shape, build_encoding
from posrec.model.evaluate import diagnostics
from posrec.model.evaluate.attention_sums import AttentionSums
from posrec.model.evaluate.diagnostics import diagnose, measure, sample_of, saturation
from posrec.model.evaluate.probes import probe
from posrec.model.evaluate.score import model_scores
from posrec.model.runs.scoring import share_by_length
from posrec.model.train import Curve, build_model, train_run
from posrec.store import results
from posrec.study.encodings import ENCODINGS
from tests.model import toy
from tests.model.conftest import make_cell, make_data

CASES: list[tuple[str, Any, dict[str, Any]]] = [(encoding, "sound", {}) for encoding in ENCODINGS]
CASES += [
    ("learnt", "sound_last", {"head": "dot"}),
    ("abs", "sound", {"norm_place": "after", "position_start": "begin"}),
    ("rmha4", "released", {}),
    ("rope", "released", {"head": "dot"}),
]


@pytest.mark.parametrize(("encoding", "protocol", "settings"), CASES)
def test_every_model_is_diagnosed_and_left_as_it_was(
    data: Prepared, encoding: str, protocol: Any, settings: dict[str, Any]
) -> None:
    model = build_model(make_cell(encoding, protocol, precision="fp32", **settings), data, 1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    drawn = torch.get_rng_state()
    found = measure(model, data)
    assert found == measure(model, data)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert found["users"] == (data.test >= 0).sum()
    assert all(0 < value <= 1 for value in found["attention"]["entropy"])
    shares = found["attention"]["distance_share"] + found["attention"]["gap_share"]
    assert all(0 <= value <= 1 for value in shares)
    assert [len(of_blocks) for of_blocks in found["attention"].values()] == [model.settings.blocks] * 5
    assert all(value <= 1 for part in found["position"].values() for value in part.values())
    json.dumps(found, allow_nan=False)


def test_uniform_attention_has_all_of_the_entropy_and_none_of_it_by_distance() -> None:
    visible = torch.ones(1, 3, 3, dtype=torch.bool).tril()
    sums = AttentionSums(length=5)
    uniform, real = visible / visible.sum(-1, keepdim=True).double()[:, None], torch.ones(1, 3, dtype=torch.bool)
    sums.add(uniform, visible, real, torch.arange(3).double()[None])
    assert sums.summary() == pytest.approx((1.0, 0.0, 0.0))
    assert sums.queries == 2  # the first query sees one slot: there is nothing to share out


def test_entropy_and_share_of_distance_by_hand() -> None:
    """Two real slots of three, no mask: weights (0.8, 0.2) and (0.2, 0.8) depend on the distance alone, or not."""
    real = torch.tensor([[False, True, True]])
    visible = real[:, :, None] & real[:, None, :]
    for second, share in (([0.0, 0.2, 0.8], 1.0), ([0.0, 0.8, 0.2], 0.0)):
        weights = torch.tensor([[[[0.0, 0.0, 0.0], [0.0, 0.8, 0.2], second]]], dtype=torch.float64)
        sums = AttentionSums(length=5)
        sums.add(weights, visible, real, torch.tensor([[0.0, 4.0, 9.0]]).double())
        entropy, by_distance, by_gap = sums.summary()
        assert entropy == pytest.approx(-(0.8 * math.log(0.8) + 0.2 * math.log(0.2)) / math.log(2))
        # distances -1, 0, 1 hold one, two and one weights
        logs = np.log([0.8, 0.2]) - np.log([0.8, 0.2]).mean()
        between = 2 * logs[0] ** 2 + 2 * logs[1] ** 2 if share else 2 * logs[1] ** 2
        assert by_distance == pytest.approx(between / (2 * (logs**2).sum()))
        # by the gap of 0 or 5 days alone: two weights each, of one value or of both
        assert by_gap == pytest.approx(share)


def test_weights_by_distance_and_by_gap_by_hand() -> None:
    """Three items, on days 0, 0.5 and 40: of 2 and of 3 that are seen, 1 is uniform."""
    visible, real = torch.ones(1, 3, 3, dtype=torch.bool).tril(), torch.ones(1, 3, dtype=torch.bool)
    weights = torch.tensor([[[[1, 0, 0], [0.3, 0.7, 0], [0.5, 0.1, 0.4]]]], dtype=torch.float64)
    for acting, factor in ((None, 1), (2 * weights, 2)):
        sums = AttentionSums(length=3)
        sums.add(weights, visible, real, torch.tensor([[0.0, 0.5, 40.0]]).double(), acting)
        distance, gap = sums.curves()
        assert distance == pytest.approx(
            {"0": factor * (1.4 + 1.2) / 2, "1": factor * (0.6 + 0.3) / 2, "2": factor * 1.5}
        )
        assert gap == pytest.approx({"under 1 day": factor * 0.6, "30 to 90 days": factor * (1.5 + 0.3) / 2})


def test_the_gap_before_by_hand() -> None:
    real = torch.tensor([[False, True, True, True]])
    found = diagnostics._positions(real, torch.tensor([[0.0, 7.0, 7.0, 10.0]]).double())
    np.testing.assert_allclose(found, [[0, 2, 0], [1, 1, 0], [2, 0, math.log(4)]])


def test_a_probe_reads_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(80), 6)
    positions = np.tile(np.arange(6), 80)[:, None]
    noise = rng.normal(size=(480, 5))
    there = noise @ rng.normal(size=(5, 5)) + positions @ np.ones((1, 5))
    r2, chance = probe(np.concatenate([there, noise], axis=1), positions, users)
    assert r2[0] > 0.999
    assert abs(chance[0]) < 0.1
    assert abs(probe(noise, positions, users)[0][0]) < 0.1


def test_a_probe_never_sees_the_users_it_is_judged_on() -> None:
    """Vectors that say which user it is, and positions that are the same for all of its items: nothing carries over."""
    users = np.repeat(np.arange(30), 4)
    positions = np.random.default_rng(1).normal(size=30)[users][:, None]
    assert probe(np.eye(30)[users], positions, users)[0][0] < 0.1


def test_a_probe_needs_two_users_and_two_positions() -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 2))
    assert np.isnan(probe(vectors, np.arange(6)[:, None], np.zeros(6))[0]).all()
    assert np.isnan(probe(vectors, np.zeros((6, 1)), np.arange(6))[0]).all()


def test_what_reaches_the_items_is_seen_in_them() -> None:
    """With item embeddings of a tiny norm a learnt vector is read exactly; at 1 / 10,000 rotatory is hardly there."""
    data = make_data(users=300, longest=12)
    r2 = {
        name: measure(build_model(make_cell(name, dimension=24, context=False), data, 1), data)["position"]["encoded"]
        for name in ("none", "learnt", "rotatory", "rotatory_unit")
    }
    assert r2["learnt"]["from_end"] > 0.9
    assert r2["rotatory_unit"]["from_end"] > 0.9
    for name in ("none", "rotatory"):
        assert abs(r2[name]["from_end"] - r2[name]["chance_from_end"]) < 0.1


def test_a_causal_mask_tells_position_without_an_encoding() -> None:
    """Of `none`, the first block's output knows the step from the begin; without a mask it does not."""
    data = make_data(users=300, longest=12)
    outputs = {
        protocol: measure(build_model(make_cell("none", protocol, residual="sum"), data, 1), data)["position"]
        for protocol in ("sound", "sound_last")
    }
    gain = {name: of["first_block"]["from_begin"] - of["content"]["from_begin"] for name, of in outputs.items()}
    assert gain["sound"] > gain["sound_last"]


SHAPE = Shape(dimension=4, heads=1, blocks=1, max_length=3)


def test_spread_of_learnt_angles_by_numpy() -> None:
    for name, scale in (("rotatory", 10_000.0), ("rotatory_unit_con", 1.0)):
        encoding = build_encoding(name, SHAPE, torch.Generator().manual_seed(1)).double()
        vectors = encoding.vectors.detach().numpy()
        found = encoding.measures()
        assert found["angle_spread"] == pytest.approx((2 * np.pi * vectors[:, [0, 2]] / scale).std(0).mean())
        assert found["angle_spread_at_start"] == pytest.approx(2 * np.pi / scale)
        with torch.no_grad():
            encoding.vectors.copy_(torch.ones(4, 4))  # every position the same: trivial
        assert encoding.measures()["angle_spread"] == 0
        assert encoding.measures()["position_spread"] == pytest.approx(0, abs=1e-12)


def test_position_spread_of_opposite_vectors_is_1() -> None:
    encoding = build_encoding("learnt", SHAPE, torch.Generator())
    with torch.no_grad():
        encoding.vectors.copy_(torch.tensor([1.0, -1.0, 1.0, -1.0])[:, None].expand(4, 4))
    assert encoding.measures()["position_spread"] == pytest.approx(1)
    assert build_encoding("con_control", SHAPE, torch.Generator()).measures()["position_spread"] == 0


def test_halves_of_a_concatenation() -> None:
    encoding = build_encoding("learnt_con", SHAPE, torch.Generator()).double()
    halves = {
        1.0: (torch.eye(4), 3 * torch.eye(4)),  # the same directions
        0.0: (torch.diag(torch.tensor([1.0, 1, 0, 0])), torch.diag(torch.tensor([0, 0, 3.0, 3]))),
    }
    for overlap, pair in halves.items():
        with torch.no_grad():
            encoding.weight.copy_(torch.cat(pair, dim=1))
        assert encoding.measures()["halves_overlap"] == pytest.approx(overlap)
        assert encoding.measures()["position_weight"] == pytest.approx(3)


def test_overlap_of_random_halves_is_about_a_half() -> None:
    encoding = build_encoding("abs_con", Shape(64, 1, 1, 3), torch.Generator().manual_seed(1))
    assert encoding.measures()["halves_overlap"] == pytest.approx(0.5, abs=0.02)


def test_saturated_scores_are_counted(data: Prepared) -> None:
    model = build_model(make_cell("learnt", precision="fp32"), data, 1)
    requests = sample_of(data)
    assert saturation(model, data, requests) == {"zero": 0.0, "one": 0.0}
    with torch.no_grad():
        model.output_weight *= 1e6
    logits = torch.cat([block[:, 1 : data.n_items + 1] for _, block in model_scores(model, data, requests)])
    found = saturation(model, data, requests)
    assert found["one"] == pytest.approx(float((logits > 17).float().mean()), abs=0.01)
    assert found["zero"] == pytest.approx(float((logits < -104).float().mean()), abs=0.01)
    assert found["one"] > 0.1 < found["zero"]


def test_gradient_norms_by_numpy(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    plain = train.gradient_norm

    def watched(model: Any) -> float:
        of_parameters = [p.grad.numpy().ravel() for p in model.parameters() if p.grad is not None]
        norms.append(float(np.linalg.norm(np.concatenate(of_parameters))))
        return plain(model)

    monkeypatch.setattr(train, "gradient_norm", watched)
    curve = train_run(make_cell("rmha4", epochs=2), data, 1).curve
    by_epoch = np.array(norms).reshape(2, -1)
    assert curve.gradient_mean == pytest.approx(by_epoch.mean(1).tolist(), rel=1e-10)
    assert curve.gradient_variance == pytest.approx(by_epoch.var(1).tolist(), rel=1e-10)
    summary = diagnostics.gradient_summary(curve)
    assert summary["mean"] == pytest.approx(np.mean(norms), rel=1e-5)


def test_ties_by_length_of_history() -> None:
    tied, length = np.array([True, False, True, True]), np.array([2, 2, 10, 300])
    assert share_by_length(tied, length) == {"2": 0.5, "6-10": 1.0, "21+": 1.0}


def test_an_encoding_that_raises_here_costs_the_diagnostics_alone(data: Prepared) -> None:
    class Fussy(Encoding):
        def measures(self) -> dict[str, float]:
            raise RuntimeError("no figures")

    model = build_model(make_cell("none"), data, 1)
    model.encoding = Fussy(model.encoding.shape, torch.Generator())
    curve = Curve(gradient_mean=[1.0, 3.0], gradient_variance=[0.5, 0.5])
    found = diagnose(model, data, curve)
    assert found == {"gradient_norm": {"mean": 2.0, "variance": 0.5}, "failure": "RuntimeError: no figures"}


def test_the_run_file_says_the_same_from_kept_weights(place: Path) -> None:
    first = toy.run(toy.make_study(training={"keep_weights": True}), "learnt")
    assert first.bring()
    said = results.read_content(first.path)["diagnostics"]
    assert set(said) == {"gradient_norm", "users", "attention", "position", "encoding", "norms", "saturation"}
    both = toy.make_study(training={"keep_weights": True}, protocols=["sound", {"name": "ties", "ties": "released"}])
    second = toy.run(both, "learnt")
    before = {path: path.read_bytes() for path in first.stored.glob("weights*")}
    assert second.bring()
    content = results.read_content(second.path)
    assert "training" not in second.seconds  # only evaluated
    assert content["diagnostics"] == said
    shares = {name: of["diagnostics"]["tie_share_by_history"] for name, of in content["evaluations"].items()}
    assert set(shares) == {"sound", "ties"}
    assert before == {path: path.read_bytes() for path in first.stored.glob("weights*")}


def test_a_failed_run_has_no_diagnostics(place: Path) -> None:
    failing = toy.make_study(training={"learning_rate": 1e12, "epochs": 6, "warmup_steps": 0})
    run = toy.run(failing)
    run.bring()
    content = results.read_content(run.path)
    assert content["status"] == "failed"
    assert content["diagnostics"] == {}


def test_learnt_speeds_and_kernels_by_hand() -> None:
    rope, kernel, full = (
        build_encoding(name, SHAPE, torch.Generator()) for name in ("rope_learnt", "kernel", "kernel-form=full")
    )
    assert rope.measures()["speed_change"] == pytest.approx(0, abs=1e-6)
    assert kernel.measures()["kernel_spread"] == 0
    assert full.measures()["kernel_spread"] > 0
    with torch.no_grad():
        rope.frequency *= 1.5
        kernel.by_distance[:] = torch.arange(kernel.by_distance.shape[1]) % 2 * 2.0
    assert rope.measures()["speed_change"] == pytest.approx(0.5, abs=1e-6)
    n = kernel.by_distance.shape[1]
    assert kernel.measures()["kernel_spread"] == pytest.approx(2 * math.sqrt(n // 2 * (n - n // 2)) / n)

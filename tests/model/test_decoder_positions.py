"""`decoder_positions`: relative encodings in the decoder's cross-attention, by a numpy formula; off changes no id."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from posrec.data.prepare.prepared import Prepared
from posrec.model.attention import make_group
from posrec.model.carca import Carca
from posrec.model.encodings import Steps
from posrec.model.evaluate.score import model_scores, requests_of
from posrec.model.train import build_model
from posrec.plan import ids
from posrec.study import study
from posrec.study.encodings import ENCODINGS
from posrec.study.settings.model import ModelSettings
from tests.model.conftest import make_cell, make_data

ACTING = ["rope", "rmha2", "rmha_control", "alibi", "t5_bias", "relative_bias"]
NEW_ACTING = ["rope_learnt", "kerple", "fire", "hstu_bias", "hstu_bias_time", "hstu_bias_position"]  # without a formula
NEW_ACTING += ["to_rope", "time_rope", "rote", "siren_rope"]
ROWS, CANDIDATE_ROWS = np.array([3, 4, 5, 6, 7]), np.array([8, 8, 8, 0, 5])  # the candidates' slots may be any
RNG = np.random.default_rng(3)
HISTORY, CANDIDATES = RNG.normal(size=(5, 12)), RNG.normal(size=(5, 12))


def make_model(encoding: str, data: Prepared, **settings: Any) -> Carca:
    model = build_model(make_cell(encoding, decoder_positions=True, **settings), data, 1)
    with torch.no_grad():  # biases that start at 0 would hide what they do
        for value in model.parameters():
            value.add_(torch.randn(value.shape, generator=torch.Generator().manual_seed(value.dim())) / 10)
    return model


def numbers(model: Carca) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in model.state_dict().items()}


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.2 * x)


def turned(x: np.ndarray, row: int, width: int = 6) -> np.ndarray:
    """A head's channels as complex numbers, turned by the row's angles (base 1,000)."""
    z = (x[0::2] + 1j * x[1::2]) * np.exp(1j * row * 1000.0 ** (-np.arange(0, width, 2) / width))
    return np.stack([z.real, z.imag], 1).ravel()


def t5_bucket(back: int) -> int:
    """Of 32 one-directional buckets, half are single distances; none of ours is farther than 15."""
    return max(0, back)


def by_loops(name: str, p: dict[str, np.ndarray], heads: int = 2) -> np.ndarray:
    """Cross-attention of each candidate to each item, pair by pair; the decoder is block number 2. Returns (M, D)."""
    q, k, v = (
        leaky(x @ p[f"decoder.{part}_weight"].T + p[f"decoder.{part}_bias"])
        for part, x in (("query", CANDIDATES), ("key", HISTORY), ("value", HISTORY))
    )
    out = np.zeros_like(q)
    for m, h in np.ndindex(len(q), heads):
        own = slice(6 * h, 6 * h + 6)
        scores, values = np.zeros(len(k)), v[:, own].copy()
        for j, row in enumerate(ROWS):
            distance = int(row - CANDIDATE_ROWS[m])
            clipped2, clipped4 = (min(clip, max(-clip, distance)) + clip for clip in (2, 4))
            query, key = q[m, own], k[j, own]
            if name == "rope":
                query, key = turned(query, CANDIDATE_ROWS[m]), turned(key, row)
            scores[j] = query @ key / np.sqrt(6)
            if name == "rmha2":
                scores[j] += query @ p["encoding.keys"][2, clipped2] / np.sqrt(6)
                values[j] += p["encoding.relative_values"][2, clipped2]
            if name == "alibi":
                scores[j] -= 2.0 ** (-8 * (h + 1) / heads) * abs(distance)
            if name == "relative_bias":
                scores[j] += p["encoding.bias"][2, h, clipped4]
            if name == "t5_bias":
                scores[j] += p["encoding.bias"][t5_bucket(-distance), h]
        weights = np.exp(scores) / np.exp(scores).sum()
        out[m, own] = weights @ values
    if name in ("rmha2", "rmha_control"):
        out = out @ p["encoding.weight"][2].T + p["encoding.bias"][2]
    return out


@pytest.mark.parametrize("name", ACTING)
def test_logits_by_loops(data: Prepared, name: str) -> None:
    model = make_model(name, data)
    p = numbers(model)
    group = make_group(np.array([5]), 5, 5, causal=False)
    steps = [Steps(torch.from_numpy(rows)) for rows in (ROWS, CANDIDATE_ROWS)]
    found = model.head(torch.from_numpy(HISTORY), torch.from_numpy(CANDIDATES), [group], *steps).detach().numpy()
    expected = (by_loops(name, p) * CANDIDATES) @ p["output_weight"] + p["output_bias"]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ENCODINGS)
def test_what_acts_in_the_decoder(data: Prepared, name: str) -> None:
    """Those of `ACTING` (rmha2 is rmha4's kind) and no other: with the same trunk and encoder, other scores."""
    on = build_model(make_cell(name, decoder_positions=True), data, 1)
    off = build_model(make_cell(name), data, 1)
    with torch.no_grad():
        if name == "relative_bias":  # 0 at the start
            on.encoding.bias[2].add_(torch.arange(9.0))
        on.load_state_dict({**on.state_dict(), **{k: v for k, v in off.state_dict().items() if "encoding" not in k}})
        for key, value in off.encoding.state_dict().items():
            of_blocks = on.encoding.state_dict()[key]
            of_blocks[: len(value)] = value
    first, second = (next(model_scores(model, data, requests_of(data.test)))[1] for model in (on, off))
    acts = name in ACTING or name in ("rmha4", *NEW_ACTING)
    assert torch.allclose(first, second, atol=1e-9) != acts


def test_the_dot_head_has_no_decoder(data: Prepared) -> None:
    model = build_model(make_cell("rmha4", decoder_positions=True, head="dot"), data, 1)
    assert not model.decoder_positions
    assert len(model.encoding.keys) == model.settings.blocks


@pytest.mark.parametrize("name", ["rope", "rmha2"])
def test_rope_and_rmha_tell_the_candidate_how_far_an_item_is(name: str) -> None:
    """Without an encoder in between, a history read backwards scores otherwise; with positions off it doesn't."""
    data = make_data()
    back = replace(data, items=data.items.copy(), context=np.zeros_like(data.context))
    for user in np.flatnonzero(data.test >= 0):
        history = slice(data.offsets[user], data.test[user])
        back.items[history] = data.items[history][::-1]
    plain = replace(data, context=back.context)
    for on in (True, False):
        model = build_model(make_cell(name, "sound_last", decoder_positions=on, max_length=20), data, 1)
        model.blocks = torch.nn.ModuleList()
        one, other = (next(model_scores(model, each, requests_of(each.test)))[1] for each in (plain, back))
        assert torch.allclose(one, other, atol=1e-10) != on


RAW: dict[str, Any] = {
    "study": "ids",
    "protocols": ["sound", "released"],
    "datasets": {"toy": {"simulate": {"users": 40, "items": 60, "mean_length": 5}}},
    "encodings": ["none", "rope", "rmha4"],
    "seeds": [1, 2, 3],
}


def test_off_it_is_in_no_id_and_no_run_file() -> None:
    loaded = study.from_dict(RAW)
    assert "decoder_positions" not in ModelSettings().identity()
    on = study.from_dict({**RAW, "model": {"decoder_positions": True}})
    assert not {ids.run_id(on, cell) for cell in on.cells} & {ids.run_id(loaded, cell) for cell in loaded.cells}
    assert on.cells[0].model.identity()["decoder_positions"] is True

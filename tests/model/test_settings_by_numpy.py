"""Every value that a model setting may have: test scores against CARCA written out in numpy, a request at a time."""

import math
from typing import Any, get_args

import numpy as np
import pytest
import torch

from posrec.data.prepare.prepared import Prepared
from posrec.model.evaluate.score import model_scores, requests_of
from posrec.model.train import build_model
from posrec.study.settings.model import ModelSettings
from tests.model.conftest import make_cell

Array = np.ndarray
NUMBERS: dict[str, list[dict[str, Any]]] = {  # settings without a list of values, or that need another
    "dimension": [{"dimension": 4}, {"dimension": 18}],
    "blocks": [{"blocks": 1}, {"blocks": 3}],
    "heads": [{"heads": 1}, {"heads": 3}],
    "max_length": [{"max_length": 1}, {"max_length": 3}, {"max_length": 30}],
    "upper_bound": [{"upper_bound": 1e-4}, {"upper_bound": 0.5}, {"upper_bound": 3.0}, {"upper_bound": None}],
    "norm": [{"norm": "layer"}, {"norm": "rms"}, {"norm": "none", "residual": "sum"}],  # products would explode
    "block": [{"block": "carca"}, *({"block": name, "residual": "sum"} for name in ("sasrec", "ligr"))],
    "position_scale": [{"position_scale": scale} for scale in ("unit", "items", 0.5)],
    "upper_bound_norm": [{"upper_bound": 0.5, "upper_bound_norm": p} for p in (1.0, 1.5, 3.0)],
}
ELSEWHERE = {"dropout", "decoder_positions"}  # test_dropout.py, test_decoder_positions.py
ACTIVATIONS = {
    "leaky": lambda x: np.where(x > 0, x, 0.2 * x),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2,
    "identity": lambda x: x,
}
RESIDUALS = {"mul": np.multiply, "sum": np.add, "none": lambda y, x: y}


def values_of(name: str) -> list[dict[str, Any]]:
    annotation = ModelSettings.model_fields[name].annotation
    values = (True, False) if annotation is bool else get_args(annotation)
    return NUMBERS.get(name) or [{name: value} for value in values]


CASES = [
    (f"{n}: {values}", values) for n in ModelSettings.model_fields if n not in ELSEWHERE for values in values_of(n)
]
CASES += [("rms after", {"norm": "rms", "norm_place": "after"}), ("bare", {"residual": "none", "norm": "none"})]


def embeddings(p: dict[str, Array], s: ModelSettings) -> Array:
    table = p["item_embedding"].copy()
    if s.upper_bound is not None:
        for row in table:
            size = (np.abs(row) ** s.upper_bound_norm).sum() ** (1 / s.upper_bound_norm)
            if size > s.upper_bound:
                row *= s.upper_bound / size
    return table


def encoded(p: dict[str, Array], s: ModelSettings, data: Prepared, ids: Array, context: Array, rows: Array) -> Array:
    """x = W_c [sqrt(D) e ; W_f [context ; attributes] + b_f] + b_c + p(row). Returns (n, D)."""
    attributes = np.zeros((len(ids), data.n_attributes))
    for place, item in enumerate(ids):
        attributes[place, data.attribute_ids[data.attribute_offsets[item] : data.attribute_offsets[item + 1]]] = 1
    features = np.hstack([context if s.context else 0 * context, attributes]) @ p["feature_weight"].T
    both = np.hstack([math.sqrt(s.dimension) * embeddings(p, s)[ids], features + p["feature_bias"]])
    return both @ p["item_weight"].T + p["item_bias"] + p["encoding.vectors"][rows]


def normed(p: dict[str, Array], s: ModelSettings, name: str, x: Array) -> Array:
    if s.norm == "none":
        return x
    if s.norm == "rms":
        return x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-8) * p[f"{name}.weight"]
    centred = x - x.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-8) * p[f"{name}.weight"] + p[f"{name}.bias"]


def attention(p: dict[str, Array], s: ModelSettings, name: str, queries: Array, memory: Array, causal: bool) -> Array:
    plain = s.block != "carca" and name != "decoder"
    activation, width = ACTIVATIONS["identity" if plain else "leaky"], s.dimension // s.heads
    q, k, v = (
        activation(x @ p[f"{name}.{part}_weight"].T + p.get(f"{name}.{part}_bias", 0.0))
        for part, x in (("query", queries), ("key", memory), ("value", memory))
    )
    out = np.zeros_like(q)
    for i, head in np.ndindex(len(q), s.heads):
        own, seen = slice(head * width, (head + 1) * width), i + 1 if causal else len(k)
        products = k[:seen, own] @ q[i, own] / math.sqrt(width)
        weights = np.exp(products - products.max())
        out[i, own] = weights @ v[:seen, own] / weights.sum()
    return out


def sasrec_block(p: dict[str, Array], s: ModelSettings, name: str, x: Array, causal: bool) -> Array:
    query, layer = normed(p, s, f"{name}.norm1", x), f"{name}.feed_forward"
    y = normed(p, s, f"{name}.norm2", attention(p, s, f"{name}.attention", query, x, causal) + query)
    hidden = np.maximum(y @ p[f"{layer}.weight1"].T + p[f"{layer}.bias1"], 0)
    return y + hidden @ p[f"{layer}.weight2"].T + p[f"{layer}.bias2"]


def ligr_block(p: dict[str, Array], s: ModelSettings, name: str, x: Array, causal: bool) -> Array:
    def gate(number: int, x: Array) -> Array:
        return 1 / (1 + np.exp(-x @ p[f"{name}.gate{number}"].T))

    normal, layer = normed(p, s, f"{name}.norm1", x), f"{name}.feed_forward"
    y = attention(p, s, f"{name}.attention", normal, normal, causal) @ p[f"{name}.output_weight"].T
    x = x + gate(1, x) * y
    normal = normed(p, s, f"{name}.norm2", x)
    hidden = ACTIVATIONS["silu"](normal @ p[f"{layer}.weight1"].T) * (normal @ p[f"{layer}.weight2"].T)
    return x + gate(2, x) * (hidden @ p[f"{layer}.weight3"].T)


def block(p: dict[str, Array], s: ModelSettings, name: str, x: Array, causal: bool) -> Array:
    if s.block != "carca":
        return {"sasrec": sasrec_block, "ligr": ligr_block}[s.block](p, s, name, x, causal)
    residual, before = RESIDUALS[s.residual], s.norm_place == "before"
    start = normed(p, s, f"{name}.norm1", x) if before else x
    y = residual(attention(p, s, f"{name}.attention", start, x, causal), start)
    y = normed(p, s, f"{name}.norm2" if before else f"{name}.norm1", y)
    layer = f"{name}.feed_forward"
    hidden = ACTIVATIONS[s.activation](y @ p[f"{layer}.weight1"].T + p[f"{layer}.bias1"])
    y = residual(y + hidden @ p[f"{layer}.weight2"].T + p[f"{layer}.bias2"], y)
    return y if before else normed(p, s, f"{name}.norm2", y)


def scores(p: dict[str, Array], s: ModelSettings, data: Prepared, user: int, target: int, causal: bool) -> Array:
    """Logits of items 1 .. I."""
    history = np.arange(max(data.offsets[user], target - s.max_length), target)
    n, items = len(history), np.arange(1, data.n_items + 1)
    rows = np.arange(n) + (s.max_length - n if s.position_start == "end" else 0)
    x = encoded(p, s, data, data.items[history], data.context[history].astype(float), rows)
    for number in range(s.blocks):
        x = block(p, s, f"blocks.{number}", x, causal)
    if s.norm_place == "before":
        x = normed(p, s, "last_norm", x)
    own = {"request_time": data.context[target], "last_interaction": data.context[target - 1], "none": np.zeros(6)}
    context = np.tile(own[s.candidate_context].astype(float), (len(items), 1))
    o = encoded(p, s, data, items, context, np.full(len(items), rows[-1] + 1))
    if s.head == "dot":
        return o @ x[-1]
    y = RESIDUALS[s.decoder_residual](attention(p, s, "decoder", o, x, causal=False), o)
    return y @ p["output_weight"] + p["output_bias"]


@pytest.mark.parametrize("protocol", ["sound", "sound_last"])
@pytest.mark.parametrize("settings", [values for _, values in CASES], ids=[name for name, _ in CASES])
def test_scores_by_numpy(data: Prepared, settings: dict[str, Any], protocol: str) -> None:
    cell = make_cell("learnt", protocol, **settings)
    model = build_model(cell, data, 1)
    with torch.no_grad():  # norms start at 1 and biases at 0: what they do must be seen
        for value in model.parameters():
            value.add_(torch.randn(value.shape, generator=torch.Generator().manual_seed(value.dim())) / 5)
    p = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    requests = requests_of(data.test)
    length = requests.targets - data.offsets[requests.users]
    some = requests.take(np.unique([np.argmin(length), np.argmax(length), 0, 1, 2]))
    for where, found in model_scores(model, data, some):
        for place, logits in zip(where, found.numpy(), strict=True):
            user, target = int(some.users[place]), int(some.targets[place])
            expected = scores(p, cell.model, data, user, target, causal=protocol == "sound")
            np.testing.assert_allclose(logits[1 : data.n_items + 1], expected, rtol=1e-9, atol=1e-9)

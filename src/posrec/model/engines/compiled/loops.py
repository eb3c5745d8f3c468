"""The loops themselves, on numpy arrays.

Tokens are (T, D), the columns of a head side by side. Pairs of a query and a key are numbered user by user, head by
head, query by query, those that a causal mask hides included: nothing is computed for them.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from posrec.model.engines.compiled.compiler import compiled, compiled_exactly, inlined

LOG2_E = math.log2(math.e)
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # ln 2 in two parts, to lose no digit
TERMS = tuple(1 / math.factorial(n) for n in range(12, -1, -1))  # of the series of e^x, the highest power first
SMALLEST = -700.0  # e^x of less is 0 beside 1


class Users(NamedTuple):
    """Index of each user's first key and query (B + 1,); causal: query i of a user of n keys sees keys 0 .. i mod n."""

    keys: np.ndarray
    queries: np.ndarray
    causal: bool


class Dropped(NamedTuple):
    """An element is 0 where its bits are less than `below`, else scaled. Without bits (0,) all stay as they are."""

    bits: np.ndarray
    below: int
    scale: float


class Inputs(NamedTuple):
    """Of one attention. q: (Tq, D); k, v: (T, D); weights: (pairs,), what softmax gives, before dropout."""

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    weights: np.ndarray
    dropped: Dropped


class Gradients(NamedTuple):
    """Of the output (Tq, D), and what `attend_backward` sets: of q, k and v. of_weights: room for a user's keys."""

    output: np.ndarray
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    of_weights: np.ndarray


@compiled_exactly
def exponential(x: float) -> float:
    """e^x of x <= 0 in float64, without the system's mathematical library: its last bit differs between versions."""
    x = max(x, SMALLEST)
    power = math.floor(x * LOG2_E + 0.5)
    rest = (x - power * LN2_HIGH) - power * LN2_LOW
    y = 0.0
    for term in TERMS:
        y = y * rest + term
    return y * np.int64((np.int64(power) + 1023) << 52).view(np.float64)


@inlined
def is_kept(dropped: Dropped, i: int) -> bool:
    """Whether element i stays."""
    return len(dropped.bits) == 0 or dropped.bits[i] >= dropped.below


@inlined
def dot(a: np.ndarray, b: np.ndarray) -> float:
    """The sum of the products of two rows (n,)."""
    total = a.dtype.type(0)
    for c in range(len(a)):
        total += a[c] * b[c]
    return total


@inlined
def add_scaled(to: np.ndarray, scale: float, x: np.ndarray) -> None:
    """to += scale * x, rows (n,)."""
    for c in range(len(to)):
        to[c] += scale * x[c]


@inlined
def softmax(scores: np.ndarray) -> None:
    """Softmax in place. scores: (n,)."""
    top = scores[0]
    for j in range(1, len(scores)):
        top = max(top, scores[j])
    total = scores.dtype.type(0)
    for j in range(len(scores)):
        scores[j] = exponential(np.float64(scores[j] - top))
        total += scores[j]
    for j in range(len(scores)):
        scores[j] /= total


@inlined
def attend_query(x: Inputs, out: np.ndarray, i: int, rows: slice, columns: slice, pairs: slice) -> None:
    """Query i, one head. rows: of the keys it sees; columns: the head's; pairs: the query with each of these keys."""
    q, k, v, weights = x.q[i, columns], x.k[rows], x.v[rows], x.weights[pairs]
    scale = q.dtype.type(1 / math.sqrt(len(q)))
    for j in range(len(weights)):
        weights[j] = scale * dot(q, k[j, columns])
    softmax(weights)
    o = out[i, columns]
    o[:] = 0
    for j in range(len(weights)):
        if is_kept(x.dropped, pairs.start + j):
            add_scaled(o, weights[j] * x.dropped.scale, v[j, columns])


@inlined
def attend_query_backward(x: Inputs, of: Gradients, i: int, rows: slice, columns: slice, pairs: slice) -> None:
    """Set its gradient, and add to those of the keys and values."""
    q, k, v, weights = x.q[i, columns], x.k[rows], x.v[rows], x.weights[pairs]
    g, of_q, of_k, of_v = of.output[i, columns], of.q[i, columns], of.k[rows], of.v[rows]
    scale, of_weights = q.dtype.type(1 / math.sqrt(len(q))), of.of_weights
    mean = q.dtype.type(0)
    for j in range(len(weights)):
        of_weights[j] = 0
        if is_kept(x.dropped, pairs.start + j):
            of_weights[j] = x.dropped.scale * dot(g, v[j, columns])
            add_scaled(of_v[j, columns], weights[j] * x.dropped.scale, g)
            mean += weights[j] * of_weights[j]
    of_q[:] = 0
    for j in range(len(weights)):
        of_score = weights[j] * (of_weights[j] - mean) * scale
        add_scaled(of_q, of_score, k[j, columns])
        add_scaled(of_k[j, columns], of_score, q)


@inlined
def visit_queries(visit: Callable[..., None], x: Inputs, to: Any, users: Users, heads: int) -> None:
    """Call visit(x, to, i, rows, columns, pairs) for every query and head, with the keys that the query sees."""
    width, pair = x.q.shape[1] // heads, 0
    for user in range(len(users.keys) - 1):
        first, count = users.keys[user], users.keys[user + 1] - users.keys[user]
        for head in range(heads):
            columns = slice(head * width, (head + 1) * width)
            for i in range(users.queries[user], users.queries[user + 1]):
                seen = (i - users.queries[user]) % count + 1 if users.causal else count
                visit(x, to, i, slice(first, first + seen), columns, slice(pair, pair + seen))
                pair += count


@compiled
def attend(x: Inputs, out: np.ndarray, users: Users, heads: int) -> None:
    """Attention of all users; sets the weights and out (Tq, D)."""
    visit_queries(attend_query, x, out, users, heads)


@compiled
def attend_backward(x: Inputs, of: Gradients, users: Users, heads: int) -> None:
    """Its gradients: sets that of q and adds to those of k and v."""
    visit_queries(attend_query_backward, x, of, users, heads)


@compiled
def activate(x: np.ndarray, slope: float, dropped: Dropped, out: np.ndarray) -> None:
    """Dropout of x, where it is above 0, and slope * x elsewhere. All (n,)."""
    for i in range(len(x)):
        value = x[i] if x[i] > 0 else slope * x[i]
        out[i] = value * dropped.scale if is_kept(dropped, i) else 0


@compiled
def activate_backward(g: np.ndarray, x: np.ndarray, slope: float, dropped: Dropped, out: np.ndarray) -> None:
    """Its gradient. g: that of the output."""
    for i in range(len(x)):
        value = g[i] if x[i] > 0 else slope * g[i]
        out[i] = value * dropped.scale if is_kept(dropped, i) else 0


@compiled
def add_dropped(y: np.ndarray, x: np.ndarray, dropped: Dropped, out: np.ndarray) -> None:
    """y and the dropout of x. All (n,)."""
    for i in range(len(x)):
        out[i] = y[i] + (x[i] * dropped.scale if is_kept(dropped, i) else 0)


class AdamStep(NamedTuple):
    """The numbers of one step of AdamW (Loshchilov and Hutter 2019, algorithm 2).

    size: the learning rate over the first moment's correction; decay: 1 - learning rate x weight decay; rest: 1 - beta;
    correction: the inverse root of the second moment's.
    """

    size: float
    decay: float
    beta1: float
    rest1: float
    beta2: float
    rest2: float
    correction: float
    smallest: float


@compiled
def adamw(
    table: np.ndarray, mean: np.ndarray, square: np.ndarray, places: np.ndarray, gradients: np.ndarray, step: AdamStep
) -> None:
    """Move every row of a table. table and its moments: (I, D); places: (I,) in gradients (M, D), -1: none, so 0."""
    for i in range(len(table)):
        p, m, v = table[i], mean[i], square[i]
        if places[i] < 0:
            for c in range(len(p)):
                m[c] *= step.beta1
                v[c] *= step.beta2
                p[c] = p[c] * step.decay - step.size * m[c] / (math.sqrt(v[c]) * step.correction + step.smallest)
        else:
            g = gradients[places[i]]
            for c in range(len(p)):
                m[c] += step.rest1 * (g[c] - m[c])
                v[c] = v[c] * step.beta2 + step.rest2 * g[c] * g[c]
                p[c] = p[c] * step.decay - step.size * m[c] / (math.sqrt(v[c]) * step.correction + step.smallest)

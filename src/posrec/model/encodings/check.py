"""The tests that the interface asks of an encoding, run on any registered one: what it must keep, and what it reads."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from posrec.model.attention import Relative, attend, exact_group, make_group
from posrec.model.encodings import build_encoding
from posrec.model.encodings.interface import Encoding, Shape, Steps

SHAPE = Shape(dimension=16, heads=2, blocks=2, max_length=8, causal=True)
N = SHAPE.max_length
CLOSE = 1e-9  # in float64, relative to the largest number


@dataclass(frozen=True)
class Finding:
    """What one check found; passed: None where nothing is asked, but worth knowing."""

    check: str
    passed: bool | None
    text: str


@dataclass(frozen=True)
class User:
    """One user of N steps: items and values (N, 16), rows, times and times of requests (N,)."""

    x: Tensor
    values: Tensor
    rows: Tensor
    times: Tensor
    asked: Tensor


def check_encoding(name: str) -> list[Finding]:
    """All checks of the encoding of this name. Raises EncodingError, StudyError or ValueError where it is not built."""
    return [_finding(check, name) for check in CHECKS]


def _finding(check: Callable[[str], Finding], name: str) -> Finding:
    try:
        return check(name)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        return Finding(check.__name__.strip("_"), False, f"{type(error).__name__}: {error}")


def _build(name: str, number: torch.dtype = torch.float64) -> Encoding:
    """Drawn at random, and moved away from zeros and ones, which would hide what it does."""
    encoding = build_encoding(name, SHAPE, torch.Generator().manual_seed(1)).to(number)
    noise = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in encoding.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=noise).to(number) / 10)
    return encoding


def _user(number: torch.dtype = torch.float64) -> User:
    x, values = torch.randn(2, N, SHAPE.dimension, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    times = torch.tensor([0, 1.5, 1.5, 9, 40, 41, 300, 800], dtype=torch.float64)
    asked = torch.cat([times[1:], times[-1:] + 2])
    return User(x.to(number), values.to(number), torch.arange(N), times, asked)


def _outputs(encoding: Encoding, user: User, first: int = 0, padded: bool = False) -> Tensor:
    """What each step gives: encoded, then through the attention of every block. From step `first` on, or padded to it.

    Returns (N, 16) or (N - first, 16).
    """
    at = slice(0 if padded else first, None)
    steps = Steps(user.rows[at], user.times[at], user.asked[at])
    given = encoding.given(steps.times)
    y = encoding.encode(user.x[at], steps.rows, *given)
    count = len(y)
    group = make_group(np.array([N - first]), N, N, True) if padded else exact_group(1, count, count, True)
    for block in range(SHAPE.blocks):
        heads = y.unflatten(1, (SHAPE.heads, -1))
        query, key = (encoding.rotate(each, steps.rows, block, *given) for each in (heads, heads.flip(2)))
        values = (y + user.values[at]).unflatten(1, (SHAPE.heads, -1))
        mixed = attend(query, key, values, [group], lambda weights: weights, Relative(encoding, block, steps))
        y = y + encoding.project(mixed, block)
    return y[first:] if padded else y


def _same(one: Tensor, other: Tensor) -> bool:
    one, other = one.detach(), other.detach()
    return bool((one - other).abs().max() <= CLOSE * max(1.0, float(one.abs().max())))


def _shapes(name: str) -> Finding:
    encoding, user = _build(name), _user()
    given = encoding.given(user.times)
    encoded = encoding.encode(user.x, user.rows, *given)
    heads = encoded.view(N, SHAPE.heads, -1)
    shapes = [tuple(each.shape) for each in (encoded, encoding.rotate(heads, user.rows, 0, *given))]
    right = shapes == [tuple(user.x.shape), tuple(heads.shape)] and _outputs(encoding, user).shape == user.x.shape
    return Finding("shapes", right, f"encode gives {shapes[0]}, rotate {shapes[1]}")


def _dtype(name: str) -> Finding:
    found = {str(number): str(_outputs(_build(name, number), _user(number)).dtype) for number in _numbers()}
    text = ", ".join(f"{given} in, {out} out" for given, out in found.items()).replace("torch.", "")
    return Finding("dtype", all(given == out for given, out in found.items()), text)


def _numbers() -> Iterator[torch.dtype]:
    yield from (torch.float32, torch.float64)


def _affine(name: str) -> Finding:
    encoding, user = _build(name), _user()

    def encode(x: Tensor) -> Tensor:
        return encoding.encode(x, user.rows, *encoding.given(user.times))

    whole = encode(user.x + user.values) + encode(torch.zeros_like(user.x))
    passed = _same(encode(user.x) + encode(user.values), whole)
    return Finding("affine", passed, "encode(a + b) + encode(0) = encode(a) + encode(b)")


def _padding(name: str) -> Finding:
    encoding, user = _build(name), _user()
    passed = _same(_outputs(encoding, user, 3), _outputs(encoding, user, 3, padded=True))
    return Finding("padding", passed, "5 steps alone give what they give after 3 slots of padding")


def _causality(name: str) -> Finding:
    encoding, user = _build(name), _user()
    last = torch.arange(N) == N - 1
    times = user.times + 70.0 * last
    asked = torch.cat([times[1:], user.asked[-1:]])
    later = User(torch.where(last[:, None], -user.x, user.x), user.values, user.rows, times, asked)
    one, other = _outputs(encoding, user), _outputs(encoding, later)
    reads = "" if _same(one[N - 2], other[N - 2]) else "; the step before reads the time of its request"
    passed = _same(one[: N - 2], other[: N - 2]) and (not reads or _reads_request(encoding, user))
    return Finding("causality", passed, f"another last step leaves the earlier ones as they are{reads}")


def _reads_request(encoding: Encoding, user: User) -> bool:
    """Whether a step's output depends on the time of the request that it answers."""
    asked = user.asked + 5.0 * (torch.arange(N) == N - 2)
    moved = User(user.x, user.values, user.rows, user.times, asked)
    return not _same(_outputs(encoding, user)[N - 2], _outputs(encoding, moved)[N - 2])


def _gradients(name: str) -> Finding:
    encoding, user = _build(name), _user()
    parameters = dict(encoding.named_parameters())
    if not parameters:
        return Finding("gradients", True, "no parameters")
    weights = torch.randn(user.x.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    loss = (_outputs(encoding, user) * weights).sum()
    if loss.requires_grad:
        loss.backward()
    without = [key for key, value in parameters.items() if value.grad is None or not value.grad.any()]
    count = sum(value.numel() for value in parameters.values())
    text = f"none reaches {', '.join(without)}" if without else f"reach all {len(parameters)} tensors, {count} numbers"
    return Finding("gradients", not without, text)


def _shift(name: str) -> Finding:
    encoding, user = _build(name), _user()
    plain = _outputs(encoding, user)
    moves = {
        "times": User(user.x, user.values, user.rows, user.times + 500, user.asked + 500),
        "rows": User(user.x[1:], user.values[1:], user.rows[:-1], user.times[1:], user.asked[1:]),
    }
    same = [_same(plain, _outputs(encoding, moves["times"]))]
    same.append(_same(_outputs(encoding, user, 1), _outputs(encoding, moves["rows"])))
    text = "; ".join(
        f"{'only differences of' if kept else 'absolute'} {what} count" for what, kept in zip(moves, same, strict=True)
    )
    return Finding("shift", None, text)


CHECKS = (_shapes, _dtype, _affine, _padding, _causality, _gradients, _shift)

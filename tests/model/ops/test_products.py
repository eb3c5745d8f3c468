"""Products by oneDNN: gradients of a linear layer, what is routed at all, and the fall-back where it isn't float32."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import torch
from torch.nn import functional as F

from posrec.data.prepare.prepared import Prepared
from posrec.model import streams
from posrec.model.batches import Sampler
from posrec.model.losses import binary_cross_entropy
from posrec.model.ops import products
from posrec.model.ops.plain import PLAIN
from posrec.model.train import build_model
from tests.model.conftest import make_cell, make_data

ROWS, INPUTS, OUTPUTS = 300, 128, 120  # 4.6 million multiplications: large enough to be routed


def outputs_and_gradients(function: Callable[..., torch.Tensor], dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((ROWS, INPUTS), (OUTPUTS, INPUTS), (OUTPUTS,))
    inputs = [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]
    y = function(*inputs)
    return [y.detach(), *torch.autograd.grad((y * y.detach().sin()).sum(), inputs)]


def test_error_of_outputs_and_gradients() -> None:
    exact = outputs_and_gradients(F.linear, torch.float64)
    for routed, plain, true in zip(
        outputs_and_gradients(products.fast_linear, torch.float32),
        outputs_and_gradients(F.linear, torch.float32),
        exact,
        strict=True,
    ):
        own, allowed = (float((one - true).norm()) for one in (routed, plain))
        assert own <= 2 * allowed


def test_what_keeps_torchs_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "onednn_is_float32", lambda: True)
    monkeypatch.setattr(products, "onednn", _forbidden)
    outputs_and_gradients(products.fast_linear, torch.float64)
    large = torch.ones(ROWS, INPUTS), torch.ones(OUTPUTS, INPUTS)
    with pytest.raises(AssertionError, match="routed"):
        products.fast_linear(*large)
    PLAIN.linear(*large)
    few, padded = torch.ones(4, INPUTS), torch.ones(ROWS, 2, INPUTS, requires_grad=True)
    products.fast_linear(few, torch.ones(OUTPUTS, INPUTS))
    products.fast_linear(padded, torch.ones(OUTPUTS, INPUTS)).sum().backward()


def test_a_rounded_product_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where oneDNN really computed in bfloat16, as some processors do."""
    monkeypatch.setattr(products, "onednn", _rounding)
    products.onednn_is_float32.cache_clear()
    try:
        assert not products.onednn_is_float32()
        routed, plain = (outputs_and_gradients(f, torch.float32) for f in (products.fast_linear, F.linear))
        assert all(torch.equal(one, other) for one, other in zip(routed, plain, strict=True))
    finally:
        products.onednn_is_float32.cache_clear()


def loss_and_gradients(data: Prepared, precision: str) -> list[torch.Tensor]:
    """Of one batch of a model whose products are large enough to be routed."""
    cell = make_cell("rope", precision=precision, dimension=96, batch_size=200)
    model = build_model(cell, data, 1)
    order, negatives = (streams.numpy_stream(name, 1) for name in ("order", "negatives"))
    batch = next(Sampler(data, cell.model, cell.switches, 200, order, negatives).epoch())
    loss = binary_cross_entropy(model(batch.items, batch.tokens, batch.layout), batch)
    loss.backward()
    found = [loss.detach(), *(value.grad for value in model.parameters() if value.grad is not None)]
    return [value.to_dense().double() for value in found]


def test_a_model_with_routed_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is at most twice that of torch's own products; where oneDNN is not float32 the bytes are torch's."""
    if not products.onednn_is_float32():
        pytest.skip("oneDNN's products are not float32 on this processor")
    data, calls = make_data(users=240), []
    before = products.onednn

    def counted() -> AbstractContextManager[None]:
        calls.append(1)
        return before()

    monkeypatch.setattr(products, "onednn", counted)
    exact, routed = (loss_and_gradients(data, precision) for precision in ("fp64", "fp32"))
    assert len(calls) > 20
    monkeypatch.setattr(products, "onednn_is_float32", lambda: False)
    calls.clear()
    stock = loss_and_gradients(data, "fp32")
    assert not calls
    own, allowed = (
        torch.cat([(one - true).flatten() for one, true in zip(found, exact, strict=True)]).norm()
        for found in (routed, stock)
    )
    assert 0 < own <= 2 * allowed
    monkeypatch.setattr(products, "_routable", lambda x: False)
    assert all(torch.equal(one, other) for one, other in zip(stock, loss_and_gradients(data, "fp32"), strict=True))


def test_the_choice_of_the_product_is_put_back() -> None:
    before = torch.backends.mkldnn.matmul.fp32_precision
    outputs_and_gradients(products.fast_linear, torch.float32)
    assert torch.backends.mkldnn.matmul.fp32_precision == before


@contextmanager
def _forbidden() -> Iterator[None]:
    raise AssertionError("routed")
    yield


@contextmanager
def _rounding() -> Iterator[None]:
    class Bfloat16(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            if function is torch.Tensor.matmul or function is torch.Tensor.__matmul__:
                return function(*(x.bfloat16().to(x.dtype) for x in args))
            return function(*args, **(kwargs or {}))

    with Bfloat16():
        yield


MANY_SHAPES = """
import resource
from posrec.model.ops.products import fast_linear
import torch
torch.set_num_threads(1)
weight = torch.randn(64, 64, requires_grad=True)
def step(tokens):
    fast_linear(torch.randn(tokens, 64, requires_grad=True), weight).sum().backward()
step(3000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for tokens in range(1000, 3000, 5):
    step(tokens)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux alone")
def test_the_memory_of_many_batches_is_that_of_one() -> None:
    """Batches of 400 lengths: what torch and oneDNN prepare for a shape must not be kept for all of them."""
    bare = {key: value for key, value in os.environ.items() if "CACHE_CAPACITY" not in key}
    done = subprocess.run(
        [sys.executable, "-c", MANY_SHAPES], env=bare, capture_output=True, text=True, check=True, timeout=600
    )
    assert int(done.stdout) < 100  # MiB; several hundred with the capacities that torch and oneDNN have of themselves

"""A user's logits in training are its own: neither padding nor who stands where in the batch changes them."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from posrec.data.prepare.prepared import Prepared
from posrec.model import streams
from posrec.model.attention import Packing
from posrec.model.batches import Batch, Sampler
from posrec.model.carca import Carca
from posrec.model.train import build_model
from posrec.study.encodings import ENCODINGS
from tests.model.conftest import make_cell

USERS = 12


@pytest.mark.parametrize("protocol", ["sound", "sound_last"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_padding_and_batch_order_change_nothing(data: Prepared, encoding: str, protocol: str) -> None:
    """In another order of users, padded to L slots, and alone without padding (the released rope and softmax apart)."""
    cell = make_cell(encoding, protocol)
    model = build_model(cell, data, 1)
    order, negatives = (streams.numpy_stream(name, 1) for name in ("order", "negatives"))
    packings: list[Packing] = ["classes", "padded"]
    packed, padded = (Sampler(data, cell.model, cell.switches, 16, order, negatives, packing) for packing in packings)
    samples = packed._samples(packed.users[:USERS])
    first = np.argsort(samples.length, kind="stable")
    other = np.lexsort([-np.arange(USERS), samples.length])  # users of one length the other way round
    expected = by_user(model, packed._batch(samples.take(first)), first)
    alone = [by_user(model, packed._batch(samples.take(np.array([user]))), [user])[user] for user in range(USERS)]
    found = [
        by_user(model, packed._batch(samples.take(other)), other),
        by_user(model, padded._batch(samples.take(first)), first),
        dict(enumerate(alone)),
    ]
    assert list(first) != list(other)
    assert sum(len(logits) for logits in expected.values()) >= 2 * USERS
    for one, user in itertools.product(found, range(USERS)):
        torch.testing.assert_close(one[user], expected[user], rtol=1e-10, atol=1e-10)


def by_user(model: Carca, batch: Batch, users: Sequence[int] | np.ndarray) -> dict[int, Tensor]:
    """Logits of the real candidate slots of each user; `users`: who stands where in the batch."""
    sizes = [group.queries for group in batch.layout for _ in range(group.users)]
    logits = model(batch.items, batch.tokens, batch.layout).split(sizes)
    parts = zip(users, logits, batch.sign.split(sizes), strict=True)
    return {int(user): of_user[sign != 0] for user, of_user, sign in parts}

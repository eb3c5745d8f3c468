"""Training losses by hand and against one another."""

import math

import numpy as np
import pytest
import torch

from posrec.data.prepare.prepared import Prepared
from posrec.model.batches import Sampler
from posrec.model.losses import LOSSES, by_target, gbce_power, loss_function
from posrec.model.streams import numpy_stream
from posrec.study.losses import names
from posrec.study.settings.training import TrainingSettings
from tests.model.conftest import make_cell


def drawn(data: Prepared, negatives: int, protocol: str = "sound"):  # type: ignore[no-untyped-def]
    cell = make_cell(protocol=protocol)
    streams = numpy_stream("order", 1), numpy_stream("negatives", 1)
    return next(Sampler(data, cell.model, cell.switches, 16, *streams, negatives_a_target=negatives).epoch())


@pytest.mark.parametrize("protocol", ["sound", "sound_last"])
@pytest.mark.parametrize("negatives", [1, 3])
def test_losses_against_loops(data: Prepared, protocol: str, negatives: int) -> None:
    batch = drawn(data, negatives, protocol)
    logits = torch.randn(len(batch.sign), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    scores, real = by_target(logits, batch, negatives)
    assert int(real.sum()) * (1 + negatives) == int(batch.sign.abs().sum())
    assert int((batch.sign > 0).sum()) == int(real.sum())
    rows = scores[real > 0].numpy()
    probability = 1 / (1 + np.exp(-rows))
    beta = gbce_power(negatives, data.n_items, 0.75)
    positive, negative = np.log(probability[:, 0]), np.log(1 - probability[:, 1:]).sum(1)
    expected = {
        "bce": -(positive + negative).sum() / rows.size,
        "gbce": -(beta * positive + negative).sum() / rows.size,
        "ce": -np.mean([row[0] - math.log(np.exp(row).sum()) for row in rows]),
    }
    for loss, value in expected.items():
        settings = TrainingSettings(loss=loss, negatives=negatives)  # type: ignore[call-arg]
        assert loss_function(settings, data.n_items)(logits, batch).item() == pytest.approx(value, rel=1e-12)


def test_gbce_power_by_hand() -> None:
    assert gbce_power(5, 101, 0.0) == 1  # no calibration: bce
    assert gbce_power(5, 101, 1.0) == pytest.approx(0.05)  # full: the sampling rate 5 / 100
    assert gbce_power(5, 101, 0.5) == pytest.approx((1 + 0.05) / 2)


def test_a_study_may_name_exactly_the_losses_that_are_registered() -> None:
    assert tuple(LOSSES) == names()

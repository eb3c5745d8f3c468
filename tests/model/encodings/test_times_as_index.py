"""Where times are replaced by the index (control `times: index`), an encoding by time equals its form by order."""

import dataclasses

import pytest
import torch

from posrec.data.prepare.controls import change_times
from posrec.data.prepare.prepared import Prepared
from posrec.model.evaluate.score import model_scores, requests_of
from posrec.model.train import Training
from tests.model.conftest import make_cell

FORMS = [  # by time, by order
    ("time_rope-time_base=1000", "rope"),
    ("to_rope-mode=split_by_head-time_base=1000", "rope"),
]


def trained_scores(data: Prepared, encoding: str) -> torch.Tensor:
    """The scores of every test request after an epoch."""
    cell = make_cell(encoding, head="dot", candidate_context="none", context=False)
    training = Training(cell, data, 1)
    for batch in training.sampler.epoch():
        training.step(batch)
    training.model.eval()
    with torch.no_grad():
        return torch.cat([scores for _, scores in model_scores(training.model, data, requests_of(data.test))])


@pytest.mark.parametrize(("by_time", "by_order"), FORMS)
def test_by_time_is_by_order(data: Prepared, by_time: str, by_order: str) -> None:
    times = change_times(data.times, data.offsets, data.train_length, "index", 0)
    indexed = dataclasses.replace(data, times=times)
    expected = trained_scores(data, by_order)
    torch.testing.assert_close(trained_scores(indexed, by_time), expected, rtol=1e-7, atol=1e-7)
    assert not torch.allclose(trained_scores(data, by_time), expected, rtol=1e-3, atol=1e-3)

"""One thread a training, whoever calls: the bytes are the same on however many cores."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from posrec.files import read_json
from posrec.model.runs import jobs
from posrec.model.threads import one_thread
from posrec.model.train import train_run
from tests.model import toy
from tests.model.conftest import make_cell, make_data


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The number of threads is the process's: put it back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_training_is_the_same_whatever_the_callers_threads() -> None:
    """Batches that are large enough for torch to split its sums; without `one_thread` these bytes differ."""
    data = make_data(users=256, items=400, longest=40)
    cell = make_cell("rmha4", precision="fp32", dimension=32, max_length=40, batch_size=256, epochs=1)
    bytes_of = []
    for number in (1, 2):
        torch.set_num_threads(number)
        weights = train_run(cell, data, 1).weights[1]
        bytes_of.append({name: value.numpy().tobytes() for name, value in weights.items()})
        assert torch.get_num_threads() == number
    assert bytes_of[0] == bytes_of[1]


def test_a_job_takes_one_thread_and_records_it(place: Path) -> None:
    torch.set_num_threads(2)
    loaded = toy.make_study(encodings=["none"])
    jobs.train_cells(loaded, loaded.cells, [1])
    assert torch.get_num_threads() == 2
    assert read_json(toy.run(loaded).planned.sidecar)["threads"] == 1


def test_the_callers_threads_come_back_after_an_error() -> None:
    torch.set_num_threads(2)
    with pytest.raises(ZeroDivisionError), one_thread():
        _ = 1 / (torch.get_num_threads() - 1)
    assert torch.get_num_threads() == 2

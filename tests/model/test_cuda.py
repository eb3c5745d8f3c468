"""The engine on a GPU against the CPU and against itself; skipped, with the reason, where there is none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks import gpu

from posrec.data.prepare.prepared import Prepared
from posrec.model.engines.devices import without_gpu
from posrec.model.engines.stacked import jobs as stacked_jobs
from posrec.model.engines.stacked import model as stacked
from posrec.model.evaluate.score import Requests, Scorer, evaluating, requests_of
from posrec.model.runs import jobs
from posrec.model.runs.run import Run
from posrec.model.train import Training, build_model
from posrec.plan.run import planned_runs
from posrec.store import results
from tests.model.conftest import make_candidates, make_cell, rank_test_users
from tests.model.engines.stacks import SETTINGS, alone, difference, together
from tests.model.engines.test_stacked import ENCODINGS, SPECIAL, TOLERANCE
from tests.model.toy import make_study

pytestmark = pytest.mark.skipif(bool(without_gpu()), reason=f"needs a GPU: {without_gpu()}")
FORMS: list[dict[str, Any]] = [
    *({"encoding": name, "head": ("carca", "dot")[number % 2]} for number, name in enumerate(ENCODINGS)),
    *SPECIAL,
    {"encoding": "rmha4", "protocol": {"name": "one", "base": "sound", "rmha_softmax": "released"}},
    {"encoding": "rope", "protocol": {"name": "one", "base": "sound", "rope_axis": "released"}},
]


def cells(**settings: Any) -> list[Any]:
    """The same cell in float64 on the CPU and on the GPU."""
    numerics = [{"device": device, "precision": "fp64"} for device in ("cpu", "cuda")]
    return [make_cell(**{**SETTINGS, **settings}, numerics=one) for one in numerics]


def on_cpu(training: Training) -> Training:
    training.model.cpu()
    return training


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_the_gpu_trains_as_the_cpu_does(data: Prepared, form: dict[str, Any]) -> None:
    """Float64 without dropout: one seed at a time, and stacked where that is supported."""
    cpu, cuda = cells(**form)
    known = alone(cpu, data, 1)
    assert difference(on_cpu(alone(cuda, data, 1)), known) <= TOLERANCE
    if not stacked.unsupported(cuda):
        assert difference(on_cpu(together(cuda, data, (1, 2))[0]), known) <= TOLERANCE


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_ranks_are_those_of_the_cpu(data: Prepared, form: dict[str, Any]) -> None:
    ranks = []
    for cell in cells(**form):
        model = build_model(cell, data, 1)
        ranks.append(rank_test_users(model, data, make_candidates(data)))
    for one, other in zip(vars(ranks[0]).values(), vars(ranks[1]).values(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("dimension", [48, 90])
@pytest.mark.parametrize("head", ["carca", "dot"])
def test_equal_candidates_tie_wherever_they_stand(data: Prepared, dimension: int, head: str) -> None:
    """Float32: items that are made identical have identical scores."""
    cell = make_cell("learnt", dimension=dimension, head=head, numerics={"device": "cuda", "precision": "fp32"})
    model, requests = build_model(cell, data, 1), requests_of(data.test)
    with torch.no_grad(), evaluating(model):
        scorer = Scorer(model, data)
        scorer.parts[:] = scorer.parts[1]
        for _, block in scorer.score_all(requests, scorer.request_order(requests)):
            assert torch.equal(block, block[:, :1].expand_as(block))


def test_a_batch_of_requests_does_not_change_a_score(data: Prepared) -> None:
    """Within float32's rounding."""
    cell = make_cell("rope", numerics={"device": "cuda", "precision": "fp32"})
    model, requests = build_model(cell, data, 1), requests_of(data.test)
    with torch.no_grad(), evaluating(model):
        scorer = Scorer(model, data)
        _, block = next(scorer.score_all(requests, np.arange(len(requests.users))))
        (_, single) = next(scorer.score_all(Requests(requests.users[:1], requests.targets[:1]), np.arange(1)))
    assert (block[0] - single[0]).abs().max() <= 1e-5 * single.abs().max()


def test_a_study_on_the_gpu(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the study to its run files, with a kill after the first epoch; then nothing is left to do."""
    loaded = make_study(training={"numerics": {"device": "cuda"}})
    monkeypatch.setenv("POSREC_CHECKPOINT_SECONDS", "0")
    epoch, begun = stacked.train_epoch, []

    def dies(trainings: list[Training]) -> Any:
        begun.append(len(trainings))
        if len(begun) == 2:
            raise KeyboardInterrupt
        return epoch(trainings)

    with monkeypatch.context() as patch:
        patch.setattr(stacked, "train_epoch", dies)
        with pytest.raises(KeyboardInterrupt):
            jobs.train_cells(loaded, loaded.cells[:1])
    jobs.train_cells(loaded, loaded.cells)
    runs = [Run(planned) for planned in planned_runs(loaded)]
    assert [run.bring() for run in runs] == [False] * len(runs)
    assert {results.read_content(run.path)["status"] for run in runs} == {"finished"}
    assert stacked_jobs.bring_stacked(runs, again_failed=False) == []


def test_bfloat16_and_the_measurements_run() -> None:
    """Their figures are for docs/measured/gpu-measured.md; here they only have to be numbers."""
    effects = gpu.effect("cuda", seeds=(1, 2, 3), epochs=2)
    assert np.isfinite(effects[["fp32", "bf16"]].to_numpy()).all()

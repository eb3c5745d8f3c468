"""Work is counted from what the study declares, and packed into jobs that depend on the study alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posrec.commands import plan
from posrec.errors import StudyError
from posrec.plan import ids, work
from posrec.plan.run import run_files
from posrec.plan.work import Counts, Load
from posrec.study import study
from tests.plan.test_ids import SIMULATION, small

BIG = {"toy": {"simulate": {**SIMULATION, "users": 100_000, "items": 5000}}}


def runs_of(batches: list[work.Batch]) -> list[tuple[str, int]]:
    """Dataset, encoding and settings of every run, in the order of the jobs."""
    cells = [cell for batch in batches for cell in batch.cells]
    return [(f"{cell.dataset} {cell.encoding} {cell.model} {cell.training}", s) for cell in cells for s in cell.seeds]


@given(st.integers(1, 4), st.integers(50, 200_000), st.integers(1, 60), st.integers(3, 12))
def test_every_run_is_in_exactly_one_job_of_one_data_set(kinds: int, users: int, epochs: int, seeds: int) -> None:
    loaded = small(
        datasets={f"d{n}": {"simulate": {**SIMULATION, "users": users, "seed": n}} for n in range(kinds)},
        training={"epochs": epochs},
        seeds=list(range(seeds)),
    )
    batches = work.batches(loaded)
    wanted = [(f"{c.dataset} {c.encoding} {c.model} {c.training}", seed) for c in loaded.cells for seed in c.seeds]
    assert runs_of(batches) == wanted
    assert all({cell.dataset for cell in batch.cells} == {batch.dataset} for batch in batches)
    assert len({batch.name for batch in batches}) == len(batches)


def test_jobs_are_near_their_length_and_a_long_cell_is_cut_between_seeds() -> None:
    loaded = small(datasets=BIG, training={"epochs": 40}, seeds=list(range(30)))
    batches = work.batches(loaded)
    wanted = work.job_seconds(loaded)
    seconds = [batch.seconds or 0.0 for batch in batches]
    run = work.run_load(loaded.cells[0], Counts(100_000, 5000, 500_000)).seconds()
    assert work.SHORTEST_JOB < wanted <= work.LONGEST_JOB
    assert max(seconds) - min(seconds) <= run * 1.01  # whole runs: no more even than that
    assert all(abs(each - wanted) <= run for each in seconds)
    assert len(batches) > len(loaded.cells)


def test_small_cells_share_a_job() -> None:
    assert len(work.batches(small())) == 1


def test_a_large_study_has_jobs_of_twenty_minutes() -> None:
    assert work.job_seconds(small(datasets=BIG, training={"epochs": 2000}, seeds=list(range(50)))) == 20 * 60


def test_the_parts_of_a_cell_share_its_run_id() -> None:
    loaded = small(datasets=BIG, training={"epochs": 40}, seeds=list(range(30)))
    parts = [cell for batch in work.batches(loaded) for cell in batch.cells]
    assert {ids.run_id(loaded, cell) for cell in parts} == {ids.run_id(loaded, cell) for cell in loaded.cells}
    files = list(run_files(loaded, parts))
    assert sorted(files) == sorted(run_files(loaded))


TIMED = {"head": "carca", "context": True, "candidate_context": "request_time"}


def test_work_of_an_epoch_by_hand() -> None:
    """100 users of 2 + 3 interactions: 300 history slots, 600 candidates of 10 items, width 4, 2 blocks, carca head."""
    training = {"epochs": 1, "batch_size": 50, "loss": "bce"}
    cell = small(model={"dimension": 4, "blocks": 2, **TIMED}, training=training).cells[0]
    load = work.epoch_load(cell, Counts(100, 10, 500))
    layers = 16 * (300 * (10 + 2) + 600 + 20)
    context, attention = 6 * 4 * 900, 2 * 4 * 3 * (600 + 600)
    elements = 4 * (300 * 18 + 600 * 6) + 2 * 10 * 4
    assert load == Load(steps=2, elements=elements, products=3 * (layers + context + attention))


def test_work_of_shared_negatives_by_hand() -> None:
    """300 targets in 2 batches, the dot head: each target's own item and 7 negatives per batch are encoded."""
    training = {"epochs": 1, "batch_size": 50, "loss": "shared_softmax", "negatives": 7}
    cell = small(model={"dimension": 4, "blocks": 2}, training=training).cells[0]
    layers, attention = 16 * (300 * 10 + 20), 2 * 4 * 3 * 600 + 300 * 7 * 4
    elements = 4 * (300 * 18 + (300 + 14) * 6) + 2 * 10 * 4
    products = 3 * (layers + 6 * 4 * (300 + 314) + attention)
    assert work.epoch_load(cell, Counts(100, 10, 500)) == Load(steps=2, elements=elements, products=products)


def test_work_of_a_reading_by_hand() -> None:
    """100 users of 2 + 3 interactions rank 10 items of width 4, at 100 times of request, at 20, or without times."""
    counts, wide = Counts(100, 10, 500), {"dimension": 4, **TIMED}
    forms, bce = ({}, {"context": False}, {"head": "dot"}), {"epochs": 1, "loss": "bce"}
    cell, timeless, dot = (small(model={**wide, **more}, training=bce).cells[0] for more in forms)
    of_items = 10 * 4
    assert work.reading_load(cell, counts, 100) == Load(requests=200, tables=101 * of_items, scores=300 * of_items)
    assert work.reading_load(cell, counts, 100, times=20).tables == 21 * of_items
    assert work.reading_load(timeless, counts, 100).tables == 2 * of_items
    assert work.reading_load(dot, counts, 100).scores == 100 * of_items


def test_work_grows_with_epochs_and_released_selection_reads_the_test_each_time() -> None:
    counts = Counts(1000, 100, 9000)
    training = {"epochs": 4, "loss": "bce"}
    cell = small(model={"dimension": 16, **TIMED}, training=training).cells[0]
    one, two = (work.run_load(cell, counts, epochs) for epochs in (1, 2))
    assert two.steps == 2 * one.steps
    protocol = {"name": "mine", "base": "sound", "selection": "released"}
    changes = {"model": {"dimension": 16, **TIMED}, "protocols": [protocol]}
    released = small(training=training, **changes).cells[0]
    assert work.run_load(released, counts).scores - work.run_load(cell, counts).scores == (
        3 * 1000 * 100 * 7 * cell.model.dimension
    )


@pytest.mark.parametrize(("users", "drawn"), [(1000, 1000), (20_000, 10_000)])
def test_released_users_are_all_of_them_but_10_000_at_most(users: int, drawn: int) -> None:
    protocols = ["sound", {"name": "users", "eval_users": "released"}]
    both, alone = small(protocols=protocols).cells[0], small().cells[0]
    counts = Counts(users, 100, 9 * users)
    more = work.run_load(both, counts).scores - work.run_load(alone, counts).scores
    assert more == pytest.approx(drawn * work.reading_load(alone, counts, 1).scores)


def test_padded_histories_are_as_long_as_l() -> None:
    protocol = {"name": "softmax", "rmha_softmax": "released"}
    counts = Counts(1000, 100, 9000)
    padded, none = small(protocols=[protocol], encodings=["rmha4", "none"]).cells
    (longer,) = small(protocols=[protocol], encodings=["none"], model={"dimension": 16, "max_length": 7}).cells
    assert work.epoch_load(none, counts) == work.epoch_load(longer, counts)  # 7 items a user
    full = Counts(1000, 100, 1000 * (padded.model.max_length + 2))
    assert work.epoch_load(padded, counts) == work.epoch_load(small(protocols=[protocol]).cells[0], full)


def own_table(**more: Any) -> study.Study:
    table = {"path": "reviews.tsv", "sha256": "0" * 64}
    return small(datasets={"toy": {"table": table, **more}})


def test_without_counts_a_cell_is_a_job_and_the_plan_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    loaded = own_table()
    assert len(work.batches(loaded)) == len(loaded.cells)
    plan.print_estimate(loaded, work.SPEED, "typical")
    assert "datasets.toy: the study declares no counts" in capsys.readouterr().out
    with pytest.raises(StudyError, match="declares no counts"):
        plan.print_budget(loaded, work.SPEED, "2h")


def test_a_data_set_of_the_papers_is_planned_with_the_papers_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """They pack the runs into jobs and are labelled as the paper's; preparation is not checked against them."""
    unknown, paper = ({"toy": {"source": "carca-beauty"}}, {"stability": False, "published": {"toy": "Beauty"}})
    assert work.known_counts(small(datasets=unknown), "toy") is None
    loaded = small(datasets=unknown, report=paper, training={"epochs": 50})
    assert work.known_counts(loaded, "toy") == (Counts(52_204, 57_289, 52_204 * 7.63), "the paper's")
    assert all(batch.seconds for batch in work.batches(loaded))
    plan.print_estimate(loaded, work.SPEED, "typical")
    assert "the paper's" in capsys.readouterr().out
    counted = {"toy": {**unknown["toy"], "expect": {"users": 10, "items": 10, "interactions": 50}}}
    assert work.known_counts(small(datasets=counted, report=paper), "toy") == (Counts(10, 10, 50), "declared")


def test_gpu_hours_are_marked_as_an_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    loaded = small(datasets=BIG)
    plan.print_estimate(loaded, work.SPEED, "typical")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("GPU-hours")]
    hours = plan.study_load(loaded).seconds(work.GPU_SPEED) / 3600
    assert line.startswith(f"GPU-hours: about {hours:.1f} (an estimate, not measured: ")


def test_a_budget_becomes_epochs_that_fit(capsys: pytest.CaptureFixture[str]) -> None:
    loaded = small(datasets=BIG)
    plan.print_budget(loaded, work.SPEED, "2h")
    line = capsys.readouterr().out.splitlines()[-1]
    epochs = int(line.removeprefix("training: {epochs: ").removesuffix("}"))
    cores = len(plan.os.sched_getaffinity(0))
    starts = len(work.batches(loaded)) * work.START
    spent, more = ((plan.study_load(loaded, n).seconds() + starts) / cores for n in (epochs, epochs + 1))
    assert spent <= 7200 < more
    with pytest.raises(StudyError, match="one epoch of every run takes"):
        plan.print_budget(small(datasets=BIG, seeds=list(range(500))), work.SPEED, "1m")


@pytest.mark.parametrize("budget", ["2", "h", "-1h", "0h", "2 weeks"])
def test_a_budget_has_a_unit(budget: str) -> None:
    with pytest.raises(StudyError, match="such as 90m, 2h or"):
        plan.seconds_of(budget)
    assert plan.seconds_of("1.5h") == 5400


def test_compiling_takes_memory() -> None:
    counts = Counts(100, 50, 700)
    needed = [
        work.run_memory(small(training={"epochs": 1, "numerics": {"engine": engine}}).cells[0], counts)
        for engine in ("torch", "numba")
    ]
    assert needed[1] - needed[0] == pytest.approx(work.COMPILING)

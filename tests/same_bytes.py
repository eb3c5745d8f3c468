"""Compare prepared data and run files of this checkout with those of another commit, byte for byte.

    make same-bytes BASE=<commit>
    python tests/same_bytes.py <commit> --study protocols engines --cores 2

Both checkouts run the same study files, each in a folder of its own under .cache/same-bytes/ with an empty store. A
stopped comparison continues where it was when it is started again: finished runs are kept. The folder of this checkout
is named by a hash of its code, so changed code runs again.

Exit status: 0 where all files are equal, 1 where some differ, 2 where a study could not be run.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".cache/same-bytes"
STUDIES = {  # by the name of the study
    "default": ROOT / "params.yaml",
    "protocols": ROOT / "tests/bytes/protocols.yaml",
    "engines": ROOT / "tests/bytes/engines.yaml",
}
COMPARED = ("data", "runs")
STEPS = re.compile(r"^\d+ of \d+ steps \(\d+%\) done")
Hashes = dict[str, str]  # sha256 by path under results/studies/


@dataclass(frozen=True)
class Side:
    """One of the two checkouts and the folder in which its studies run."""

    name: str
    checkout: Path
    folder: Path

    def run(self, study: str, cores: str) -> None:
        """Train the study's missing runs. Raises SystemExit(2) with the end of the log where Snakemake fails."""
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(STUDIES[study], self.folder / f"{study}.yaml")
        log = self.folder / f"{study}.log"
        command = ["snakemake", "--snakefile", str(self.checkout / "Snakefile"), "--cores", cores, "trained"]
        profile = ["--workflow-profile", str(self.checkout / "workflow/profiles/default")]
        print(f"{self.name}: {study} (log: {log})", flush=True)
        with log.open("w") as written, self._start([*command, *profile, "--configfile", f"{study}.yaml"]) as process:
            for line in process.stdout or ():
                written.write(line)
                if STEPS.match(line):
                    print(f"{self.name}: {study}: {line}", end="", flush=True)
        if process.returncode:
            print("".join(log.read_text().splitlines(keepends=True)[-20:]), file=sys.stderr)
            raise SystemExit(2)

    def _start(self, command: list[str]) -> "subprocess.Popen[str]":
        kept = {key: value for key, value in os.environ.items() if key not in ("POSREC_STORE", "SNAKEMAKE_PROFILE")}
        own = {"PYTHONPATH": str(self.checkout / "src"), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**kept, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def hashes(self, names: list[str]) -> Hashes:
        """sha256 of every file of these studies that is compared."""
        studies = self.folder / "results/studies"
        folders = [studies / name / part for name in names for part in COMPARED]
        paths = (path for folder in folders for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(studies)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def sides(base: str) -> tuple[Side, Side]:
    """The commit's worktree and this checkout. Raises CalledProcessError where git does not know the commit."""
    commit = git("rev-parse", "--verify", f"{base}^{{commit}}")
    place = PLACE / commit
    checkout = place / "checkout"
    if not (checkout / "Snakefile").exists():
        git("worktree", "prune")
        git("worktree", "add", "--force", "--detach", str(checkout), commit)
    return Side("base", checkout, place / "base"), Side("here", ROOT, place / f"here-{code_hash()}")


def git(*arguments: str) -> str:
    return subprocess.run(("git", *arguments), cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def code_hash() -> str:
    """A hash of the code and the studies of this checkout, committed or not."""
    found = hashlib.sha256()
    for folder in ("src", "workflow"):
        for path in sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".smk", ".yaml")):
            found.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    for path in STUDIES.values():
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def differences(base: Hashes, here: Hashes) -> Iterator[str]:
    """A line for each file that differs or exists on one side only."""
    for path in sorted(base.keys() | here.keys()):
        if path not in here:
            yield f"only in base: {path}"
        elif path not in base:
            yield f"only here:    {path}"
        elif base[path] != here[path]:
            yield f"differs:      {path}"


def main(arguments: list[str]) -> int:
    """Run the studies on both sides and compare their files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("base", help="commit to compare with")
    parser.add_argument("--study", nargs="+", choices=STUDIES, default=list(STUDIES), help="studies (default: all)")
    parser.add_argument("--cores", default="all", help="cores of Snakemake (default: all)")
    chosen = parser.parse_args(arguments)
    try:
        both = sides(chosen.base)
    except subprocess.CalledProcessError as error:
        print(f"same_bytes: {error.stderr.strip()}", file=sys.stderr)
        return 2
    for side in both:
        for study in chosen.study:
            side.run(study, chosen.cores)
    base, here = (side.hashes(chosen.study) for side in both)
    if not base:
        print("same_bytes: no file to compare", file=sys.stderr)
        return 2
    found = list(differences(base, here))
    print(*found, f"{len(base)} files in base, {len(here)} here, {len(found)} different", sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

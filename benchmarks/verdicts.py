"""How often the verdicts themselves err: the wired rules and claims on made-up tables of runs with a known truth.

    python -m benchmarks verdicts

writes docs/measured/verdicts-coverage.csv and .md, after an hour or so; a broken run goes on where it was. The
statistics below are simulated one by one in benchmarks/rules_coverage.py. What comes close to its bound is simulated
with more studies, so that chance alone seldom carries a rule over it.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import verdict_claims, verdict_page, verdict_words
from benchmarks.verdict_worlds import Job, Row, bound_of
from posrec.files import write_text

DOCS = Path("docs/measured")
CSV, PART = DOCS / "verdicts-coverage.csv", Path("results/verdicts-coverage.part.csv")
COLUMNS = ["rule", "truth", "shape", "n", "studies", "share", "bound"]
KEY = ["truth", "shape", "n"]
CLOSE = {"<= 0.05": 0.025, ">= 0.93": 0.935}  # beyond these a job is simulated with more studies


def jobs() -> list[Job]:
    """Everything that is simulated."""
    return [*verdict_words.jobs(), *verdict_claims.jobs()]


def simulate(job: Job) -> list[Row]:
    """The rows of a job: of `job.studies` studies, of `job.more` where a share comes close to its bound."""
    generator = np.random.default_rng([job.n, *map(ord, job.truth + job.shape)])
    seen: dict[str, list[float]] = {}
    for number in range(job.more):
        if number == job.studies and not any(_close(what, values) for what, values in seen.items()):
            break
        for what, value in job.once(generator):
            seen.setdefault(what, []).append(value)
    return [
        (what, job.truth, job.shape, job.n, len(values), float(np.mean(values)), bound_of(what))
        for what, values in seen.items()
    ]


def _close(what: str, values: list[float]) -> bool:
    bound, share = bound_of(what), float(np.mean(values))
    return (bound.startswith("<=") and share > CLOSE[bound]) or (bound.startswith(">=") and share < CLOSE[bound])


def measure(wanted: list[Job]) -> pd.DataFrame:
    """All rows; each job's are kept in PART as soon as they are there."""
    done = pd.read_csv(PART, keep_default_na=False) if PART.exists() else pd.DataFrame(columns=COLUMNS)
    known = set(done[KEY].itertuples(index=False, name=None))
    left = [job for job in wanted if (job.truth, job.shape, job.n) not in known]
    started = time.monotonic()
    for number, job in enumerate(left, 1):
        done = pd.concat([done, pd.DataFrame(simulate(job), columns=COLUMNS)], ignore_index=True)
        write_text(PART, done.to_csv(index=False, lineterminator="\n"))
        minutes = (time.monotonic() - started) / 60
        rest = minutes / number * (len(left) - number)
        print(f"{number}/{len(left)} {job.truth}; {job.shape}; n = {job.n}; {rest:.0f} minutes left", file=sys.stderr)
    order = {(job.truth, job.shape, job.n): place for place, job in enumerate(wanted)}
    places = [order.get(key, -1) for key in done[KEY].itertuples(index=False, name=None)]
    return done.assign(place=places).query("place >= 0").sort_values("place", kind="stable").drop(columns="place")


def outside(table: pd.DataFrame, chance: float = 0.0) -> pd.DataFrame:
    """The rows that miss their bound by more than `chance` standard errors of their share."""
    bound = pd.to_numeric(table["bound"].str.slice(3))
    slack = chance * np.sqrt(bound * (1 - bound) / table["studies"])
    most = table["bound"].str.startswith("<=") & (table["share"] > bound + slack)
    return table[most | (table["bound"].str.startswith(">=") & (table["share"] < bound - slack))]


def small(job: Job, studies: int) -> Job:
    """The same with fewer studies, for a quick look."""
    return replace(job, studies=studies, more=studies)


def main() -> None:
    """Measure, and write both files."""
    wanted = jobs()
    write(measure(wanted), len(wanted))
    PART.unlink()


def write(table: pd.DataFrame, planned: int) -> None:
    """Write the table, and the page from what it says."""
    write_text(CSV, table.to_csv(index=False, float_format="%.4f", lineterminator="\n"))
    written = pd.read_csv(CSV, keep_default_na=False)
    write_text(CSV.with_suffix(".md"), verdict_page.page(written, planned))
    print(f"Outside their bounds:\n{outside(written).to_string()}")


if __name__ == "__main__":
    main()

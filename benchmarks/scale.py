"""Time and memory of `posrec prepare` at 1, 5 and 20 million simulated reviews with attributes.

    python -m benchmarks.scale

writes docs/measured/scale.md and .csv. Reviews are in the raw format of 2018, gzipped JSON lines. Each size is
prepared by a fresh process that may run on two cores; peak memory is the largest resident set that the kernel saw.
"""

import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from posrec.data.simulate import simulate
from posrec.data.simulate.walks import draw_walks
from posrec.data.simulate.world import World, draw_world
from posrec.files import write_bytes, write_text
from posrec.plan import ids
from posrec.study import study
from posrec.study.settings.simulation import SimulationSettings

MILLIONS = (1, 5, 20)
MEAN_LENGTH = 10
USERS_AT_ONCE = 20_000
CORES = 2
LIMIT_SECONDS, LIMIT_GIB = 300, 8
DOCS = Path("docs/measured")
CHILD = "import sys; from posrec.cli import main; sys.exit(main(sys.argv[1:]))"


def raw_study(millions: int) -> dict[str, object]:
    """A study of one simulated data set of so many reviews, a fiftieth as many items."""
    reviews = millions * 1_000_000
    twin = {"users": reviews // MEAN_LENGTH, "items": reviews // 50, "mean_length": MEAN_LENGTH, "categories": 300}
    datasets = {"large": {"simulate": twin, "k_core": 5}}
    return {"study": "scale", "datasets": datasets, "encodings": ["none"], "seeds": [1, 2, 3]}


def review_lines(settings: SimulationSettings, world: World) -> Iterator[bytes]:
    """Lines of reviews in the format of 2018, some users at a time: memory does not grow with the users."""
    for number, first in enumerate(range(0, settings.users, USERS_AT_ONCE)):
        some = settings.model_copy(update={"users": min(USERS_AT_ONCE, settings.users - first)})
        walk_rng, time_rng = (np.random.default_rng([settings.seed, number, stream]) for stream in range(2))
        walks = draw_walks(some, world, walk_rng, time_rng)
        users, steps = np.nonzero(walks.items >= 0)
        rows = zip(users + first, walks.items[users, steps], walks.days[users, steps], strict=True)
        line = '{{"reviewerID": "U{:07d}", "asin": "S{:09d}", "unixReviewTime": {}}}\n'
        yield "".join(line.format(user, item, day * simulate.DAY) for user, item, day in rows).encode()


def write_raw(loaded: study.Study) -> None:
    """The raw files of the study's data set."""
    dataset = loaded.settings.datasets["large"]
    assert dataset.simulate is not None
    folder = ids.raw_folder("large", dataset)
    folder.mkdir(parents=True)
    world_rng, meta_rng, time_rng = (np.random.default_rng(stream) for stream in range(3))
    world = draw_world(dataset.simulate, world_rng, time_rng)
    write_bytes(folder / "meta.json.gz", simulate.meta_file(world, meta_rng))
    with gzip.open(folder / "reviews.json.gz", "wb", compresslevel=1) as handle:
        for block in review_lines(dataset.simulate, world):
            handle.write(block)


def measure(millions: int) -> dict[str, float]:
    """Prepare so many reviews in a fresh process in the current folder."""
    content = raw_study(millions)
    Path("study.yaml").write_text(json.dumps(content))
    loaded = study.from_dict(content)
    write_raw(loaded)
    allowed = sorted(os.sched_getaffinity(0))[:CORES]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-c", CHILD, "prepare", "--study", "study.yaml", "--dataset", "large"]
    subprocess.run(command, check=True, preexec_fn=lambda: os.sched_setaffinity(0, allowed))
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    counts = json.loads(ids.dataset_files(loaded, "large").manifest.read_text())["counts"]
    return {
        "reviews": counts["interactions"],
        "users": counts["users"],
        "items": counts["items"],
        "seconds": wall,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_gib": after.ru_maxrss / 2**20,  # sizes rise, so the largest child is the last
    }


def page(table: pd.DataFrame) -> str:
    """docs/measured/scale.md."""
    rows = [
        f"| {row.reviews:,.0f} | {row.users:,.0f} | {row.items:,.0f} | {row.seconds:.0f} | {row.cpu_seconds:.0f} "
        f"| {1e6 * row.cpu_seconds / row.reviews:.1f} | {row.peak_gib:.2f} |"
        for row in table.itertuples()
    ]
    return "\n".join(
        [
            "# Scale of the preparation",
            "",
            "Written by `python -m benchmarks.scale`; don't edit. `posrec prepare` of simulated reviews with "
            "categories, brands and prices, in the raw format of 2018 (gzipped JSON lines), strictly parsed line "
            f"by line; 5-core. One new process per size, on at most {CORES} cores; other work may have shared them, so "
            "CPU seconds are more reliable than seconds. "
            f"Target at 20 million: {LIMIT_SECONDS} seconds and {LIMIT_GIB} GiB.",
            "",
            "| reviews after the 5-core | users | items | seconds | CPU seconds | CPU µs per review | peak GiB |",
            "|---:|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Measure all sizes, smallest first, and write both files."""
    rows = []
    docs = DOCS.absolute()
    for millions in MILLIONS:
        with tempfile.TemporaryDirectory() as folder:
            home = Path.cwd()
            os.chdir(folder)
            os.environ["POSREC_STORE"] = str(Path(folder) / "store")
            try:
                rows.append({"millions": millions, **measure(millions)})
            finally:
                os.chdir(home)
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    write_text(docs / "scale.csv", table.to_csv(index=False, float_format="%.6g"))
    write_text(docs / "scale.md", page(table))


if __name__ == "__main__":
    main()

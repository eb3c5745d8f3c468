"""A stand-in for `posrec train`, in the rehearsal alone.

It sleeps for the job's nominal length, scaled, and leaves a placeholder for every file of its runs.

    python sleep_instead.py SCALE train --study STUDY --batch NAME
"""

import argparse
import time

from posrec.files import write_text
from posrec.plan import work
from posrec.plan.run import run_files
from posrec.study import study

PLACEHOLDER = '{"status": "finished"}'  # the end of the workflow counts the runs that failed


def main() -> None:
    """Take the time of a batch, and make what it would make."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scale", type=float)
    parser.add_argument("verb", choices=["train"])
    parser.add_argument("--study", required=True)
    parser.add_argument("--batch", required=True)
    asked = parser.parse_args()
    loaded = study.load(asked.study)
    batch = next(batch for batch in work.batches(loaded) if batch.name == asked.batch)
    time.sleep(asked.scale * (batch.seconds or 0.0))
    for cell in batch.cells:
        for path in run_files(loaded, [cell]):
            write_text(path, PLACEHOLDER)


if __name__ == "__main__":
    main()

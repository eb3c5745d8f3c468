"""A stand-in for `posrec`, in one scenario alone: it waits after each training step, and changes nothing else.

python slow_training.py SECONDS train --study STUDY --batch NAME
"""

import sys
import time
from collections.abc import Callable

from posrec.cli import main
from posrec.model.runs.checkpoints import Checkpoint, State

SECONDS = float(sys.argv.pop(1))
after_step = Checkpoint.after_step


def wait_after_step(self: Checkpoint, state: Callable[[], State]) -> None:
    """Take the time of a bigger model."""
    time.sleep(SECONDS)
    after_step(self, state)


Checkpoint.after_step = wait_after_step
sys.exit(main())

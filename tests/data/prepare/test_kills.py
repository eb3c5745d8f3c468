"""Preparing and copying from a mirror, killed (kill -9) at any moment and begun again: the bytes are always the same.

Killed are forks of this process, before and after each file is moved into place and at random moments. Downloads have
tests of their own (test_sources.py), and `make scenarios` kills whole commands many times.
"""

import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from posrec.data.prepare import prepare
from posrec.data.raw import sources
from posrec.data.simulate import simulate
from posrec.files import sha256
from posrec.plan import ids
from posrec.study.study import Study

FORK = multiprocessing.get_context("fork")
RANDOM_KILLS = 12
GIFT_CARDS = "amazon2018-gift-cards-5core"


def killed_at_move(step: Callable[[], None], number: int, after: bool) -> bool:
    """Run a step in a fork that dies just before or after its so-manieth file is moved into place; whether it died."""

    def run() -> None:
        move, moves = os.replace, 0

        def replace(source: Path, target: Path) -> None:
            nonlocal moves
            moves += 1
            if moves == number and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            move(source, target)
            if moves == number:
                os.kill(os.getpid(), signal.SIGKILL)

        os.replace = replace
        step()

    process = FORK.Process(target=run)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def killed_after(step: Callable[[], None], seconds: float) -> bool:
    """Run a step in a fork that is killed after so long; whether it was still alive."""
    process = FORK.Process(target=step)
    process.start()
    time.sleep(seconds)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def contents(*folders: Path) -> dict[str, str]:
    """sha256 of every file below the folders, leftovers of kills apart."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): sha256(path) for path in files if path.suffix != ".tmp"}


def check(step: Callable[[], None], folders: tuple[Path, ...]) -> None:
    """Kill a step at every move and at random moments; each time, begun again, it ends as the undisturbed one."""

    def clear() -> None:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    began = time.monotonic()
    step()
    took = time.monotonic() - began
    wanted = contents(*folders)
    number, kills = 1, 0
    clear()
    while killed_at_move(step, number, after=False):
        kills += 1
        step()
        assert contents(*folders) == wanted
        clear()
        assert killed_at_move(step, number, after=True)
        step()
        assert contents(*folders) == wanted
        clear()
        number += 1
    assert number - 1 == len(wanted)  # every file was moved into place once
    choice = random.Random(11)
    clear()
    found = [
        killed_after(step, choice.uniform(0, 1.2 * took)) for _ in range(RANDOM_KILLS)
    ]  # each goes on from the last
    assert any(found), "no kill found it alive"
    step()
    assert contents(*folders) == wanted


def test_kills_of_prepare(workplace: Path, make_study: Callable[..., Study]) -> None:
    twin = {"users": 400, "items": 90, "mean_length": 6, "features": "multi_hot"}
    study = make_study(simulate=twin, k_core=2)
    dataset = study.settings.datasets["toy"]
    assert dataset.simulate is not None
    simulate.simulate(dataset.simulate, ids.raw_folder("toy", dataset))
    folders = (ids.STUDIES, prepare.store_folder(ids.dataset_id("toy", dataset)).parent)
    check(lambda: prepare.prepare_dataset(study, "toy"), folders)


def test_kills_of_simulate(workplace: Path, make_study: Callable[..., Study]) -> None:
    study = make_study(simulate={"users": 60, "items": 30, "mean_length": 5, "features": "image"})
    dataset = study.settings.datasets["toy"]
    assert dataset.simulate is not None
    settings = dataset.simulate
    check(lambda: simulate.simulate(settings, ids.raw_folder("toy", dataset)), (ids.RAW,))


def test_kills_of_a_copy_from_the_mirror(mirror: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSREC_MIRROR", str(mirror))
    check(lambda: sources.fetch(GIFT_CARDS, ids.RAW / GIFT_CARDS), (ids.RAW,))
    left = {path.name for path in (ids.RAW / GIFT_CARDS).iterdir()}
    assert left == {"Gift_Cards_5.json.gz", "meta_Gift_Cards.json.gz", "source.json"}

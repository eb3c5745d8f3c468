"""Which process runs a study here: a running one is kept, a dead one's lock is removed, and doubt is reported."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from posrec.errors import PosrecError
from posrec.store import lock as lock_file

HERE = lock_file.HOLDERS / "small.json"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def snakemakes_lock() -> Path:
    path = lock_file.LOCKS / "0.output.lock"
    path.parent.mkdir(parents=True)
    path.write_text("a file")
    return path


def rewrite(**changes: Any) -> None:
    HERE.write_text(json.dumps({**json.loads(HERE.read_text()), **changes}))


def claim_and_end(study: str) -> None:
    lock_file.claim(study)
    os._exit(9)


def left_by_a_dead_process() -> None:
    process = multiprocessing.get_context("fork").Process(target=claim_and_end, args=("small",))
    process.start()
    process.join()
    assert HERE.exists()


def test_a_claim_holds_until_it_is_released() -> None:
    lock_file.claim("small")
    with pytest.raises(PosrecError, match=rf"process {os.getpid()} on .*study small.*wait for it, or stop it with"):
        lock_file.claim("small")
    with pytest.raises(PosrecError, match="wait for it"):
        lock_file.unlock("small")
    lock_file.release("small")
    lock_file.refuse_while_running("small")
    assert not HERE.exists()


def test_another_study_is_not_affected() -> None:
    lock_file.claim("other")
    lock = snakemakes_lock()
    lock_file.refuse_while_running("small")
    lock_file.unlock("small")
    assert lock.exists()
    with pytest.raises(PosrecError, match="study other"):
        lock_file.refuse_while_running()


def test_the_lock_of_a_dead_process_goes() -> None:
    left_by_a_dead_process()
    lock = snakemakes_lock()
    lock_file.refuse_while_running("small")
    lock_file.unlock("small")
    assert not HERE.exists()
    assert not lock.exists()


def test_a_dead_holder_is_replaced() -> None:
    left_by_a_dead_process()
    lock_file.claim("small")
    found = lock_file.read(HERE)
    assert found is not None
    assert found.pid == os.getpid()


def test_a_zombie_is_gone() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    lock_file.claim("small")
    rewrite(pid=process.pid)
    lock_file.unlock("small")
    assert not HERE.exists()
    process.wait()


def test_another_process_of_the_same_number_is_not_the_holder() -> None:
    lock_file.claim("small")
    rewrite(started="an earlier boot 17")
    lock_file.unlock("small")
    assert not HERE.exists()


@pytest.mark.parametrize("case", ["other host", "other PID namespace", "half a file", "a lock alone"])
def test_what_this_machine_cannot_know_needs_force(case: str) -> None:
    lock = snakemakes_lock()
    if case != "a lock alone":
        lock_file.claim("small")
    if case == "other host":
        rewrite(host="elsewhere")
    if case == "other PID namespace":
        rewrite(namespace="pid:[1]", pid=2**22 + 1)  # a number that no process here has
    if case == "half a file":
        HERE.write_text('{"study": "sm')
    for refused in (lock_file.refuse_while_running, lock_file.unlock):
        with pytest.raises(PosrecError, match=r"type: posrec unlock --force"):
            refused("small")
    if case.startswith("other"):
        lock_file.release("small")
    assert lock.exists()
    assert case == "a lock alone" or HERE.exists()
    lock_file.unlock("small", force=True)
    assert not HERE.exists()
    assert not lock.exists()


def test_another_process_cannot_release_a_claim() -> None:
    lock_file.claim("small")
    rewrite(pid=1)
    lock_file.release("small")
    assert HERE.exists()


@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="needs root to make a PID namespace")
def test_a_process_in_another_pid_namespace_does_not_unlock_a_running_workflow() -> None:
    lock_file.claim("small")
    code = "from posrec.store import lock; lock.unlock('small')"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    if "unshare:" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert "this or another machine or container, type: posrec unlock --force" in done.stderr
    assert HERE.exists()

"""Variables that change a training's bytes are refused, and code compiled under them has a cache of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from posrec.commands import doctor
from posrec.errors import PosrecError
from posrec.model.machine import machine_facts
from posrec.model.runs import jobs, retrain
from posrec.plan import environment
from tests.model.toy import RAW, make_study

COMPILED = {**RAW["training"], "numerics": {"engine": "numba"}}
TORCH = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "MKL_DEBUG_CPU_TYPE": "5",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "DNNL_MAX_CPU_ISA": "SSE41",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "OPENBLAS_CORETYPE": "Prescott",
    "NPY_DISABLE_CPU_FEATURES": "AVX2",
    "NVIDIA_TF32_OVERRIDE": "1",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2",
}
NUMBA = {
    "NUMBA_OPT": "0",
    "NUMBA_DISABLE_JIT": "1",
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "",
    "NUMBA_LOOP_VECTORIZE": "0",
    "NUMBA_ENABLE_AVX": "0",
    "NUMBA_BOUNDSCHECK": "1",
}
HARMLESS = {
    "MKL_NUM_THREADS": "4",
    "OMP_NUM_THREADS": "4",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32",
    "NUMBA_NUM_THREADS": "2",
    "NUMBA_CACHE_DIR": "/tmp",
    "NUMBA_DISABLE_PERFORMANCE_WARNINGS": "1",
    "GLIBC_TUNABLES": "glibc.malloc.check=1",
}
CACHE = "import os, posrec.model, numba; print(numba.config.CACHE_DIR)"


@pytest.mark.parametrize("name", [*TORCH, *NUMBA])
def test_a_training_refuses_what_changes_its_bytes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, {**TORCH, **NUMBA}[name])
    loaded = make_study(training=COMPILED)
    with pytest.raises(PosrecError, match=rf"{name}=.*: changes the results of a training.*`unset {name}`"):
        jobs.train_cells(loaded, loaded.cells)
    monkeypatch.setattr(retrain, "choose", lambda *_: [type("Run", (), {"cell": loaded.cells[0]})])
    with pytest.raises(PosrecError, match=name):
        retrain.retrain(loaded, 1, 1)
    assert [line.what for line in doctor.check_numerics() if line.level == "problem"] == [name]
    assert machine_facts.__wrapped__()["environment"] == {name: {**TORCH, **NUMBA}[name]}


@pytest.mark.parametrize("name", NUMBA)
def test_numbas_variables_do_not_stop_trainings_by_torch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, NUMBA[name])
    environment.check(["torch"])


@pytest.mark.parametrize("name", HARMLESS)
def test_what_changes_only_speed_or_messages_is_allowed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, HARMLESS[name])
    environment.check(["torch", "numba"])
    assert [line.level for line in doctor.check_numerics()] == ["ok"]
    assert environment.compiled_cache(os.environ) is None


def test_numbas_own_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environment.NUMBA_FILE.write_text("opt: 0")
    with pytest.raises(PosrecError, match=re.escape(".numba_config.yaml")):
        environment.check(["numba"])
    environment.check(["torch"])
    assert [line.level for line in doctor.check_numerics()] == ["problem"]


def cache_of(folder: Path, **variables: str) -> str:
    """Where numba keeps compiled code in a process of its own with these variables."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", CACHE],
        cwd=folder,
        env={**clean, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_code_compiled_under_such_variables_has_a_cache_of_its_own(tmp_path: Path) -> None:
    """In the usual one it would be loaded by every later process: NUMBA_OPT=0 once changed all results after it."""
    assert cache_of(tmp_path) == ""
    one, other = cache_of(tmp_path, NUMBA_OPT="0"), cache_of(tmp_path, NUMBA_OPT="1")
    assert Path(one).parent == Path(other).parent == tmp_path / ".cache"
    assert one != other
    assert cache_of(tmp_path, NUMBA_OPT="0", NUMBA_CACHE_DIR=one) == one
    assert cache_of(tmp_path, NUMBA_NUM_THREADS="1", NUMBA_CACHE_DIR="/tmp/mine") == "/tmp/mine"

"""Fixtures of the data tests: an empty working folder, small studies, small files."""

import gzip
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from posrec.data.prepare.interactions import code
from posrec.data.prepare.prepare import arrange
from posrec.data.prepare.prepared import Prepared
from posrec.study import study
from posrec.study.settings.dataset import DatasetSettings
from posrec.study.study import Study


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with a store of its own and no mirror."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSREC_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("POSREC_MIRROR", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The mirror of the real files."""
    folder = os.environ.get("POSREC_MIRROR")
    if not folder:
        pytest.skip("POSREC_MIRROR is not set: no mirror of the real data")
    return Path(folder)


@pytest.fixture(scope="session")
def make_study() -> Callable[..., Study]:
    """A study of one data set, `toy`; the keywords are its settings."""

    def make(evaluation: dict[str, Any] | None = None, **dataset: Any) -> Study:
        raw = {"study": "tiny", "datasets": {"toy": dataset}, "encodings": ["none"], "seeds": [1, 2, 3]}
        return study.from_dict({**raw, "evaluation": evaluation or {}})

    return make


@pytest.fixture(scope="session")
def write_gz() -> Callable[..., Path]:
    """Write lines (text or bytes) as a gzipped file, each with a line end."""

    def write(path: Path, *lines: str | bytes) -> Path:
        content = b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content, mtime=0))
        return path

    return write


@pytest.fixture(scope="session")
def make_prepared() -> Callable[..., Prepared]:
    """Prepared data of (user, item, time) in the given order of ties; items without attributes unless given."""

    def make(rows: Sequence[tuple[str, str, int]], attributes: Sequence[Sequence[str]] | None = None) -> Prepared:
        table = pd.DataFrame(list(rows), columns=["user", "item", "time"])
        return arrange(
            code(table), DatasetSettings(tied_times="file"), attributes or [[] for _ in range(table["item"].nunique())]
        )

    return make

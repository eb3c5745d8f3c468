"""Is the code that runs the code of this checkout? Another checkout's environment would run that one's code here."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from posrec.errors import PosrecError

PACKAGE = Path(__file__).parents[1]  # the package that runs
SOURCE = Path("src/posrec")  # the package of the checkout in the working folder
SHOWN = 3  # files that an error names
CODE = (".py", ".yaml", ".lock", ".csv", ".html")


def differing() -> list[str]:
    """The files in which the package that runs differs from the one in the working folder's checkout.

    Empty in a folder that is not a checkout of posrec, and where the package was installed from the same code.
    """
    here = SOURCE.absolute()
    if not (here / "versions.py").is_file() or here.resolve() == PACKAGE.resolve():
        return []
    names = sorted({*_names(here), *_names(PACKAGE)})
    return [name for name in names if _content(here / name) != _content(PACKAGE / name)]


def check() -> None:
    """Raise PosrecError where the package that runs is not that of the checkout in the working folder."""
    if names := differing():
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise PosrecError(
            f"the package that runs is {PACKAGE}, and not that of this checkout, {SOURCE.absolute()}: they differ in "
            f"{', '.join(names[:SHOWN])}{more}; run `make setup` here and use .venv/bin, or work in the other checkout"
        )


def code_digest() -> str:
    """Hash of the code of the package that runs."""
    found = hashlib.sha256()
    for name in sorted(_names(PACKAGE)):
        found.update(f"{name}\n".encode() + (_content(PACKAGE / name) or b""))
    return found.hexdigest()[:12]


def _names(package: Path) -> Iterator[str]:
    return (str(path.relative_to(package)) for path in package.rglob("*") if path.suffix in CODE)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None

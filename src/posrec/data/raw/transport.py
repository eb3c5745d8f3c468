"""Download a file over HTTP: addresses in turn, retries with back-off, resumed after a break or a kill.

What has come so far is in <file>.part, and beside it <file>.part.json says which version of which file it is the
beginning of. A part is gone on with only where the server confirms that version, or where the sha256 is known and
decides at the end; else the download starts again.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter
from tenacity.wait import wait_base
from tqdm import tqdm

from posrec.errors import DataError, WriteError
from posrec.files import sha256, write_json
from posrec.study.sources import FileRecord

ATTEMPTS = 4  # in a row without a byte more
WAIT: wait_base = wait_exponential_jitter(multiplier=0.5, max=30)  # seconds between two of them
TIMEOUT = httpx.Timeout(30, connect=15)  # seconds
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
GZIP = b"\x1f\x8b"


class DownloadError(DataError):
    """No address gave the file; the text says what each of them answered."""


class TransientError(Exception):
    """This try failed; another one may not."""


class RefusedError(Exception):
    """This address does not have the file that is wanted."""


def download(addresses: Sequence[str], target: Path, expected: FileRecord | None) -> FileRecord:
    """Fetch `target` from the first address that gives it, with a progress bar on a terminal.

    expected: None where size and sha256 are not known yet. Returns what they are. Raises DownloadError when no address
    gives the file, WriteError when it cannot be written.
    """
    failures = []
    for address in _begun_first(addresses, target):
        part = Part(address, target, expected)
        retrying = Retrying(
            retry=retry_if_exception_type(TransientError), wait=WAIT, stop=_stop_without_progress(part), reraise=True
        )
        try:
            return retrying(_try, part)
        except (TransientError, RefusedError) as error:
            failures.append(f"{address}: {error}")
        except OSError as error:
            raise WriteError(f"{part.path}: cannot be written ({error.strerror}); free disk and run it again") from None
    raise DownloadError("; ".join(failures))


class Part:
    """A file of which a beginning may have come already."""

    def __init__(self, address: str, target: Path, expected: FileRecord | None) -> None:
        self.address, self.target, self.expected = address, target, expected
        self.path = target.with_name(f"{target.name}.part")
        self.about = target.with_name(f"{target.name}.part.json")
        self.resumed = False

    @property
    def size(self) -> int:
        """Bytes that have come so far."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def state(self) -> Mapping[str, Any]:
        """Address, version and whole size of what has begun; nothing where there is no part."""
        state = _read_state(self.about)
        return state if self.size and state.get("address") == self.address else {}

    @property
    def total(self) -> int | None:
        """Whole size that the server announced; None where it did not."""
        state = _read_state(self.about)
        total: int | None = state.get("total") if state.get("address") == self.address else None
        return total

    def headers(self) -> dict[str, str]:
        """What to ask for: the rest, where it is known whether it fits; else the whole."""
        version = self.state().get("version")
        if not self.state() or not (version or self.expected):
            return {}
        return {"Range": f"bytes={self.size}-", **({"If-Range": version} if version else {})}

    def begin(self, response: httpx.Response) -> None:
        """Drop what was there, and note of which version the next bytes are the beginning."""
        self.discard()
        total = _length(response.headers.get("Content-Length"))
        if total is None and not self.expected and "Transfer-Encoding" not in response.headers:
            raise RefusedError("does not say how long the file is, so nothing shows whether all of it came")
        write_json(self.about, {"address": self.address, "version": _version(response), "total": total})

    def goes_on(self, response: httpx.Response) -> bool:
        """Whether an answer is the rest of what is here: same version, same place, same whole size."""
        state, (start, total) = self.state(), _range(response.headers.get("Content-Range", ""))
        version = _version(response)
        same = version is None or state.get("version") is None or version == state["version"]
        return same and start == self.size and (self.total is None or total == self.total)

    def is_complete(self) -> bool:
        """All bytes that were announced are here."""
        return self.size > 0 and self.size == self.total

    def discard(self) -> None:
        """Remove what has come; the part goes first, so that a kill never leaves one without its note."""
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)

    def finish(self) -> FileRecord:
        """Check the whole and move it into place. Raises TransientError or RefusedError for other bytes."""
        found = FileRecord(self.size, sha256(self.path))
        if self.expected and found != self.expected:
            self.discard()
            text = f"sha256 {found.sha256} of {found.size:,} bytes, not {self.expected.sha256}"
            raise TransientError(text) if self.resumed else RefusedError(text)
        os.replace(self.path, self.target)
        self.about.unlink(missing_ok=True)
        return found


def _try(part: Part) -> FileRecord:
    if not part.is_complete():
        try:
            _receive(part)
        except httpx.TransportError as error:
            raise TransientError(f"{type(error).__name__}: {error}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RefusedError(f"{type(error).__name__}: {error}") from None
    return part.finish()


def _receive(part: Part) -> None:
    """Ask for what is missing and append it to the part."""
    asked = part.headers()
    with (
        httpx.Client(timeout=TIMEOUT, follow_redirects=True) as client,
        client.stream("GET", part.address, headers={"Accept-Encoding": "identity", **asked}) as response,
    ):
        _check_answer(part, response)
        if response.status_code == httpx.codes.PARTIAL_CONTENT and "Range" in asked and part.goes_on(response):
            part.resumed = True
        elif response.status_code == httpx.codes.OK:
            part.begin(response)
        else:
            part.discard()
            raise TransientError(f"HTTP {response.status_code}: the file there has changed; the download starts again")
        _append(part, response)
    if part.total is not None and part.size != part.total:
        raise TransientError(f"ended after {part.size:,} of {part.total:,} bytes")


def _check_answer(part: Part, response: httpx.Response) -> None:
    status, expected = response.status_code, part.expected
    if status in TRY_AGAIN:
        raise TransientError(f"HTTP {status}")
    if response.is_error and status != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise RefusedError(f"HTTP {status}")
    if part.address.startswith("https:") and response.url.scheme != "https":
        raise RefusedError(f"leads to {response.url}, which is not encrypted")
    length = _length(response.headers.get("Content-Length"))
    if status == httpx.codes.OK and expected and length not in (None, expected.size):
        raise RefusedError(f"has {length:,} bytes, not {expected.size:,}")


def _append(part: Part, response: httpx.Response) -> None:
    limit = part.expected.size if part.expected else part.total
    bar = tqdm(
        total=limit,
        initial=part.size,
        desc=part.target.name,
        unit="B",
        unit_scale=True,
        disable=not sys.stderr.isatty(),
    )
    with bar, part.path.open("ab") as handle:
        for chunk in response.iter_raw():
            if handle.tell() == 0 and part.target.suffix == ".gz" and not chunk.startswith(GZIP[: len(chunk)]):
                part.discard()
                raise RefusedError("answers with something else than a gzip file (a page of text?)")
            handle.write(chunk)
            if limit is not None and handle.tell() > limit:
                part.discard()
                raise RefusedError(f"sends more than {limit:,} bytes")
            bar.update(len(chunk))
        handle.flush()
        os.fsync(handle.fileno())


def _stop_without_progress(part: Part) -> Callable[[RetryCallState], bool]:
    """Ends the tries when ATTEMPTS of them in a row brought nothing new."""
    most = fruitless = 0

    def stop(_: RetryCallState) -> bool:
        nonlocal most, fruitless
        fruitless = 0 if part.size > most else fruitless + 1
        most = max(most, part.size)
        return fruitless >= ATTEMPTS

    return stop


def _begun_first(addresses: Sequence[str], target: Path) -> list[str]:
    """The addresses, the one first from which a part is here."""
    begun = _read_state(target.with_name(f"{target.name}.part.json")).get("address")
    return sorted(addresses, key=lambda address: address != begun)


def _read_state(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        state = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(state, dict):
            return state
    return {}


def _version(response: httpx.Response) -> str | None:
    """What names this version of the file: a strong ETag, else the time of its last change."""
    tag: str = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    changed: str | None = response.headers.get("Last-Modified")
    return changed


def _length(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _range(text: str) -> tuple[int | None, int | None]:
    """First byte and whole size of a Content-Range such as "bytes 5-9/10"; None where it does not say."""
    place, _, total = text.removeprefix("bytes ").partition("/")
    return _length(place.partition("-")[0]), _length(total)

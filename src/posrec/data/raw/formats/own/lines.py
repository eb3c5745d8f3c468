"""The lines of a text in any usual encoding, as text."""

import codecs
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from posrec.data.raw.formats.own.bad_rows import BadRows
from posrec.data.raw.formats.own.seen import Seen
from posrec.data.raw.formats.text import BOM, UTF16, BadLineError, BadValueError, decode, read_lines
from posrec.errors import DataError

ENOUGH = 4096  # bytes from which UTF-16 without a byte order mark is recognised
HINT = ", or set encoding: cp1252 (older programs on Windows)"


def text_lines(path: Path, encoding: str | None, seen: Seen, bad: BadRows) -> Iterator[tuple[int, str]]:
    """Numbers (from 1) and texts of the lines. encoding None: recognised. Raises DataError.

    A text that is not UTF-8 in any line with other characters than ASCII, but cp1252 in all of them, is cp1252.
    """
    wide = encoding is not None and encoding.startswith("utf-16")
    to_utf8 = _to_utf8(path, encoding if wide else None, seen)
    narrow = "utf-8" if wide or encoding is None else encoding
    if encoding is not None and not wide:
        seen.note(narrow)
    for number, line, whole in read_lines(path, to_utf8):
        seen.open_end = not whole
        try:
            text = decode(line, encoding=narrow, hint=HINT if narrow == "utf-8" else "")
        except BadValueError as error:
            if encoding is None and narrow == "utf-8" and _is_cp1252(path, to_utf8):
                narrow = "cp1252"  # the lines until here are ASCII
                seen.note(narrow)
                text = decode(line, encoding=narrow)
            elif number == 1:
                raise BadLineError(path, 1, str(error)) from None
            else:
                bad.take(path, number, str(error))
                continue
        yield number, text


def _to_utf8(path: Path, encoding: str | None, seen: Seen) -> Callable[[Iterable[bytes]], Iterator[bytes]]:
    """Turns the chunks of a file in UTF-16 into UTF-8, and line ends that are carriage returns alone into usual ones.

    Other chunks stay as they are.
    """

    def convert(chunks: Iterable[bytes]) -> Iterator[bytes]:
        waiting = iter(chunks)
        first = next(waiting, b"")
        found = encoding or _wide_encoding(first)
        rest: Iterator[bytes] = chain([first], waiting)
        if found:
            seen.note(found.upper())
            rest = _recoded(path, rest, found)
        elif first.startswith(BOM):
            seen.note("UTF-8 with BOM")
        yield from _usual_ends(rest, seen)

    return convert


def _wide_encoding(first: bytes) -> str:
    """UTF-16 by its byte order mark, or by the zeros that texts in Latin letters have in every second byte."""
    if first.startswith(UTF16):
        return "utf-16"
    even, odd = first[:ENOUGH:2], first[1:ENOUGH:2]
    if odd and 10 * odd.count(0) > 7 * len(odd) and not even.count(0):
        return "utf-16-le"
    return "utf-16-be" if even and 10 * even.count(0) > 7 * len(even) and not odd.count(0) else ""


def _recoded(path: Path, chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise DataError(f"{path}: not {encoding.upper()} ({error}); save it as UTF-8") from None


def _usual_ends(chunks: Iterable[bytes], seen: Seen) -> Iterator[bytes]:
    old = False  # as programs of the first Macs wrote them
    for number, chunk in enumerate(chunks):
        if number == 0 or not old:
            old = number == 0 and b"\r" in chunk[:-1] and b"\n" not in chunk
            if old:
                seen.note("lines that end in a carriage return")
        yield chunk.replace(b"\r", b"\n") if old else chunk


def _is_cp1252(path: Path, to_utf8: Callable[[Iterable[bytes]], Iterator[bytes]]) -> bool:
    for _, line, _ in read_lines(path, to_utf8):
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            try:
                line.decode("cp1252")
            except UnicodeDecodeError:
                return False
            continue
        return False
    return True

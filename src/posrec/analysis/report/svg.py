"""Drawings inside the page: their text can be searched and read aloud, and nothing in one clashes with another."""

import html
import re
from pathlib import Path

from posrec.errors import DataError

HEAD = re.compile(r"<svg [^>]*?viewBox=\"([^\"]+)\"[^>]*>")
STYLE = re.compile(r"<style[^>]*>.*?</style>", re.DOTALL)
METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)


def inlined(path: Path, name: str, title: str, description: str) -> str:
    """A figure's svg element with a title and a description; `name` is put before each of its ids.

    Raises DataError where the file is missing or isn't a drawing of matplotlib.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); run `posrec figures`") from None
    head = HEAD.search(text)
    if head is None:
        raise DataError(f"{path}: isn't a drawing of posrec; run `posrec figures`")
    body = METADATA.sub("", STYLE.sub("", text[head.end() :]))
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r"url\(#", f"url(#{name}-", body)
    body = re.sub(r'(xlink:href|href)="#', rf'\1="#{name}-', body)
    label = f"{name}-title {name}-desc"
    return (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{head[1]}" role="img" aria-labelledby="{label}">'
        f'<title id="{name}-title">{html.escape(title)}</title><desc id="{name}-desc">{html.escape(description)}</desc>'
        f"{body}"
    )

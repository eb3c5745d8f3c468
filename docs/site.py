"""A hook of mkdocs: links to files outside docs/ become plain text on the site.

The pages are written for readers of a checkout, where such links work as they are.
"""

import posixpath
import re
from typing import Any

SHOWN = (".md", ".png", ".svg", ".csv")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace links that leave docs/ by their text."""
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def shown(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        return match[0] if target.startswith("docs/") and target.endswith(SHOWN) else match[1]

    return LINK.sub(shown, markdown)

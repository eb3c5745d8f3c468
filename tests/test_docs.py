"""Links and anchors of every page resolve, and the reference pages name what exists."""

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
from benchmarks import reading
from docs import write

ROOT = Path(__file__).parents[1]
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
VARIABLE = re.compile(r"POSREC_[A-Z_]+")


def pages() -> list[Path]:
    """Every Markdown file of the checkout, committed or about to be."""
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
    found = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True)
    names = found.stdout.split() if found.returncode == 0 else [str(path) for path in (ROOT / "docs").rglob("*.md")]
    return [ROOT / name for name in names if (ROOT / name).exists()]


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get on GitHub."""
    headings = re.findall(r"^#+ +(.*?)\s*$", CODE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """The relative links of a page whose file or anchor does not exist."""
    text = INLINE_CODE.sub("", CODE.sub("", page.read_text(encoding="utf-8")))
    return [link for link in LINK.findall(text) if "://" not in link and not resolves(page, link)]


def resolves(page: Path, link: str) -> bool:
    name, _, anchor = unquote(link).partition("#")
    target = (page.parent / name).resolve() if name else page
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_anchor_resolves(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_and_a_broken_anchor_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A title, with signs\n```\n# no heading\n```\n")
    text = "[a](other.md) [b](other.md#a-title-with-signs) [c](no.md) [d](other.md#no-heading) `[e](no.md)`\n"
    (tmp_path / "page.md").write_text(text)
    assert broken(tmp_path / "page.md") == ["no.md", "other.md#no-heading"]


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        links = LINK.findall(INLINE_CODE.sub("", CODE.sub("", page.read_text(encoding="utf-8"))))
        found = {(page.parent / link.partition("#")[0]).resolve() for link in links if "://" not in link}
        waiting += [path for path in found - reached if path.suffix == ".md"]
    apart = {ROOT / "CHANGELOG.md", ROOT / "results/README.md"}
    assert {str(page.relative_to(ROOT)) for page in pages()} - {
        str(page.relative_to(ROOT)) for page in reached | apart
    } == set()


def test_the_reference_lists_every_environment_variable() -> None:
    listed = set(VARIABLE.findall((ROOT / "docs/reference/environment.md").read_text(encoding="utf-8")))
    used = {
        name for path in (ROOT / "src").rglob("*.py") for name in VARIABLE.findall(path.read_text(encoding="utf-8"))
    }
    assert listed == used


def test_the_reference_lists_every_key_of_a_study() -> None:
    schema = json.loads((ROOT / "workflow/schemas/study.schema.json").read_text(encoding="utf-8"))
    text = (ROOT / "docs/reference/study-keys.md").read_text(encoding="utf-8")
    groups = [schema, *schema["$defs"].values(), schema["properties"]["model"], schema["properties"]["training"]]
    keys = {key for group in groups for key in group["properties"]}
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == keys


def test_the_reading_list_names_files_that_exist() -> None:
    text = (ROOT / "docs/reference/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+\.py)` \| \d+ \|", text, re.MULTILINE)
    assert rows == list(write.READING) == list(reading.lines())
    assert all((write.PACKAGE / name).exists() for name in rows)

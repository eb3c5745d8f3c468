"""Mangled tables through `posrec prepare`: the counts that the file says, or an error that names file, line or key."""

import contextlib
import io
import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from posrec import cli
from posrec.files import read_json
from tests.data.raw.formats import naive
from tests.data.raw.formats.fuzz import mangled

Rows = list[tuple[str, str, int]]
NAMED = re.compile(r"posrec: (shop\.(csv|tsv)(, line \d+)?: |datasets\.shop)")
COLUMNS = {"user": "customer", "item": "product", "time": "bought"}


@dataclass(frozen=True)
class Table:
    """A text table, perhaps mangled, and the settings of its data set."""

    separator: str
    content: bytes
    settings: dict[str, Any]

    @property
    def path(self) -> str:
        return "shop.tsv" if self.separator == "\t" else "shop.csv"


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Few users and items, so that something is left to test on; half of the tables are mangled."""
    times = st.integers(1_000_000_000, 1_000_000_009)
    rows = draw(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("uvwxyz"), times), min_size=1, max_size=30))
    separator = draw(st.sampled_from(",\t;"))
    lines = [separator.join(map(str, row)) for row in [COLUMNS.values(), *rows]]
    content = "".join(line + "\n" for line in lines).encode()
    if draw(st.booleans()):
        content = draw(mangled(content))
    settings = {
        "k_core": draw(st.integers(1, 3)),
        "repeats": draw(st.sampled_from(["all", "first", "last"])),
        "duplicates": draw(st.sampled_from(["drop", "keep"])),
        "split": draw(st.sampled_from(["leave_one_out", "global_time"])),
        "tied_times": draw(st.sampled_from(["shuffle", "file", "item"])),
    }
    return Table(separator, content, settings)


def check(table: Table) -> bool:
    """Prepare a table in the working folder by the command; whether there were data."""
    for folder in ("results", "store", ".cache"):
        shutil.rmtree(folder, ignore_errors=True)
    Path(table.path).write_bytes(table.content)
    own = {"path": table.path, "separator": None if table.separator == "\t" else table.separator, **COLUMNS}
    study = {"study": "fuzz", "datasets": {"shop": {"table": own, **table.settings}}, "encodings": ["none"]}
    Path("study.json").write_text(json.dumps({**study, "seeds": [1, 2, 3]}))
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = cli.main(["prepare", "--study", "study.json", "--dataset", "shop"])
    rows: Rows | None
    try:
        rows = naive.own(table.separator)(table.content)
    except ValueError:
        rows = None
    if status == 0:
        assert rows is not None
        (manifest,) = Path("results").rglob("dataset.json")
        kept = left(rows, **table.settings)
        counts = {
            "users": len({u for u, _, _ in kept}),
            "items": len({i for _, i, _ in kept}),
            "interactions": len(kept),
        }
        assert read_json(manifest)["counts"] == counts
        assert read_json(manifest)["read"]["reviews"] == len(rows)
        return True
    assert status == 2
    error = [line for line in said.getvalue().splitlines() if line.startswith("posrec: ")][-1]  # behind what was read
    assert NAMED.match(error), said.getvalue()
    assert rows is None or error.startswith("posrec: datasets.shop")
    return False


def left(rows: Rows, k_core: int, repeats: str, duplicates: str, **_: str) -> Rows:
    """The rows that are left of duplicates, repeats and the k-core, one after another."""
    if duplicates == "drop":
        rows = list(dict.fromkeys(rows))
    if repeats != "all":
        ordered = sorted(rows, key=lambda row: row[2], reverse=repeats == "last")
        rows = list({(user, item): (user, item, time) for user, item, time in reversed(ordered)}.values())
    while True:
        users, items = Counter(user for user, _, _ in rows), Counter(item for _, item, _ in rows)
        kept = [row for row in rows if users[row[0]] >= k_core and items[row[1]] >= k_core]
        if len(kept) == len(rows):
            return rows
        rows = kept

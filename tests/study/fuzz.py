"""Mangled study files through the command line: rc 0, or rc 2 with the file and the key or line that is wrong."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from posrec import cli

GOOD: dict[str, Any] = {
    "study": "fuzz",
    "protocols": ["sound", {"name": "mine", "base": "sound", "selection": "released"}],
    "datasets": {
        "toy": {"simulate": {"users": 60, "items": 30, "mean_length": 6.0}, "k_core": 3, "model": {"dimension": 8}},
        "shop": {"table": {"path": "shop.csv", "user": "u", "item": "i", "time": None}, "k_core": 1},
    },
    "encodings": ["none", "rope", "rmha4", "rope-base=100"],
    "model": {"dimension": [8, 16], "heads": 2, "blocks": 1, "max_length": 8, "upper_bound": [1.0, None]},
    "training": {"learning_rate": [0.001, "1e-2"], "epochs": 1, "numerics": {"engine": "torch"}},
    "evaluation": {"negatives": 10},
    "seeds": [1, 2, 3],
    "deviation_seeds": [11, 12, 13],
    "only": [{"dataset": "toy", "encoding": ["none", "rope"]}, {"learning_rate": "1e-2"}],
    "report": {"title": "fuzz", "stability": True, "published": {"toy": "Beauty"}},
}
# An error names the file and a key or a line, or what is wrong with all of it; or the key of a data set.
NAMED = re.compile(r"posrec: (study\.yaml: (.{1,200}?: |cannot be read|a study file)|datasets\.)", re.DOTALL)
WORDS = st.sampled_from(
    (
        *("", "no", "on", "null", "~", "010", "0x1f", "1e-3", "1_000", "12:30", ".inf", ".nan", "2018-01-01", "rope"),
        *(
            "RoPE",
            "none",
            "sound",
            "released",
            "toy",
            "../up",
            "{}",
            "[]",
            "*a",
            "&a",
            "!!python/object",
            "é",
            "\u2028",
        ),
        *("\u2028", "a" * 99),
    )
)
SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | WORDS | st.text(max_size=6)
NESTED = [*GOOD["datasets"]["toy"], *GOOD["model"], *GOOD["training"], "table", "source", "expect"]
KEYS = st.sampled_from([*GOOD, *NESTED])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | WORDS, inner, max_size=3), max_leaves=6
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a study."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


@st.composite
def studies(draw: st.DrawFn) -> str:
    """A study file: a good one with up to three values, keys or stretches of text changed."""
    content = json.loads(json.dumps(GOOD))
    for _ in range(draw(st.integers(0, 3))):
        content = changed(content, draw(st.sampled_from(places(content))), draw)
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=draw(st.booleans()))
    if draw(st.integers(0, 3)) == 0:
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 20)))
        text = text[:start] + draw(WORDS | st.text(max_size=4)) + text[end:]
    return text


def changed(content: Any, place: tuple[Any, ...], draw: st.DrawFn) -> Any:
    """The content with a value replaced, removed, or given another key."""
    if not place:
        return draw(VALUES) if draw(st.integers(0, 9)) == 0 else content
    *above, key = place
    parent = content
    for step in above:
        parent = parent[step]
    how = draw(st.sampled_from(["replace", "replace", "remove", "rename"]))
    if how == "replace":
        parent[key] = draw(VALUES)
    elif how == "remove":
        del parent[key]
    elif isinstance(parent, dict):
        parent[draw(KEYS | WORDS)] = parent.pop(key)
    else:
        parent.append(draw(VALUES))
    return content


def check(text: str) -> bool:
    """Plan a study file in the working folder by the command; whether it was accepted."""
    Path("study.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        status = cli.main(["plan", "--no-calibration", "--study", "study.yaml"])
    if status == 0:
        return True
    assert status == 2, said.getvalue()
    assert NAMED.match(said.getvalue()), said.getvalue()
    return False

"""Imports go down the floors or stay on one; no two modules import each other, not even inside a function."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
# From the top. Modules of one floor may import each other.
FLOORS = (
    ("posrec.cli", "posrec.commands"),
    ("posrec.analysis",),
    ("posrec.serve",),
    ("posrec.model",),
    ("posrec.data",),
    ("posrec.store",),
    ("posrec.plan",),
    ("posrec.study",),
    ("posrec.files", "posrec.text"),
    ("posrec.errors", "posrec.versions"),
    ("posrec",),  # the package's own __init__: its version
)


def modules() -> dict[str, Path]:
    """Name -> file of every module of the package."""
    files = sorted((SOURCE / "posrec").rglob("*.py"))
    return {".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def floor_of(name: str) -> int:
    """Number of a module's floor, from the top."""
    for number, heads in enumerate(FLOORS[:-1]):
        if any(name == head or name.startswith(f"{head}.") for head in heads):
            return number
    assert name == "posrec", f"{name}: on no floor; add it to FLOORS"
    return len(FLOORS) - 1


def imports_of(name: str, path: Path, known: set[str]) -> set[str]:
    """The modules of the package that a module imports anywhere, except for type checkers alone."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        if isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            members = {f"{base}.{alias.name}" for alias in node.names}
            found |= (members & known) or ({base} & known)
            found |= {base} & known if any(member not in known for member in members) else set()
    return found - {name}


def graph() -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    found = modules()
    return {name: imports_of(name, path, set(found)) for name, path in found.items()}


def upward(imports: dict[str, set[str]]) -> list[str]:
    """Imports of a higher floor."""
    return [
        f"{name} -> {other}"
        for name, others in sorted(imports.items())
        for other in sorted(others)
        if floor_of(other) < floor_of(name)
    ]


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, or nothing."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_from_a_higher_floor() -> None:
    assert upward(graph()) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(graph()) == []


def test_every_module_is_on_a_floor() -> None:
    assert len(modules()) > 100
    assert {floor_of(name) for name in modules()} == set(range(len(FLOORS)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import posrec.plan.ids", {"posrec.plan.ids"}),
        ("from posrec.plan import ids", {"posrec.plan.ids"}),
        ("from posrec.plan.ids import store", {"posrec.plan.ids"}),
        ("from . import lock\nfrom ..plan import ids", {"posrec.store.lock", "posrec.plan.ids"}),
        ("def late():\n    from posrec.plan import ids", {"posrec.plan.ids"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from posrec.plan import ids", set()),
        ("from posrec.store import lock, UNKNOWN", {"posrec.store.lock", "posrec.store"}),
    ],
)
def test_every_form_of_import_is_found(tmp_path: Path, text: str, expected: set[str]) -> None:
    path = tmp_path / "places.py"
    path.write_text(text)
    assert imports_of("posrec.store.places", path, set(modules())) == expected


def test_an_upward_import_and_a_circle_are_found() -> None:
    imports = graph()
    assert upward({**imports, "posrec.plan.ids": {"posrec.store.lock"}})[0] == "posrec.plan.ids -> posrec.store.lock"
    assert set(circle({"posrec.a": {"posrec.b"}, "posrec.b": {"posrec.c"}, "posrec.c": {"posrec.a"}})) == {
        "posrec.a",
        "posrec.b",
        "posrec.c",
    }


def test_study_and_plan_import_neither_torch_nor_pandas() -> None:
    light = [name for name in modules() if floor_of(name) >= floor_of("posrec.plan")]
    assert {"posrec.plan.run", "posrec.study.study"} <= set(light)
    code = f"import importlib, sys; [importlib.import_module(name) for name in {light}]; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "pandas", "polars", "scipy", "matplotlib"} & set(ast.literal_eval(done.stdout))

"""Speed enters the model through its operations alone, and the model and its training can be read in one sitting."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from benchmarks import reading

SOURCE = reading.FOLDER.parents[1]
FILES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(reading.FOLDER.rglob("*.py"))
}
ENGINES = ("posrec.model.engines.compiled", "posrec.model.engines.stacked")
# what may import an engine: itself, the place that chooses one, and a job, which stacks its runs
MAKERS = {"posrec.model.engines.make", "posrec.model.runs.jobs"}


def imports(path: Path) -> Iterator[str]:
    """The files of the model that a file imports, anywhere in it but for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    left_out = {id(inner) for node in for_types for inner in ast.walk(node)}
    for node in (node for node in ast.walk(tree) if id(node) not in left_out):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in FILES else node.module for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


GRAPH = {name: {found for found in imports(path) if found in FILES} - {name} for name, path in FILES.items()}


def test_no_import_of_the_model_goes_in_a_circle() -> None:
    assert len(list(TopologicalSorter(GRAPH).static_order())) == len(FILES) > 40


def test_no_file_but_the_makers_imports_an_engine() -> None:
    users = {name for name, found in GRAPH.items() if any(one.startswith(ENGINES) for one in found)}
    assert {name for name in users if not name.startswith(ENGINES)} == MAKERS


@pytest.mark.parametrize("name", sorted(set(FILES) - {"posrec.model.encodings.own"}))  # its variable is a hash
def test_no_file_asks_torch_or_a_global_how_to_compute(name: str) -> None:
    """An `Ops` says it: no look at the mode of autograd, no variable of the module, no flag of a thread."""
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    asked = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(tree)}
    assert not asked & {"is_grad_enabled", "is_inference_mode_enabled", "ContextVar", "use_deterministic_algorithms"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Global)]


def test_carca_computes_with_its_operations() -> None:
    """No torch.nn.functional in it, and no module of operations but the reference."""
    path = FILES["posrec.model.carca"]
    assert {one for one in GRAPH["posrec.model.carca"] if ".ops." in one} == {"posrec.model.ops.plain"}
    assert "functional" not in path.read_text(encoding="utf-8")


def test_the_model_is_read_in_one_sitting() -> None:
    """Ten files and 2,200 lines at most, the first four, which are the model, 950."""
    first, whole = reading.lines(reading.FIRST), reading.lines()
    assert len(whole) <= 10
    assert sum(whole.values()) <= 2200
    assert sum(first.values()) <= 950

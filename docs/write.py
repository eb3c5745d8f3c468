"""Write the generated parts of docs/reference: `make docs`, or `python -m docs.write`.

study-keys.md lists every key of a study file, from workflow/schemas/study.schema.json. Between two marks,
architecture.md has the reading list of model and training with the line count of each file, and encodings.md the table
of encodings.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from posrec.commands import encodings

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs/reference"
SCHEMA = ROOT / "workflow/schemas/study.schema.json"
PACKAGE = ROOT / "src/posrec/model"
READING = {  # in the order in which to read them: that of `python -m benchmarks reading`
    "equations.py": "the model as its equations read, on padded histories",
    "carca.py": "the same model over packed tokens",
    "attention.py": "attention over groups of users",
    "encodings/interface.py": "what a positional encoding may change",
    "inputs.py": "items, attributes and time features to vectors",
    "batches.py": "sampled users and negatives to packed tokens",
    "losses.py": "softmax, binary cross-entropy, gBCE, cross-entropy",
    "streams.py": "the named random streams of a seed",
    "train.py": "one training: optimiser, epochs, selection, early stopping",
    "ops/plain.py": "the operations that an engine may replace",
}
Rows = Iterator[tuple[str, str, str, str]]  # key, value, default, description
INTRODUCTION = """# Keys of a study file

Written by `make docs` from [study.schema.json](../../workflow/schemas/study.schema.json); don't edit. `posrec schema`
prints the schema. Editors with a YAML language server read it through the first line of each study file and complete
keys. A value of `model` and `training` may be a list: each list is a dimension of the grid.
"""


def study_keys(schema: dict[str, Any]) -> str:
    """The page with a section for each group of keys."""
    definitions = schema["$defs"]
    groups = {
        "Top level": schema,
        "model": schema["properties"]["model"],
        "training": schema["properties"]["training"],
        "training.numerics": definitions["NumericsSettings"],
        "evaluation": definitions["EvaluationSettings"],
        "seeds with looks": definitions["SequentialSeeds"],
        "report": definitions["ReportSettings"],
        "report.margin": definitions["MarginSettings"],
        "datasets.NAME": definitions["DatasetSettings"],
        "datasets.NAME.simulate": definitions["SimulationSettings"],
        "datasets.NAME.table": definitions["TableSettings"],
        "datasets.NAME.table.items": definitions["ItemTableSettings"],
        "datasets.NAME.subset": definitions["SubsetSettings"],
        "datasets.NAME.control": definitions["ControlSettings"],
        "datasets.NAME.expect": definitions["ExpectedCounts"],
    }
    return "\n".join([INTRODUCTION, *(section(name, group) for name, group in groups.items())])


def section(name: str, group: dict[str, Any]) -> str:
    """One group as a Markdown table."""
    escaped = str.maketrans({"|": "\\|", "<": "&lt;"})
    rows = "".join(f"| {' | '.join(cell.translate(escaped) for cell in row)} |\n" for row in cells(group))
    return f"## {name}\n\n| key | value | default | description |\n|---|---|---|---|\n{rows}"


def cells(group: dict[str, Any]) -> Rows:
    """Key, kind of value, default and description of each property."""
    for key, value in group["properties"].items():
        default = f"`{json.dumps(value['default'])}`" if "default" in value else ""
        default = "required" if key in group.get("required", ()) else default
        yield f"`{key}`", kind(value), default, value.get("description", "")


def kind(value: dict[str, Any]) -> str:
    """A short name of the values that a property takes."""
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "anyOf" in value:
        first = value["anyOf"][0]
        optional = any(one.get("type") == "null" for one in value["anyOf"])
        return kind(first) + (" or null" if optional else "")
    if "oneOf" in value:
        return " or ".join(kind(one) for one in value["oneOf"])
    if "$ref" in value or value.get("type") == "object":
        return "keys below" if "properties" in value or "$ref" in value else "mapping"
    return "list" if value.get("type") == "array" else str(value.get("type", ""))


def reading_list() -> str:
    """The files of model and training to read, with their line counts, as a Markdown table."""
    counts = {name: len((PACKAGE / name).read_text(encoding="utf-8").splitlines()) for name in READING}
    lines = [f"| `{name}` | {counts[name]} | {what} |" for name, what in READING.items()]
    total = f"| {len(READING)} files | {sum(counts.values()):,} | |"
    return "\n".join(["| file in `src/posrec/model/` | lines | content |", "|---|---:|---|", *lines, total]) + "\n"


def put(page: Path, name: str, text: str) -> None:
    """Replace what is between the two marks of this name in a page."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    page.write_text(before + begin + text + end + rest.split(end)[1], encoding="utf-8")


def main() -> None:
    """Write all pages and parts."""
    (REFERENCE / "study-keys.md").write_text(study_keys(json.loads(SCHEMA.read_text())), encoding="utf-8")
    put(REFERENCE / "architecture.md", "reading list", reading_list())
    put(REFERENCE / "encodings.md", "encodings", encodings.table())


if __name__ == "__main__":
    main()

"""`posrec schema`: the JSON schema of a study file, for editors. Studies are checked by `posrec.study.study`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from posrec.errors import WriteError
from posrec.files import write_text
from posrec.study.encodings import ENCODINGS, name_pattern
from posrec.study.settings.model import ModelSettings
from posrec.study.settings.study import StudySettings
from posrec.study.settings.training import TrainingSettings

GROUPS: dict[str, type[BaseModel]] = {"model": ModelSettings, "training": TrainingSettings}


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    write_schema(arguments.write)


def write_schema(path: Path | None) -> None:
    """Write the schema to `path`, or print it where that is None. The same code always gives the same bytes."""
    text = json.dumps(study_schema(), indent=2, ensure_ascii=False) + "\n"
    if path is None:
        sys.stdout.write(text)
        return
    if not path.absolute().parent.is_dir():
        raise WriteError(f"--write {path}: the folder {path.parent} does not exist; make it, or correct the path")
    write_text(path, text)


def study_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a study file; values of `model` and `training` may also be lists."""
    schema = StudySettings.model_json_schema()
    definitions = schema["$defs"]
    for key, group in GROUPS.items():
        grid, inner = _grid(group)
        definitions.update(inner)
        for owner in (schema, definitions["DatasetSettings"]):
            property_ = owner["properties"][key]
            owner["properties"][key] = {**grid, "description": property_["description"], "default": {}}
    encodings = schema["properties"]["encodings"]
    encodings["items"]["anyOf"] = [{"enum": list(ENCODINGS)}, {"pattern": f"^{name_pattern()}$"}]
    _drop_titles(schema)
    for definition in definitions.values():  # wrapped docstrings become one line
        if "description" in definition:
            definition["description"] = " ".join(definition["description"].split())
    schema["$defs"] = dict(sorted(definitions.items()))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A study of posrec", **schema}


def _grid(group: type[BaseModel]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Schema of a settings class whose values may also be lists of values, and the definitions that it needs."""
    schema = group.model_json_schema()
    properties = {key: _value_or_list(value) for key, value in schema["properties"].items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}, schema.get("$defs", {})


def _value_or_list(value: dict[str, Any]) -> dict[str, Any]:
    about = {key: content for key, content in value.items() if key in ("description", "default")}
    plain = {key: content for key, content in value.items() if key not in about}
    return {**about, "anyOf": [plain, {"type": "array", "items": plain, "minItems": 1}]}


def _drop_titles(node: Any) -> None:
    """Remove pydantic's titles, which repeat the key; a property called `title` is kept."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for value in node.values():
            _drop_titles(value)
    elif isinstance(node, list):
        for value in node:
            _drop_titles(value)

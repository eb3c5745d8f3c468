"""`posrec look`: what is in a file, and the `table:` block of a study that reads it."""

import argparse
import re
from pathlib import Path
from typing import Any

from posrec.data.raw import formats
from posrec.data.raw.formats.own import look, roles
from posrec.errors import DataError, StudyError
from posrec.plan import ids
from posrec.study.settings.dataset import DatasetSettings
from posrec.study.written import as_yaml, write_study

MISSING = "missing: drop"
AMBIGUOUS = re.compile(r"can be read in several ways: set time_format: '([^']+)'")


def run(arguments: argparse.Namespace) -> None:
    """The verb."""
    sight = look.look_at(arguments.file)
    print(f"{sight.path}: {sight.seen}\n{look.described(sight)}\n")
    found = roles.guess(sight.columns)
    if "user" not in found and "item" in found and not arguments.items:
        print("This looks like a table of items; in the block of the reviews' table write:\n")
        print(as_yaml({"items": _items(sight, found["item"])}))
        return
    table, notes = _table(sight, found)
    if arguments.items:
        table["items"] = _items_of(arguments.items, found.get("item", ""))
    notes += _try(table)
    name = arguments.name or re.sub(r"[^A-Za-z0-9]+", "_", Path(sight.path.rstrip("/*")).stem).strip("_") or "shop"
    if arguments.write:
        write_study(arguments.write, name, {"table": table})
        print(f"Wrote {arguments.write}; next: posrec plan {arguments.write}")
    else:
        print("In a study file:\n")
        print(as_yaml({"datasets": {name: {"table": table}}}))
    for note in notes:
        print(f"# {note}")


def _table(sight: look.Sight, found: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The settings of a table of reviews, and what the user has to decide. Raises StudyError where ids are unknown."""
    if missing := [role for role in ("user", "item") if role not in found]:
        names = ", ".join(column.name for column in sight.columns)
        raise StudyError(
            f"{sight.path}: no column looks like the {' or the '.join(missing)}; its columns are: {names}; write "
            f"table: {{path: {sight.path}, user: ..., item: ..., time: ...}} into a study file"
        )
    usual = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    named = {role: name for role, name in found.items() if name != usual[role]}
    timeless = {} if "time" in found or sight.settings.get("kind") == "sequences" else {"time": None}
    notes = [] if "time" in found or not timeless else ["no column holds times, so the order of the rows is used"]
    for name, counts in look.events_of(sight, list(found.values())):
        values = ", ".join(f"{value} ({count:,})" for value, count in counts.most_common())
        example = next((value for value in counts if value.lower() in ("purchase", "buy", "transaction")), min(counts))
        column = name if re.fullmatch(r"[^\W\d]\w*", name) else f"`{name}`"
        notes.append(f"{name} has {values}: choose with where: \"{column} = '{example}'\"")
    return {"path": sight.path, **named, **timeless, **sight.settings}, notes


def _try(table: dict[str, Any]) -> list[str]:
    """Read the whole table, which says what was read; adds the keys without which that fails, and notes on them."""
    notes: list[str] = []
    for _ in range(3):
        try:
            source = ids.source_of("look", DatasetSettings.model_validate({"table": table}))
            reviews = formats.read_reviews(Path(), source)
            if table.get("items"):
                formats.read_attributes(Path(), source, set(reviews["item"]))
            return notes
        except DataError as error:
            if MISSING in str(error) and "missing" not in table:
                table["missing"] = "drop"
                notes.append(f"without missing: drop it stops: {error}")
            elif (match := AMBIGUOUS.search(str(error))) and "time_format" not in table:
                table["time_format"] = match[1]
                notes.append(f"day and month could be either; check time_format ({error})")
            else:
                return [*notes, f"this does not read it yet: {error}"]
    return notes


def _items_of(path: str, item: str) -> dict[str, Any]:
    """The settings of the table of items at `path`, whose item is called as in the reviews or as usual."""
    sight = look.look_at(path)
    print(f"{sight.path}: {sight.seen}\n{look.described(sight)}\n")
    names = [column.name for column in sight.columns]
    column = item if item in names else roles.guess(sight.columns).get("item")
    if column is None:
        raise StudyError(f"{path}: no column looks like the item; its columns are: {', '.join(names)}")
    return _items(sight, column)


def _items(sight: look.Sight, item: str) -> dict[str, Any]:
    named = {} if item == "item_id" else {"item": item}
    return {"path": sight.path, **named, **look.attributes_of(sight, item), **sight.settings}

"""The resolved study: what the workflow's rules read, with the values of --config, named after its content."""

import json
import re
from pathlib import Path
from typing import Any

from posrec.errors import DataError, StudyError
from posrec.files import CHECKSUM, digest, read_json
from posrec.study.settings.study import StudySettings

NAME = re.compile(r"[0-9a-f]{12}\.json")
SETTINGS = "settings"
WAY_OUT = "delete it and run snakemake, which writes it again, or name the study file itself"


def resolved(settings: StudySettings) -> tuple[str, str]:
    """Name and content of a study's resolved file. The order of keys is kept: figures follow it."""
    content = settings.model_dump(mode="json")
    checksum = _checksum(content)
    text = json.dumps({"resolved_study": settings.study, SETTINGS: content, CHECKSUM: checksum}, indent=1)
    return f"{checksum[:12]}.json", text + "\n"


def is_resolved(path: str | Path) -> bool:
    """Whether a file is named like a resolved study."""
    return NAME.fullmatch(Path(path).name) is not None


def read_resolved(path: str | Path) -> Any:
    """The settings in a resolved file. Raises StudyError where it was damaged or edited, or is another study's."""
    try:
        content = read_json(path)
    except DataError as error:
        raise StudyError(f"{error}; {WAY_OUT}") from None
    settings = content.get(SETTINGS) if isinstance(content, dict) else None
    checksum = _checksum(settings)
    if settings is None or content.get(CHECKSUM) != checksum or Path(path).stem != checksum[:12]:
        raise StudyError(f"{path}: the checksum does not match: the file was damaged, edited or renamed; {WAY_OUT}")
    return settings


def _checksum(settings: Any) -> str:
    return digest(json.dumps(settings), length=64)  # as text: the order of keys counts

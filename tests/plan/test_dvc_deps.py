"""DVC's stages depend on all that an id reads: a changed default, module or twin never leaves them up to date."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from posrec.commands import dvc
from posrec.study import study, twins
from posrec.study.encodings import kinds
from posrec.study.settings.study import StudySettings

ROOT = Path(__file__).parents[2]
WRITTEN = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
STAGES = {name: stage for name, stage in WRITTEN.items() if "params" in stage}  # the others copy files
WITHOUT_ANALYSIS = ("data", "train")
UNREAD = {"src/posrec/__init__.py", "src/posrec/errors.py"}  # imported, but a version and error classes: in no id
# Computes every id of a study, and prints the files of the package that this imports or opens.
READ = """
import json, os, sys
opened = set()
sys.addaudithook(lambda event, given: opened.add(str(given[0])) if event == "open" else None)
from posrec.plan import ids
from posrec.plan.run import planned_runs
from posrec.study.study import load
study = load("params.yaml")
assert list(planned_runs(study))
if sys.argv[1] == "analysis":
    from posrec.analysis import places
    assert places.analysis_files(study)
files = {getattr(module, "__file__", None) or "" for name, module in sys.modules.items() if name.startswith("posrec")}
print(json.dumps(sorted({os.path.relpath(path) for path in files | opened if "src/posrec" in path})))
"""


def read_by_ids(what: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", READ, what], cwd=ROOT, capture_output=True, text=True, check=True)
    files: list[str] = json.loads(done.stdout)
    return {name for name in files if "__pycache__" not in name and (ROOT / name).is_file()}


def covers(deps: list[str], name: str) -> bool:
    return any(Path(name).is_relative_to(dep) for dep in deps)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_every_file_that_its_ids_read(stage: str) -> None:
    read = read_by_ids("runs" if stage in WITHOUT_ANALYSIS else "analysis") - UNREAD
    assert len(read) > 20
    missing = {name for name in read if not covers(STAGES[stage]["deps"], name)}
    assert not missing


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_every_registered_default_and_twin(stage: str) -> None:
    """rotary.py with another base: `posrec plan` trained six runs, and `dvc repro` had nothing to do."""
    files = {kind.path for kind in kinds().values() if not kind.own} | {Path(twins.__file__), Path(study.__file__)}
    assert len(files) > 10
    for path in files:
        assert covers(STAGES[stage]["deps"], str(path.relative_to(ROOT))), path


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_every_key_that_its_ids_read(stage: str) -> None:
    """The keys of params.yaml: all but `report`, which only the analysis reads, and the trainings in `data`."""
    every = set(StudySettings.model_fields)
    left_out = {"data": every - {"study", "protocols", "datasets", "evaluation"}, "train": {"report"}}
    assert set(STAGES[stage]["params"]) == every - left_out.get(stage, set())


def test_the_stages_of_another_study_depend_on_its_own_encodings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    own = tmp_path / "own/mine.py"
    own.parent.mkdir()
    own.write_text(
        'from posrec.model.encodings import Encoding, register\n\n\n@register("mine", "added")\nclass Mine(Encoding):\n'
        '    """Nothing."""\n'
    )
    monkeypatch.setenv("POSREC_ENCODINGS", str(own.parent))
    raw = {"study": "other", "datasets": {"toy": {"simulate": {"users": 50, "items": 30, "mean_length": 5}}}}
    loaded = study.from_dict({**raw, "encodings": ["none", "mine"], "seeds": [1, 2, 3]})
    stages = yaml.safe_load(dvc.stages_of(loaded, "studies/other.yaml"))["stages"]
    assert all("own/mine.py" in stage["deps"] for stage in stages.values() if "params" in stage)

"""The studies of the paper's open questions: each gives, on simulated twins, the figure that its header names."""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from posrec.analysis import registry
from posrec.analysis.tables.build import Tables, build_tables
from posrec.analysis.topics import style
from posrec.commands import plan
from posrec.data.prepare import candidates, card, prepare
from posrec.data.simulate import simulate
from posrec.model.evaluate import baselines
from posrec.model.runs import jobs
from posrec.plan import ids, work
from posrec.study import study

FOLDER = Path(__file__).parents[2] / "studies"
QUICK = {"batch_size": 32, "epochs": 1, "validate_every": 1, "validation_users": 20}
SMALL = {"dimension": 12, "blocks": 1}


def twin_sized(raw: dict[str, Any], datasets: int, encodings: int) -> dict[str, Any]:
    """A study with its first data sets simulated and tiny, its first encodings, two values of a setting, three seeds.

    `only` still holds. The last protocol alone: the released evaluation draws 10,000 users however few there are.
    """
    twins = {
        name: {
            "simulate": {"users": 30 + 10 * number, "items": 20, "mean_length": 5, "seed": number},
            "k_core": 1,
            "model": {**first_two(own.get("model", {})), **(SMALL if "model" in own else {})},
        }
        for number, (name, own) in enumerate(itertools.islice(raw["datasets"].items(), datasets))
    }
    model, training = first_two(raw["model"]), {**first_two(raw.get("training", {})), **QUICK}
    kept = {**model, **training, "dataset": list(twins), "encoding": raw["encodings"][:encodings]}
    return {
        "study": raw["study"],
        "protocols": raw["protocols"][-1:],
        "datasets": twins,
        "encodings": kept["encoding"],
        "model": model,
        "training": training,
        "evaluation": {"negatives": 10},
        "seeds": raw["seeds"][:3],
        "deviation_seeds": raw.get("deviation_seeds", [])[:3],
        "only": narrowed(raw.get("only", []), kept),
    }


def first_two(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value[:2] if isinstance(value, list) else value for key, value in settings.items()}


def narrowed(only: list[dict[str, Any]], kept: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of `only` with the values that are kept."""
    return [
        {key: [value for value in as_list(wanted) if value in as_list(kept[key])] for key, wanted in entry.items()}
        for entry in only
    ]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def run_all(loaded: study.Study) -> Tables:
    """The steps of the workflow up to the tables, in this process."""
    for name, dataset in loaded.settings.datasets.items():
        assert dataset.simulate is not None
        simulate.simulate(dataset.simulate, ids.raw_folder(name, dataset))
        prepare.prepare_dataset(loaded, name)
        candidates.draw_candidates(loaded, name)
        card.describe_dataset(loaded, name)
        baselines.score_baselines(loaded, name)
    jobs.train_cells(loaded, list(loaded.cells))
    return build_tables(loaded)


def lengths(data: pd.DataFrame, _: Tables) -> None:
    assert set(data.groupby("encoding")["value"].agg(tuple)) == {(5, 20)}
    assert (data["full_ndcg10_sd_points"] > 0).all()


def one_at_a_time(data: pd.DataFrame, _: Tables) -> None:
    found = data.groupby("setting")["value"].agg(set)
    assert found.to_dict() == {"learning_rate": {3e-3, 1e-3}, "max_length": {35, 10}, "dimension": {48, 24}}
    others = data.groupby(["setting", "other_settings", "encoding"])["value"].nunique()
    assert (others == 2).sum() == 3 * 2  # each setting has a line per encoding, with the two others at their base


def thresholds(data: pd.DataFrame, tables: Tables) -> None:
    assert data.groupby("dataset")["deviation_points"].first().gt(0).sum() == 4
    splits = tables["thresholds"].set_index("predictor")
    assert set(splits.index) == {"deviation", "sparsity"}
    assert (splits["datasets"] == 4).all()
    assert splits[["best_for_all", "gain_points"]].notna().all(axis=None)  # the search was made; a gain of 0: no split


def activations_by_norm(data: pd.DataFrame, _: Tables) -> None:
    full = data[data["metric"] == "full_ndcg10"]
    expected = {f"norm={norm}, activation={name}" for norm in ("layer", "none") for name in ("leaky", "silu")}
    assert set(full["settings"]) == expected
    assert full[["none", "learnt"]].gt(0).all(axis=None)


def ranks(data: pd.DataFrame, tables: Tables) -> None:
    assert set(data["encoding"]) == {"none", "learnt", "rotatory"}
    assert set(tables["ranks"]["datasets"]) == {4}


def three_experiments(data: pd.DataFrame, _: Tables) -> None:
    cells = {("men", "none"), ("beauty", "rotatory"), ("beauty", "rmha4"), ("fashion", "learnt")}
    assert set(zip(data["dataset"], data["encoding"], strict=True)) == cells | {("fashion", "learnt_con")}
    assert (data["full_ndcg10_sd_points"] > 0).all()


@dataclass(frozen=True)
class Question:
    """The figure that answers a study's question, what its data must contain, and the size of the twin."""

    figure: str
    check: Callable[[pd.DataFrame, Tables], None]
    datasets: int
    encodings: int


QUESTIONS = {
    "length": Question("settings", lengths, 1, 2),
    "thresholds": Question("correlation", thresholds, 4, 3),
    "activation_norm": Question("levels", activations_by_norm, 1, 2),
    "sensitivity": Question("settings", one_at_a_time, 1, 2),
    "cross_domain": Question("ranks", ranks, 4, 3),
    "first_experiments": Question("spread", three_experiments, 3, 5),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_twin_of_the_study_gives_the_figure_that_answers_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSREC_STORE", str(tmp_path / "store"))
    question = QUESTIONS[name]
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    assert f"# Answer: the figure `{question.figure}`" in text
    loaded = study.from_dict(twin_sized(yaml.safe_load(text), question.datasets, question.encodings))
    tables = run_all(loaded)
    (entry,) = (figure for figure in registry.figures(loaded) if figure.name == question.figure)
    with style.house_style():
        figure, data = registry.module_of(entry).draw(tables)
        style.save(figure, tmp_path / entry.name, data)
    assert (tmp_path / f"{entry.name}.svg").stat().st_size > 0
    question.check(data, tables)


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_header_states_the_cost_as_planned(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # nothing is prepared here
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    stated = re.search(
        r"^# Cost by posrec plan --no-calibration: (\d+) runs, (?:at most )?(\S+) core-hours", text, re.MULTILINE
    )
    assert stated
    loaded = study.load(FOLDER / f"{name}.yaml")
    assert int(stated[1]) == sum(len(cell.seeds) for cell in loaded.cells)
    found = [plan.estimate(loaded, dataset, work.SPEED) for dataset in loaded.settings.datasets]
    assert None not in found
    # Speeds are measured again from time to time.
    assert float(stated[2]) == pytest.approx(sum(one.seconds for one in found if one) / 3600, rel=0.5)


def test_the_papers_study_holds_the_runs_of_the_first_experiments() -> None:
    first, paper = (study.load(FOLDER / f"{name}.yaml") for name in ("first_experiments", "paper"))
    of_first, of_paper = ({(ids.run_id(one, cell), cell.seeds[:10]) for cell in one.cells} for one in (first, paper))
    assert len(of_first) == 5
    assert of_first < of_paper

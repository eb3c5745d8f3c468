"""The effect of one switch, from made-up runs with a known answer."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from benchmarks import audit

from posrec import versions
from posrec.analysis import registry
from posrec.analysis.places import analysis_files
from posrec.analysis.report import write
from posrec.analysis.tables import build
from posrec.analysis.topics import draw, switches
from posrec.errors import PosrecError
from posrec.plan import ids
from posrec.study import study
from posrec.study.protocols import PRESETS, one_switch, parse, single_switches
from tests.analysis import made_up

PROTOCOLS: list[str | dict[str, Any]] = [
    "sound",
    {"name": "ties-on", "base": "sound", "ties": "released"},
    {"name": "dot-on", "base": "sound", "dot_head": "released"},
    "released",
    {"name": "causal-off", "base": "released", "causal": "sound"},
    {"name": "two", "base": "sound", "ties": "released", "selection": "released"},
]
SEEDS = list(range(1, 11))


def test_pairs_that_differ_in_one_switch_and_no_others() -> None:
    found = single_switches(parse(PROTOCOLS, "s"))
    assert [(switch, others, a.name, b.name) for switch, others, a, b in found] == [
        ("ties", "sound", "sound", "ties-on"),
        ("dot_head", "sound", "sound", "dot-on"),
        ("causal", "released", "causal-off", "released"),
    ]
    (half,) = parse([{"name": "half", "base": "sound", "candidate_position_training": "released"}], "s")
    assert one_switch(PRESETS["sound"], half) == "candidate_position_training"


def made_study() -> study.Study:
    """The released causal switch adds two points and halves the distance of the seeds to their middle."""
    made = made_up.make_study(
        1, protocols=PROTOCOLS, seeds=SEEDS, deviation_seeds=[], encodings=["none", "rope"], model={"dimension": 8}
    )
    for name in made.settings.datasets:
        made_up.write_dataset(made, name, 0)
    for cell in made.cells:
        for seed in cell.seeds:
            noise = 0.001 * np.sin(9 * seed) + (0.0002 * (seed % 3) if cell.protocol.name == "released" else 0)
            causal = cell.protocol.name == "released"
            level = 0.12 + noise * (0.5 if causal else 1) + (0.02 if causal else 0)
            made_up.write_run(made, cell, seed, made_up.run_record(made, cell, seed, level))
    return made


def test_an_effect_is_found_with_its_sign_and_size(here: Path) -> None:
    table = build.build_tables(made_study())["switches"]
    rows = table[(table["switch"] == "causal") & (table["metric"] == "full_ndcg10")]
    assert list(rows["encoding"]) == ["none", "rope"]
    assert rows["effect_points"].tolist() == pytest.approx([2.0, 2.0], abs=0.06)
    assert (rows["effect_low_points"] > 1.9).all()
    assert (rows["p"] < 0.05).all()
    assert (rows["smallest_p"] == 2 / 2**10).all()
    assert rows["margin_points"].tolist() == pytest.approx([0.24, 0.24], abs=0.01)  # 2 % of none
    assert rows["effect"].tolist() == ["raises", "raises"]
    assert (rows["spread_ratio"] < 0.8).all()
    assert np.isnan(rows["lead_change_points"].iloc[0])  # none has no lead
    assert rows["lead_change_points"].iloc[1] == pytest.approx(0, abs=1e-9)
    nothing = table[table["switch"] == "ties"]  # the made-up blocks are the same under every evaluation
    assert nothing["effect_points"].tolist() == [0.0] * len(nothing)
    assert (nothing["p"] == 1).all()
    assert (nothing["effect"] == "leaves").all()  # two evaluations of the same trainings
    assert (nothing["spread"] == "alike").all()
    said = " ".join(switches.answers(table))
    assert (
        "Effect on the level beyond the margin: causal. Within the margin in some cell, beyond it in none: ties" in said
    )
    assert "lead over none changes by more than the margin with: none" in said
    assert "No score changes at all with: ties" in said


def test_figure_and_page_show_the_switches(here: Path) -> None:
    made = made_study()
    build.write_tables(made)
    draw.write_figures(made)
    write.write_report(made)
    files = analysis_files(made)
    drawn = pd.read_csv(next(path for path in files["figures"] if path.name == "switches.csv"))
    assert set(drawn["switch"]) == {"ties", "dot_head", "causal"}
    page = files["report"][0].read_text()
    assert 'id="switches"' in page
    assert "Effects of the released behaviour" in page


def test_a_study_without_such_protocols_has_none_of_it(here: Path) -> None:
    made = made_up.make_study(1)
    made_up.write_study(made, made_up.plain_score)
    assert "switches" not in {entry.name for entry in (*registry.figures(made), *registry.tables(made))}


def test_the_committed_effects_of_the_audit_follow_from_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    found = audit.all_switches().to_csv(index=False, float_format="%.10g", lineterminator="\n")
    assert found == (audit.FOLDER / "switches.csv").read_text()


def test_the_audit_takes_runs_of_the_present_versions_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").symlink_to(Path(__file__).parents[3] / "studies")
    made = ids.STUDIES / "audit_rope" / "tables" / "runs.csv"
    made.parent.mkdir(parents=True)
    loaded = study.load("studies/audit_rope.yaml")
    made.write_text(f"seed,run_id,failure\n1,{ids.run_id(loaded, loaded.cells[0])},\n")
    audit.take_runs()
    (taken,) = (tmp_path / audit.FOLDER / "runs").iterdir()
    header, row = taken.read_text().splitlines()
    assert header == "seed,run_id,failure,training_version,evaluation_version"
    assert row.endswith(f",,{versions.TRAINING_VERSION},{versions.EVALUATION_VERSION}")
    monkeypatch.setattr(versions, "TRAINING_VERSION", versions.TRAINING_VERSION + 1)
    with pytest.raises(PosrecError, match="plans now; run it again"):
        audit.take_runs()


def test_the_audit_takes_each_comparison_from_the_study_with_the_most_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"settings": "", "encoding": "none", "switch": "ties", "others": "sound", "metric": "full_ndcg10"}
    few = pd.DataFrame([{**row, "dataset": "a", "pairs": 3}, {**row, "dataset": "b", "pairs": 3}])
    many = pd.DataFrame([{**row, "dataset": "a", "pairs": 10}])
    made = {"audit_screen": few, "audit": many}
    monkeypatch.setattr(audit, "switches_of", lambda name: made.get(name, pd.DataFrame()))
    assert audit.all_switches()[["dataset", "pairs"]].to_numpy().tolist() == [["a", 10], ["b", 3]]


def test_what_the_page_reads_from_the_dot_head() -> None:
    """The sentences of docs/reference/released-code.md, from the committed runs and effects."""
    folder = Path(__file__).parents[3] / audit.FOLDER
    runs = pd.read_csv(folder / "runs" / "audit_dot.csv").set_index(["dataset", "protocol"]).sort_index()
    hit = runs["sampled_hit10"]
    assert (hit["hin_800", "dot_head_test-on"] < 0.0005).sum() == 5
    beauty = hit["beauty_3000"]
    assert (beauty["released"].min(), beauty["released"].max()) == pytest.approx((0.045, 0.999), abs=5e-4)
    assert (beauty["dot_head_test-off"] > 0.9995).all()
    shares = runs.loc[("beauty_3000", "dot_head_test-off"), "sampled_tie_share"]
    assert ((shares >= 0.9395) & (shares <= 1)).sum() == 9
    for protocol, low, high in (("released", 0.0145, 0.0195), ("ties-off", 0.0005, 0.0035)):
        assert runs.loc[("beauty_3000", protocol), "full_ndcg10"].between(low, high).sum() >= 8
    hin = runs.loc["hin_800"]
    hit = hin.loc["released", "sampled_hit10"]
    assert (hit.min(), hit.max()) == pytest.approx((0.344, 1.0), abs=5e-4)
    assert (hin.loc["dot_head_test-off", "sampled_hit10"] > 0.9995).all()
    assert (hin.loc["dot_head_test-off", "sampled_tie_share"] > 0.99).all()
    effects = pd.read_csv(folder / "switches.csv").query("switch == 'ties' and others == 'released'")
    effects = effects.query("study == 'audit_dot'").set_index(["dataset", "metric"])
    named = ["effect_points", "effect_low_points", "effect_high_points"]
    assert effects.loc[("beauty_3000", "full_ndcg10"), named].astype(float).round(1).tolist() == [1.5, 1.1, 1.9]
    assert effects.loc[("hin_800", "full_ndcg10"), named].astype(float).round(1).tolist() == [18.3, 13.7, 21.1]
    assert round(float(effects.loc[("hin_800", "sampled_hit10"), "effect_points"]), 1) == 13.5
    assert effects["effect"].tolist().count("raises") == 3

"""Figures and report, drawn once for all tests of this file."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from posrec.analysis import registry
from posrec.analysis.costs import cost_of
from posrec.analysis.places import analysis_files
from posrec.analysis.report import answer, summary, write
from posrec.analysis.tables import build
from posrec.analysis.topics import draw, learning_curves, stability, wording
from posrec.errors import DataError
from posrec.plan import ids
from posrec.study.study import Study
from tests.analysis import made_up

Rendered = tuple[Path, Study]


@pytest.fixture
def page(rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> str:
    folder, study = rendered
    monkeypatch.chdir(folder)
    return analysis_files(study)["report"][0].read_text(encoding="utf-8")


class Loads(HTMLParser):
    """Collects whatever a page would load, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for key, value in attrs:
            {"src": self.sources, "srcset": self.sources, "href": self.links, "id": self.ids}.get(key, []).append(
                str(value)
            )


def _names(study: Study) -> list[str]:
    return [entry.name for entry in registry.figures(study)]


def _pages(study: Study) -> list[str]:
    return [name for entry in registry.figures(study) for name, _ in entry.pages(study)]


def _figure(name: str) -> registry.Figure:
    return next(entry for entry in registry.FIGURES if entry.name == name)


def _parsed(page: str) -> Loads:
    parser = Loads()
    parser.feed(page)
    return parser


def test_every_planned_file_is_there(rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, study = rendered
    monkeypatch.chdir(folder)
    for files in analysis_files(study).values():
        for path in files:
            assert path.stat().st_size > 0


def test_figures_are_the_same_bytes_twice(rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, study = rendered
    monkeypatch.chdir(folder)
    paths = analysis_files(study)["figures"] + analysis_files(study)["report"]
    before = {path: path.read_bytes() for path in paths}
    draw.write_figures(study)
    write.write_report(study)
    assert [path.name for path in paths if path.read_bytes() != before[path]] == []


def test_figures_name_no_date_or_program(rendered: Rendered) -> None:
    folder, study = rendered
    for name in _names(study):
        svg = (folder / ids.STUDIES / study.name / "figures" / f"{name}.svg").read_text()
        assert "<dc:date>" not in svg
        assert "matplotlib.org" not in svg


def test_report_loads_nothing_from_outside(rendered: Rendered, page: str) -> None:
    parsed = _parsed(page)
    assert parsed.sources == []  # of scripts and images
    inside = [link for link in parsed.links if not link.startswith("data:text/csv;base64,")]
    assert len(parsed.links) - len(inside) == len(_pages(rendered[1]))
    assert all(link.startswith("#") and link[1:] in parsed.ids for link in inside)
    assert len(parsed.ids) == len(set(parsed.ids))  # the drawings' ids don't clash
    assert not parsed.tags & {"link", "iframe", "object", "img"}
    assert page.count("<script") == 1
    outside = re.sub(r'xmlns(:xlink)?="[^"]+"', "", page)
    assert "http:" not in outside
    assert "https:" not in outside
    assert "@import" not in outside
    assert re.findall(r"url\((?!#)", outside) == []


def test_report_holds_every_figure_with_its_caption(rendered: Rendered, page: str) -> None:
    study = rendered[1]
    for name in _pages(study):
        drawn = page[page.index(f'id="figure-{name}"') :]
        assert f'<title id="{name}-title">' in drawn
        assert f'<desc id="{name}-desc">' in drawn
    assert page.count("<figcaption>") == len(_pages(study)) > len(_names(study))  # two pages of data
    assert ">rope</text>" in page  # text of the drawings can be searched


def test_the_first_screen_answers_five_questions(page: str) -> None:
    first = page[page.index('id="answer"') : page.index('id="levels"')]
    asked = re.findall(r"<dt>([^<]*\?)</dt><dd>([^<]*)</dd>", first)
    assert [question for question, _ in asked] == [
        *("Which is best?", "How sure is that?", "What does it cost?", "Can I trust it?", "What next?")
    ]
    said = dict(asked)
    assert said["Which is best?"].startswith(
        "Take rope: within 2 % of the best on a new data set with probability 0.99"
    )
    assert said["How sure is that?"].startswith("6 of 8 comparisons with none are decided, with 3 seeds per cell")
    assert said["Can I trust it?"].startswith(
        "47 of 48 runs finished, 1 of them at chance level; none was still rising."
    )
    assert said["What next?"].startswith("51 seeds per cell (seeds in the study file) would decide")
    assert "<dd>Ahead of none by 2.3 to 4.5 points: abs, rope.</dd>" in first
    assert first.count("<dt>twin") == 4
    assert first.index('id="figure-leads"') > first.rindex("<dt>twin")


def test_claims_that_the_study_cannot_ask_are_named_only(page: str) -> None:
    claims = page[page.index('id="claims"') : page.index('id="failures"')]
    assert "can&#39;t ask C3, C4, C5, C7, C8 and C9" in claims
    assert "<td>C8</td>" not in claims[: claims.index("When a claim counts")]
    assert re.search(r"<td[^>]*>C2</td>.*?would take 121 seeds", claims, re.DOTALL)


def test_report_says_what_three_seeds_cannot_do(page: str) -> None:
    assert "Three seeds cannot decide stability" in page
    assert "three seeds cannot show whether it is the steadiest" in page


def test_report_says_simulated_wherever_twins_stand(page: str) -> None:
    assert "simulated twins" in page[: page.index("<nav")]
    assert page.count("All data here are simulated twins") == 1  # what repeats is said once
    for row in re.findall(r"<tr><td>(twin\d[^<]*)</td>", page):
        assert row.endswith("(simulated)")
    for title in re.findall(r"<h3>(twin[^<]*)</h3>", page):
        assert "(simulated)" in title


def test_report_lists_failures(page: str) -> None:
    assert "failed at step 17: the loss is not finite" in page
    assert "collapsed to chance level" in page
    assert "2 of 48 runs failed or collapsed" in page


def test_report_says_that_four_data_sets_decide_nothing(page: str) -> None:
    assert "cannot be decided with four data sets" in page
    assert "0.0833" in page


def test_report_tables_hold_the_numbers_in_points(page: str) -> None:
    assert '<th scope="col">encoding</th>' in page
    assert '<th scope="col">settings</th>' not in page[: page.index("Columns of runs.csv")]  # nothing varies
    row = re.search(r"<tr><td>twin1 \(simulated\)</td><td>markov</td><td>baseline</td>(.*?)</tr>", page)
    assert row is not None
    assert '<td class="number">5.00</td>' in row.group(1)


def test_report_says_what_each_encoding_costs(page: str) -> None:
    """Learnt numbers and, as measured for its length, the time beside none."""
    cost = cost_of("rope", 50)
    assert cost is not None
    row = re.search(r"<tr><td>rope</td><td[^>]*>0</td>.*?</tr>", page)
    assert row is not None
    assert re.findall(r">([0-9.]+)<", row.group())[:3] == ["0", f"{cost.step:.2f}", f"{cost.request:.2f}"]


def test_report_refuses_figures_of_another_state(rendered: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, study = rendered
    monkeypatch.chdir(folder)
    drawn = analysis_files(study)["figures"][0]
    content = drawn.read_bytes()
    drawn.write_bytes(content + b" ")
    with pytest.raises(DataError, match="posrec figures"):
        write.write_report(study)
    drawn.write_bytes(content)


def test_real_data_are_not_called_simulated(here: Path) -> None:
    study = made_up.make_study()
    made_up.write_study(study, made_up.plain_score, simulated=False)
    built = build.build_tables(study)
    assert "simulated" not in wording.caption(_figure("stability"), built)
    assert answer.answers(built)[0][0] == "twin1"


def test_answer_by_hand(here: Path) -> None:
    study = made_up.make_study()
    made_up.write_study(
        study, lambda cell, seed: made_up.plain_score(cell, seed) + (0.002 * seed if cell.encoding == "rope" else 0)
    )
    built = build.build_tables(study)
    [(title, said)] = answer.answers(built)
    assert title == "twin1 (simulated)"
    assert said[0] == "rope has the highest mean NDCG@10 on the full catalogue: 14.40 points over 3 seeds."
    # differences 4.2, 4.4, 4.6: sd .2; t of two comparisons that share seeds is below t(1 - .05 / 4, 2) = 6.205
    assert said[1] == (
        "Against none on the same seeds: 4.40 points (95 % interval [3.76, 5.04], together for all 2 comparisons with "
        "none). It is ahead of none by more than the margin of 0.20 points."
    )
    assert said[2] == "Behind it by more than the margin: abs."
    assert "chance 1.00, popularity 3.00, month popularity 3.20, markov 5.00 and item_knn 4.00" in " ".join(said)
    assert "cannot be tested on one data set" in summary.summary(built)[-1]


def test_the_summary_counts_the_words_of_the_rule(here: Path) -> None:
    study = made_up.make_study()
    made_up.write_study(
        study, lambda cell, seed: made_up.plain_score(cell, seed) + (0.002 * seed if cell.encoding == "rope" else 0)
    )
    leads = summary.summary(build.build_tables(study))[1]
    assert leads.startswith("Of 2 comparisons with none: 2 ahead.")
    assert "from 2 % of the mean of none on (at least 0.1 points), a ratio of spreads from 1.5 on" in leads


def test_the_best_encoding_is_counted_only_where_all_ran(here: Path) -> None:
    """On the second data set rope did not run, so that none is best there says nothing about rope."""
    only = [{"dataset": "twin1"}, {"dataset": "twin2", "encoding": ["none", "abs"]}]
    study = made_up.make_study(2, only=only)
    made_up.write_study(
        study, lambda cell, seed: 0.3 if cell.dataset == "twin2" and cell.encoding == "none" else 0.1 + 0.001 * seed
    )
    for cell in study.cells:
        for seed in cell.seeds if cell.encoding == "rope" else ():
            made_up.write_run(study, cell, seed, made_up.run_record(study, cell, seed, 0.2))
    said = " ".join(summary.summary(build.build_tables(study)))
    expected = "Highest mean NDCG@10 on the full catalogue: rope. Not counted: 1 with scores of only some encodings."
    assert expected in said


def test_answer_where_nothing_beats_a_baseline(here: Path) -> None:
    study = made_up.make_study()
    made_up.write_study(study, lambda cell, seed: made_up.plain_score(cell, seed) / 10)
    built = build.build_tables(study)
    first, *rest = answer.answers(built)[0][1]
    assert first.startswith("No trained model beats item_knn and markov: differences between encodings mean little")
    assert "No trained model beats popularity and month popularity." in " ".join(rest)
    assert summary.summary(built)[:2] == [
        "No trained model beats item_knn on: twin1 (simulated).",
        "No trained model beats markov on: twin1 (simulated).",
    ]


def test_a_best_model_between_the_baselines_loses_to_one(here: Path) -> None:
    """The best mean is 4.4 points: above item_knn's 4, below markov's 5."""
    study = made_up.make_study()
    made_up.write_study(study, lambda cell, seed: 0.03 + made_up.plain_score(cell, seed) / 10)
    said = answer.answers(build.build_tables(study))[0][1]
    assert said[0].startswith("No trained model beats markov: ")


def test_the_answer_names_equivalent_and_open_encodings(here: Path) -> None:
    """With 25 seeds abs is within the margin of rope: take the cheapest; with runs still rising that is open."""
    study = made_up.make_study(seeds=list(range(1, 26)), deviation_seeds=[101, 102, 103])
    levels = {"none": 0.1, "abs": 0.2, "rope": 0.2005}
    made_up.write_study(study, lambda cell, seed: levels[cell.encoding] + 0.0004 * (seed * len(cell.encoding) % 5))
    said = " ".join(answer.answers(build.build_tables(study))[0][1])
    assert "Equivalent to it within the margin: abs. Take the cheapest of these." in said
    abs_ = next(cell for cell in study.cells if cell.encoding == "abs")
    for seed in range(1, 6):
        record = made_up.run_record(study, abs_, seed, 0.2)
        made_up.write_run(study, abs_, seed, {**record, "still_rising": True})
    built = build.build_tables(study)
    said = " ".join(answer.answers(built)[0][1])
    assert "Open against it with these seeds: abs." in said
    assert "5 of 75 runs were still rising when training ended: their final level is unknown (abs 5 of 25)." in said
    row = built["comparisons"].query("encoding == 'abs' and against == 'rope'").iloc[0]
    assert (row["level"], row["level_why"]) == ("open", "5 of 25 runs of abs are still rising")


def test_answer_where_none_is_best(here: Path) -> None:
    study = made_up.make_study()
    made_up.write_study(
        study, lambda cell, seed: 0.3 + seed / 1000 if cell.encoding == "none" else made_up.plain_score(cell, seed)
    )
    said = answer.answers(build.build_tables(study))[0][1]
    assert said[0].startswith("No encoding has a higher mean NDCG@10 (full catalogue) than none")


@pytest.mark.parametrize(("level", "shown"), [(0.0, {"markov"}), (0.5, set())])
def test_the_legend_names_the_baselines_that_are_drawn(here: Path, level: float, shown: set[str]) -> None:
    study = made_up.make_study()
    made_up.write_study(study, lambda cell, seed: made_up.plain_score(cell, seed) + level)
    figure, _ = stability.draw(build.build_tables(study))
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    assert labels & {"chance", "markov"} == shown


def test_a_single_encoding_is_not_called_the_best(here: Path) -> None:
    study = made_up.make_study(encodings=["learnt"], deviation_seeds=[])
    made_up.write_study(study, made_up.plain_score)
    built = build.build_tables(study)
    said = answer.answers(built)[0][1]
    assert said[0].startswith("Only learnt has scores here: mean NDCG@10 on the full catalogue ")
    assert said[1].startswith("Its spread over seeds (standard deviation ")
    assert built["datasets"]["best_encoding"].isna().all()
    assert built["datasets"]["steadiest_encoding"].isna().all()
    assert "nothing to compare" in summary.summary(built)[0]


def test_a_study_without_any_finished_run_still_reports(here: Path) -> None:
    study = made_up.make_study(encodings=["none", "rope"])
    made_up.write_study(study, made_up.plain_score)
    for cell in study.cells:
        for seed in cell.seeds:
            made_up.write_run(study, cell, seed, made_up.failed_record(study, cell, seed))
    draw.write_figures(study)
    write.write_report(study)
    page = analysis_files(study)["report"][0].read_text()
    assert "No run finished: there is nothing to compare" in page
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]+|<script>.*</script>", "", page, flags=re.DOTALL))


def test_levels_only(here: Path) -> None:
    study = made_up.make_study(report={"stability": False, "title": "<Levels> & more"}, seeds=[1])
    made_up.write_study(study, made_up.plain_score)
    draw.write_figures(study)
    write.write_report(study)
    page = analysis_files(study)["report"][0].read_text()
    assert "&lt;Levels&gt; &amp; more" in page
    assert "no spread over seeds is shown" in wording.caption(_figure("spread"), build.build_tables(study))
    assert "(sd " not in page
    curves = pd.read_csv(analysis_files(study)["figures"][0].parent / "learning_curves.csv")
    assert "low_points" not in curves.columns


def test_curve_band_by_hand() -> None:
    long, short = pd.Series([1.0, 2, 3, 4], index=[1, 2, 3, 4]), pd.Series([3.0, 4], index=[1, 2])
    gone = pd.Series([5.0], index=[1])
    band = learning_curves.curve_band([long, short, gone, pd.Series(dtype=float)])
    assert list(band["epoch"]) == [1, 2]  # from epoch 3 on one of three trains
    assert list(band["seeds"]) == [3, 2]
    np.testing.assert_allclose(band["mean_points"], [3, 3])
    np.testing.assert_allclose(band["low_points"], [1, 2])
    np.testing.assert_allclose(band["high_points"], [5, 4])
    assert learning_curves.curve_band([]).empty

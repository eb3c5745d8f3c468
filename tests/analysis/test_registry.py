"""The registry of figures and tables: what a study is planned to have."""

import subprocess
import sys

import pytest

from posrec.analysis import registry
from posrec.analysis.places import analysis_files
from tests.analysis.made_up import make_study


@pytest.mark.parametrize("entry", registry.FIGURES, ids=lambda entry: entry.name)
def test_figures_name_what_exists(entry: registry.Figure) -> None:
    module = registry.module_of(entry)
    assert callable(module.draw)
    assert callable(module.caption)


@pytest.mark.parametrize("entry", registry.TABLES, ids=lambda entry: entry.name)
def test_tables_name_what_exists(entry: registry.Table) -> None:
    module = registry.module_of(entry)
    assert callable(module.build)
    assert all(module.COLUMNS.values())


def test_the_workflow_reads_the_registry_without_pandas_or_matplotlib() -> None:
    code = (
        "import sys; from posrec.analysis import places, registry; print({'pandas', 'matplotlib'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "set()"


def test_what_does_not_apply_is_not_planned() -> None:
    one, two = make_study(1), make_study(2)
    assert not {"ranks", "correlation"} & {figure.name for figure in registry.figures(one)}
    assert {"ranks", "correlation"} < {figure.name for figure in registry.figures(two)}
    names = {path.name for path in analysis_files(one)["figures"]}
    assert "spread.svg" in names
    assert "ranks.svg" not in names


def test_a_varied_number_is_found_and_a_switch_is_not_one() -> None:
    study = make_study(model={"upper_bound": [0.1, 1.0, None], "activation": ["leaky", "silu"]})
    assert registry.varied_numbers(study) == ["upper_bound"]
    assert not registry.holds_streams(study)
    held = make_study(training={"held_streams": [{}, {"order": 1}]})
    assert registry.holds_streams(held)
    assert registry.varied_numbers(held) == []


def test_no_figure_has_more_than_twelve_panels_and_larger_ones_have_pages() -> None:
    study = make_study(13, protocols=["sound", "sound_last"])
    pages = {entry.name: list(entry.pages(study)) for entry in registry.figures(study)}
    assert [name for name, _ in pages["stability"]] == ["stability", "stability-2", "stability-3"]  # 26 cases
    assert pages["stability"][1][1] == slice(12, 24)
    assert len(pages["data"]) == 7  # two data sets of five panels each
    assert len(pages["protocols"]) == 3  # 13 data sets of two panels each
    assert pages["leads"][0][0] == "leads"
    assert all(
        entry.panels * (part.stop - part.start) <= 12
        for entry in registry.figures(study)
        for _, part in entry.pages(study)
    )

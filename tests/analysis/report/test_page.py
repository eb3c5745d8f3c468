"""The report in a real headless Chromium, at the width of a desk and of a phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from posrec.analysis import registry
from posrec.analysis.places import analysis_files
from posrec.plan import ids
from posrec.study.study import Study
from tests.analysis.report.browser import CHROMIUM, Browser

PHONE, DESK = 390, 1280
Rendered = tuple[Path, Study]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM: no chromium here; `apt-get install chromium`")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this file."""
    with Browser() as found:
        yield found


@pytest.fixture(params=[PHONE, DESK])
def page(request: pytest.FixtureRequest, browser: Browser, rendered: Rendered) -> Browser:
    folder, study = rendered
    browser.open(folder / analysis_files(study)["report"][0], request.param)
    return browser


def test_no_complaint_and_nothing_from_the_network(page: Browser) -> None:
    assert page.complaints() == []
    assert [url for url in page.requested() if not url.endswith("/report.html")] == []


def test_every_figure_is_shown(page: Browser, rendered: Rendered) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    widths = page.evaluate("[...document.querySelectorAll('figure svg')].map(s => s.getBoundingClientRect().width)")
    assert len(widths) == len([name for entry in registry.figures(rendered[1]) for name in entry.pages(rendered[1])])
    assert min(widths) > 300


def test_a_table_sorts_and_filters(page: Browser) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    table = "[...document.querySelectorAll('.table')].find(t => t.innerText.includes('learnt parameters'))"
    column = f"[...{table}.querySelectorAll('tbody tr')].filter(r => !r.hidden).map(r => r.cells[0].textContent)"
    before = page.evaluate(column)
    page.evaluate(f"{table}.querySelector('th').click()")
    assert page.evaluate(column) == sorted(before)
    page.evaluate(f"{table}.querySelector('th').click()")
    assert page.evaluate(column) == sorted(before, reverse=True)
    page.evaluate(
        f"(b => {{ b.value = 'ROPE'; b.dispatchEvent(new Event('input')); }})({table}.querySelector('input'))"
    )
    assert page.evaluate(column) == ["rope"]


def test_late_columns_open_with_more(page: Browser) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    wide = "[...document.querySelectorAll('.table')].find(t => t.querySelector('th.more'))"
    shown = f"[...{wide}.querySelectorAll('th')].filter(h => getComputedStyle(h).display != 'none').length"
    assert page.evaluate(shown) == 9
    page.evaluate(f"{wide}.querySelector('[type=checkbox]').click()")
    assert page.evaluate(shown) > 9


def test_a_link_to_a_folded_section_opens_it(page: Browser) -> None:
    page.evaluate("location.hash = '#tables'")
    page.evaluate("new Promise(done => setTimeout(() => done(0), 50))")
    assert page.evaluate("document.querySelector('#tables details').open")


def test_links_lead_somewhere(page: Browser) -> None:
    links = page.evaluate("[...document.links].map(a => a.getAttribute('href'))")
    inside = [link for link in links if link.startswith("#")]
    assert len(inside) > 5
    for link in inside:
        assert page.evaluate(f"(document.querySelector('{link}')?.textContent ?? '').length > 20"), link


def test_the_numbers_behind_a_figure_are_in_the_page(page: Browser, rendered: Rendered) -> None:
    folder, study = rendered
    for entry in registry.figures(study):
        link = f"document.querySelector('#figure-{entry.name} figcaption a').href"
        text = page.evaluate(f"fetch({link}).then(answer => answer.text())")
        assert text == (folder / ids.STUDIES / study.name / "figures" / f"{entry.name}.csv").read_text()


def test_the_page_is_no_wider_than_its_window(page: Browser) -> None:
    """Tables, figures, code and the navigation scroll inside themselves; nothing else reaches beyond the window."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    beyond = "e.getBoundingClientRect().right > document.documentElement.clientWidth + 1"
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    inside = "e.closest('.wide, pre, nav')"
    found = f"[...document.querySelectorAll('body *')].filter(e => !{inside} && {beyond}).map(e => e.outerHTML)"
    assert page.evaluate(found) == []


def test_text_is_large_enough_to_read(page: Browser) -> None:
    sizes = "[...document.querySelectorAll('p, li, dd, td')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    assert page.evaluate(f"Math.min(...{sizes})") >= 13


def test_a_figure_can_be_enlarged(page: Browser) -> None:
    width = "document.querySelector('#figure-levels svg').getBoundingClientRect().width"
    before = page.evaluate(width)
    page.evaluate("document.querySelector('#figure-levels input').click()")
    assert page.evaluate(width) > 1.5 * before
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

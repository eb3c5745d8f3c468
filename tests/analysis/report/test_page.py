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
    shown = page.evaluate(
        "Promise.all([...document.images].map(i => i.decode().then(() => [i.naturalWidth > 100, i.width > 100])))"
    )
    assert shown == [[True, True]] * len(registry.figures(rendered[1]))


def test_links_lead_somewhere(page: Browser) -> None:
    links = page.evaluate("[...document.links].map(a => a.getAttribute('href'))")
    inside = [link for link in links if link.startswith("#")]
    assert len(inside) > 5
    for link in inside:
        assert page.evaluate(f"(document.querySelector('{link}')?.innerText ?? '').length > 20"), link


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
    inside = "e.closest('.wide, pre, nav')"
    found = f"[...document.querySelectorAll('body *')].filter(e => !{inside} && {beyond}).map(e => e.outerHTML)"
    assert page.evaluate(found) == []


def test_text_is_large_enough_to_read(page: Browser) -> None:
    sizes = "[...document.querySelectorAll('p, li, dd, td')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    assert page.evaluate(f"Math.min(...{sizes})") >= 13


def test_a_figure_can_be_enlarged(page: Browser) -> None:
    width = "document.querySelector('#figure-levels img').getBoundingClientRect().width"
    before = page.evaluate(width)
    page.evaluate("document.querySelector('#figure-levels input').click()")
    assert page.evaluate(width) > 1.5 * before
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

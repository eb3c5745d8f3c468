"""`--scenarios FILE` writes the table of what the tests of the workflow did (see tests/ledger.py)."""

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from posrec.files import write_text

from . import ledger

# Before torch is imported: tiny models gain nothing from threads, which wait for each other on a loaded machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

hypothesis.settings.register_profile("untimed", deadline=None)  # a loaded machine is no error
hypothesis.settings.load_profile("untimed")

pytest_plugins = ["tests.workflow.fixtures"]
ROWS = pytest.StashKey[list[ledger.Row]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scenarios", type=Path, help="write the table of scenarios to this file; with -k some rows")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    ledger.STEPS.clear()  # what the fixtures did belongs to no scenario
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    ledger.STEPS.clear()  # of the one before: a scenario that is skipped at its start did nothing
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if item.get_closest_marker("workflow") and (report.when == "call" or (report.when == "setup" and report.skipped)):
        item.config.stash[ROWS].append(ledger.Row(_group(item), _name(item), list(ledger.STEPS), _outcome(report)))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    path, rows = session.config.getoption("--scenarios"), session.config.stash[ROWS]
    if path and rows:
        some = session.config.getoption("keyword") and path.exists()
        write_text(path, ledger.document(rows, path.read_text() if some else ""))


def _group(item: pytest.Item) -> str:
    module = item.getparent(pytest.Module)
    text = (module.obj.__doc__ or "") if module else ""
    return str(text).strip().splitlines()[0].rstrip(".")


def _name(item: pytest.Item) -> str:
    name = getattr(item, "originalname", item.name).removeprefix("test_").replace("_", " ")
    case = item.name.partition("[")[2].rstrip("]")
    return f"{name} ({case})" if case and len(case) < 40 else name


def _outcome(report: pytest.TestReport) -> str:
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        return reason.replace("Skipped: ", "not run: ")
    return "passed" if report.passed else "FAILED"

"""The test bed: real PostgreSQL with its two roles, real workers, a real browser."""

from collections.abc import Generator, Iterator

import pytest
from django.core.cache import cache

# Files that take minutes begin first, those that mostly wait before those that work: whatever is
# begun last keeps one process busy while the others are done.
LONG = (
    "tests/local/",
    "tests/automations/test_schedule_workers.py",
    "tests/automations/test_watchdog.py",
    "tests/automations/test_workers.py",
    "tests/chaos/",
    "tests/attacks/test_authorisation.py",
    "tests/attacks/",
    "tests/browser/",
)
pytest_plugins = [
    "tests.bed.databases",
    "tests.bed.people",
    "tests.bed.workers",
    "tests.bed.fakes",
    "tests.bed.listeners",
    "tests.bed.browsers",
    "tests.bed.requirement_marks",
]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first."""

    def place(item: pytest.Item) -> int:
        starts = (at for at, start in enumerate(LONG) if item.nodeid.startswith(start))
        return next(starts, len(LONG))

    items.sort(key=place)


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Let no test see what an earlier one's database said: people have the same ids in each."""
    yield
    cache.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let fixtures see how their test went (`request.node.rep_call`)."""
    report = yield
    setattr(item, f"rep_{report.when}", report)
    return report

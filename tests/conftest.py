"""The test bed: real PostgreSQL with its two roles, real workers, a real browser."""

from collections.abc import Generator

import pytest

pytest_plugins = [
    "tests.bed.databases",
    "tests.bed.people",
    "tests.bed.workers",
    "tests.bed.fakes",
    "tests.bed.listeners",
    "tests.bed.browsers",
    "tests.bed.requirement_marks",
]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let fixtures see how their test went (`request.node.rep_call`)."""
    report = yield
    setattr(item, f"rep_{report.when}", report)
    return report

"""Keeps which requirements each run has proven, and how long each part of the tests took."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath

import pytest

from config.requirements import Result, read_table, write_results

PROPERTY = "requirement"
PARTS = {
    "browser": "browser",
    "journeys": "journeys",
    "local": "commands",
    "bed": "test bed",
    "chaos": "chaos",
}

_outcomes: dict[str, str] = {}
_requirements: dict[str, tuple[str, ...]] = {}
_seconds: dict[str, float] = defaultdict(float)
_tests: dict[str, set[str]] = defaultdict(set)


def refuse_unknown(item: str, keys: tuple[object, ...], known: set[str]) -> None:
    """Raise pytest's UsageError when a mark names no row of docs/requirements.md."""
    for key in keys or ("nothing",):
        if key not in known:
            raise pytest.UsageError(f"{item} is marked requirement({key!r}): there is no such row.")


def part_of(test: str) -> str:
    """The part of the tests that a test belongs to, by its folder."""
    folders = PurePosixPath(test.partition("::")[0]).parts
    return PARTS.get(folders[1] if len(folders) > 1 else "", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    known = set(read_table())
    for item in items:
        for mark in item.iter_markers("requirement"):
            refuse_unknown(item.nodeid, mark.args, known)
            # A report carries these from a parallel worker to the one that writes.
            item.user_properties.extend((PROPERTY, key) for key in mark.args)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    test = report.nodeid
    part = part_of(test)
    _seconds[part] += report.duration
    _tests[part].add(test)
    keys = tuple(str(value) for name, value in report.user_properties if name == PROPERTY)
    if keys:
        _requirements[test] = keys
        before = _outcomes.get(test, "passed")
        _outcomes[test] = before if report.outcome == "passed" else report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput") and not session.config.option.collectonly:
        write_results(Result(test, _requirements[test], _outcomes[test]) for test in _requirements)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for part in sorted(_seconds, key=lambda name: -_seconds[name]):
        terminalreporter.write_line(f"{part}: {len(_tests[part])} tests in {_seconds[part]:.1f} s")

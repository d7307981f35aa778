"""`make requirements`: which rows of docs/requirements.md the last test run has proven.

A test names the rows that it proves (`@pytest.mark.requirement("R94")`); each run of the tests
writes what it saw to var/requirements.json.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "requirements.md"
RESULTS = ROOT / "var" / "requirements.json"
ROW = re.compile(r"\|\s*(R\d+)\s*\|([^|]*)\|([^|]*)\|(.*)\|\s*([^|]+?)\s*\|\s*$")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row of the table."""

    key: str
    capability: str
    app: str
    works_when: str
    when: str


@dataclass(frozen=True, slots=True)
class Result:
    """What one test proved in the last run: the rows it names, and whether it passed."""

    test: str
    requirements: tuple[str, ...]
    outcome: str


def read_table(path: Path = TABLE) -> dict[str, Requirement]:
    """The rows of docs/requirements.md by their key, in order."""
    rows = (ROW.match(line) for line in path.read_text().splitlines())
    found = [Requirement(*(part.strip() for part in row.groups())) for row in rows if row]
    return {row.key: row for row in found}


def write_results(results: Iterable[Result], path: Path = RESULTS) -> None:
    """Keep what a run of the tests saw."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"test": each.test, "requirements": list(each.requirements), "outcome": each.outcome}
        for each in sorted(results, key=lambda each: each.test)
    ]
    path.write_text(json.dumps(rows, indent=1) + "\n")


def read_results(path: Path = RESULTS) -> list[Result]:
    rows = json.loads(path.read_text())
    return [Result(row["test"], tuple(row["requirements"]), row["outcome"]) for row in rows]


def report(table: dict[str, Requirement], results: Iterable[Result]) -> list[str]:
    """A line per row with the tests that prove it. A row with a failing test is not proven."""
    passed: dict[str, list[str]] = defaultdict(list)
    broken: dict[str, list[str]] = defaultdict(list)
    for result in results:
        for key in result.requirements:
            (passed if result.outcome == "passed" else broken)[key].append(result.test)
    lines, proven = [], 0
    for row in table.values():
        works = bool(passed[row.key]) and not broken[row.key]
        proven += works
        word = "proven" if works else "BROKEN" if broken[row.key] else "-"
        lines.append(f"{row.key:<5} {word:<7} {row.capability} ({row.app}, {row.when})")
        lines += [f"      {'':<7} {test}" for test in passed[row.key]]
        lines += [f"      {'':<7} not passed: {test}" for test in broken[row.key]]
    core = sum(row.when == "core" for row in table.values())
    lines.append(f"\n{proven} of {len(table)} rows proven ({core} of them core).")
    return lines


def main() -> int:
    if not RESULTS.exists():
        sys.stderr.write("No test has run here yet: run `make test` first.\n")
        return 1
    sys.stdout.write("\n".join(report(read_table(), read_results())) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

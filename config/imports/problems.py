"""What is wrong with a file, said so that the person who has the file can mend it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from backoffice.workbench.export import quoted


class Problem(NamedTuple):
    """One thing wrong with one value. `line` counts the file's lines from 1, the header included.

    `column` is empty when the whole line is meant; `says` ends with what to do.
    """

    line: int
    column: str
    value: str
    says: str


class UnreadableFile(Exception):
    """The file can't be read as the named format at all; the message says what to do."""


class BadValue(Exception):
    """One value can't be read; the message says why and what to do."""


def write_problems(problems: Iterable[Problem], path: Path) -> None:
    """Write the row-by-row error report as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "column", "value", "problem"])
        # What is wrong may be a formula, and is opened in a spreadsheet all the same.
        writer.writerows([line, *map(quoted, texts)] for line, *texts in problems)

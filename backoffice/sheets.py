"""CSV files that people upload: read as spreadsheets write them, refused where one would guess."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

MOST_ROWS = 5_000
MOST_BYTES = 2_000_000
# How spreadsheets keep a number from losing its zeros: ="00341".
_GUARDED = re.compile(r'="([^"=]*)"')
_LOST_DIGITS = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
# A spreadsheet would run it; a plus or a minus may stand before a number.
FORMULA = ("=", "@")


class SheetRefused(Exception):
    """The file can't be read as a whole; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number in the file, and its cells by the name of their column."""

    number: int
    cells: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.cells.get(name, "")


class Line(Protocol):
    """One thing that a file asks for. `problem` says why it can't be done; empty: it can."""

    problem: str


Asked = TypeVar("Asked", bound=Line)


@dataclass(slots=True)
class Sheet(Generic[Asked]):
    """A file as it was understood."""

    lines: list[Asked] = field(default_factory=list)

    @property
    def good(self) -> list[Asked]:
        return [line for line in self.lines if not line.problem]

    @property
    def bad(self) -> list[Asked]:
        return [line for line in self.lines if line.problem]


def read_sheet(raw: bytes, columns: Mapping[str, Sequence[str]]) -> tuple[set[str], list[Row]]:
    """The columns that were found, and the rows that hold anything; raises SheetRefused.

    `columns` maps each name to the spellings its head may have.
    """
    if len(raw) > MOST_BYTES:
        raise SheetRefused("The file is larger than 2 MB. Split it.")
    text = _decoded(raw)
    head, _, _ = text.lstrip().partition("\n")
    mark = max(",;\t", key=head.count)
    lines = csv.reader(io.StringIO(text.replace("\x00", "")), delimiter=mark)
    try:
        names = _columns(next(lines, []), columns)
        rows = [
            Row(number, {name: _cell(line, at) for name, at in names.items()})
            for number, line in enumerate(lines, 2)
            if any(map(str.strip, line))
        ]
    except csv.Error as error:
        raise SheetRefused(f"The file is no CSV: {error}.") from error
    if len(rows) > MOST_ROWS:
        raise SheetRefused(f"The file has more than {MOST_ROWS:,} rows. Split it.")
    return set(names), rows


def _decoded(raw: bytes) -> str:
    """UTF-8, or the UTF-16 of a spreadsheet's “Unicode text”; nothing is guessed."""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SheetRefused(
            f"Line {line} is not written in UTF-8, so letters would be guessed at. "
            "Save the file as “CSV UTF-8” and choose it again."
        ) from error


def _columns(head: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> dict[str, int]:
    words = [" ".join(cell.replace("_", " ").lower().split()) for cell in head]
    return {
        name: words.index(spelling)
        for name, spellings in wanted.items()
        for spelling in reversed(spellings)
        if spelling in words
    }


def _cell(line: Sequence[str], at: int) -> str:
    text = line[at].strip() if at < len(line) else ""
    guarded = _GUARDED.fullmatch(text)
    return guarded[1] if guarded else text


def suspicious(text: str) -> str:
    """What is wrong with a number or a note as a spreadsheet wrote it; empty when nothing is."""
    if text[:1] in FORMULA:
        return "Begins like a formula. Write the number itself."
    if _LOST_DIGITS.fullmatch(text):
        return f"“{text}”: the spreadsheet dropped digits. Format the column as text."
    return ""

"""Tables of text, as files and paper print them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table: `key` names its file, `note` says what to know before reading it."""

    key: str
    title: str
    columns: Sequence[str]
    rows: list[list[str]]
    note: str = ""


def text(value: Any) -> str:
    """A value as it stands in a cell: ISO times in UTC, yes and no, nothing for None."""
    said = str(value)
    match value:
        case None:
            said = ""
        case bool():
            said = "yes" if value else "no"
        case datetime():
            said = value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case date():
            said = value.isoformat()
        case Decimal():
            said = format(value, "f")
        case dict() | list():
            said = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return said


def sheet(
    key: str, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], note: str = ""
) -> Sheet:
    return Sheet(key, title, columns, [[text(cell) for cell in row] for row in rows], note)

"""Small files in the Online Retail format."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

HEADER = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
UK = "United Kingdom"

Line = Sequence[object]


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


# Every kind of line and of invoice: see README.md beside it.
STORY: list[Line] = [
    (*row[:3], int(row[3]), *row[4:]) for row in _rows(Path(__file__).with_name("story.csv"))
]


def as_text(lines: Sequence[Line], header: Sequence[str] = HEADER) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return out.getvalue()


def write(
    folder: Path,
    lines: Sequence[Line] = STORY,
    *,
    name: str = "orders.csv",
    encoding: str = "utf-8",
) -> Path:
    """Write a file; a name ending in .gz packs it."""
    data = as_text(lines).encode(encoding)
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path

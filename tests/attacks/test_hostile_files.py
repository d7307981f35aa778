"""Files that no shop exports: told what is wrong with them, nothing loaded, memory kept."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from orders.models.orders import Order
from tests.imports.files import HEADER, UK, as_text

pytestmark = pytest.mark.django_db

GOOD = ("536365", "85123A", "HEART", 6, "2010-12-01 08:26:00", "2.55", "17850", UK)
HEAD = ",".join(HEADER)
MEGABYTES = 200


def line(**changes: object) -> str:
    """A line of the file with some columns changed."""
    values = dict(zip(HEADER, GOOD, strict=True))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow({**values, **changes}.values())
    return out.getvalue()


def broken(column: str) -> bytes:
    """A line with a byte in a column that is no UTF-8."""
    return f"{HEAD}\n{line(**{column: '@'})}".encode().replace(b"@", b"\xff")


DEAR = line(UnitPrice="999999999999.9999", Quantity=999999999)
FILES: dict[str, bytes] = {
    "nothing but lines": b"\n\n\n\n",
    "only commas": b",,,,,,,\n",
    "null characters": f"{HEAD}\n{line(StockCode='A' + chr(0))}".encode(),
    "null bytes alone": b"\0" * 4096,
    "a binary": bytes(range(256)) * 50,
    "half a character in a code": broken("StockCode"),
    "half a character in a country": broken("Country"),
    "a quote that never closes": f'{HEAD}\n536365,"85123A,HEART'.encode(),
    "a cut gzip": gzip.compress(as_text([GOOD] * 2000).encode())[:-20],
    "a gzip of nothing": gzip.compress(b""),
    "the first day": f"{HEAD}\n{line(InvoiceDate='0001-01-01 00:00:00')}".encode(),
    "the last day": f"{HEAD}\n{line(InvoiceDate='9999-12-31 23:59:59')}".encode(),
    "a price of letters": f"{HEAD}\n{line(UnitPrice='NaN')}".encode(),
    "a price without end": f"{HEAD}\n{line(UnitPrice='Infinity')}".encode(),
    "a price of floats": f"{HEAD}\n{line(UnitPrice='1e5')}".encode(),
    "more than money has": f"{HEAD}\n{DEAR}".encode(),
    "a quantity without end": f"{HEAD}\n{line(Quantity='9' * 5000)}".encode(),
    "a long field": f"{HEAD}\n{line(Description='x' * 400_000)}".encode(),
    "a long line": f"{HEAD}\n".encode() + b"x," * 2_000_000,
    "many columns": (",".join(["a"] * 50_000) + "\n").encode(),
    "a path as a number": f"{HEAD}\n{line(InvoiceNo='../../x')}".encode(),
}  # fmt: skip


def load(folder: Path, data: bytes, name: str = "orders.csv") -> None:
    path = folder / name
    path.write_bytes(data)
    call_command(
        "import_orders",
        str(path),
        format="online-retail",
        reports=folder / "reports",
        stdout=io.StringIO(),
        stderr=io.StringIO(),
    )


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_a_file_that_is_wrong_is_told_so_and_nothing_is_loaded(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CommandError):
        load(tmp_path, data)
    assert not Order.objects.exists()


def test_a_small_file_that_unpacks_without_a_line_end_keeps_memory(tmp_path: Path) -> None:
    packed = tmp_path / "bomb.gz"
    with gzip.open(packed, "wb") as file:
        file.write(HEAD.encode() + b"\n")
        for _ in range(MEGABYTES):
            file.write(b"0" * 1_000_000)
    assert packed.stat().st_size < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(CommandError, match="line"):
            load(tmp_path, packed.read_bytes(), "orders.csv")
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    assert not Order.objects.exists()


def test_the_list_of_what_is_wrong_holds_no_formula(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        load(tmp_path, f"{HEAD}\n{line(Quantity='=1+1')}".encode())
    (errors,) = (tmp_path / "reports").glob("*errors.csv")
    cells = [cell for row in csv.reader(errors.read_text().splitlines()) for cell in row]
    assert "'=1+1" in cells
    assert not any(cell.startswith(("=", "@", "\t")) for cell in cells)

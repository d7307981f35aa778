"""What the database already knows that the plan of a file depends on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F

from config.imports.online_retail.classify import Document, Kind
from config.imports.online_retail.match import Open, Sold
from config.imports.online_retail.openings import Change
from config.imports.online_retail.parse import FORMAT
from config.imports.online_retail.plan import Known
from config.models import ImportedDocument, ImportJob
from orders.models.orders import OrderLine

# What a line had left when this file's job began: its own returns do not count.
_RETURNED_BY_OTHERS = """
SELECT r.order_line_id, sum(r.quantity) FROM orders_returnline r
WHERE r.order_line_id = ANY(%s) AND NOT EXISTS (
    SELECT FROM roof_importeddocument d
    WHERE d.job_id = %s AND d.format = r.source_kind
        AND split_part(d.number, '-', 1) = r.source_document)
GROUP BY r.order_line_id
"""
_MOVES = """
SELECT s.code, m.occurred_at, CASE WHEN m.to_location_id = %s THEN m.quantity ELSE -m.quantity END
FROM inventory_stockmove m JOIN inventory_sku s ON s.id = m.sku_id
WHERE s.code = ANY(%s) AND %s IN (m.from_location_id, m.to_location_id)
"""


def base_number(number: str) -> str:
    """The invoice that `536365-2` brings lines of."""
    return number.split("-")[0]


def known_documents(job: ImportJob) -> tuple[dict[str, Known], set[str]]:
    """What other files brought, by invoice; and the numbers that this file's runs have loaded."""
    mine: set[str] = set()
    others: dict[str, Known] = defaultdict(Known)
    rows = ImportedDocument.objects.filter(format=FORMAT).order_by("pk")
    for job_id, number, lines in rows.values_list("job_id", "number", "lines").iterator():
        if job_id == job.pk:
            mine.add(number)
            continue
        known = others[base_number(number)]
        known.parts += 1
        known.lines |= {place: seen for place, seen in enumerate(lines, 1) if seen}
    return dict(others), mine


def open_lines(documents: Sequence[Document], job: ImportJob, mine: Iterable[str]) -> Open:
    """What the customers of these credits have left from orders that other files brought."""
    customers = {
        document.customer
        for document in documents
        if document.kind is Kind.CREDIT and document.customer
    }
    lines = list(
        OrderLine.objects.filter(
            order__customer__number__in=customers,
            source_kind=FORMAT,
            kind=OrderLine.Kind.STOCK,
            quantity_shipped__gt=0,
        )
        .exclude(order__number__in=set(mine))
        .annotate(customer=F("order__customer__number"), code=F("sku__code"))
        .order_by("order__placed_at", "order_id", "position")
        .values_list(
            "pk", "customer", "code", "source_document", "source_row", "quantity_shipped",
            "order__placed_at",
        )
    )  # fmt: skip
    returned = _returned_by_others([line[0] for line in lines], job)
    shift = timedelta(seconds=job.shift_seconds)
    sold: Open = defaultdict(list)
    for pk, customer, code, document, row, shipped, at in lines:
        left = shipped - returned.get(pk, 0)
        sold[customer, code].append(Sold(document, row or 0, left, at - shift))
    return sold


def _returned_by_others(line_ids: list[int], job: ImportJob) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(_RETURNED_BY_OTHERS, [line_ids, job.pk])
        return dict(cursor.fetchall())


def stock_changes(
    codes: Iterable[str], location_id: int, job: ImportJob
) -> dict[str, list[Change]]:
    """What moves at one location have done so far, by code, in the file's time."""
    shift = timedelta(seconds=job.shift_seconds)
    held: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_MOVES, [location_id, list(codes), location_id])
        for code, at, change in cursor.fetchall():
            held[code].append((at - shift, change))
    return held


def lines_by_source(sources: Iterable[tuple[str, int]]) -> dict[tuple[str, int], OrderLine]:
    """Imported order lines by invoice and place."""
    wanted = set(sources)
    rows = OrderLine.objects.filter(
        source_kind=FORMAT,
        source_document__in={number for number, _ in wanted},
        source_row__in={row for _, row in wanted},
    ).select_related("order__channel")
    by_source = {(line.source_document, line.source_row or 0): line for line in rows}
    return {source: by_source[source] for source in wanted}

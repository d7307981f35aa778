"""A list as CSV: every row of the view, streamed, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone

from backoffice.workbench.bench import order_by
from backoffice.workbench.listing import Listing

BATCH = 500
# A spreadsheet runs a cell that starts like this as a formula.
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


class Echo:
    """Where the csv writer puts a line, so that it can be streamed."""

    def write(self, text: str) -> str:
        return text


def quoted(text: str) -> str:
    """Text that no spreadsheet runs as a formula; plain numbers stay numbers."""
    if text.startswith(DANGEROUS) and not _is_number(text):
        return f"'{text}"
    return text


def _is_number(text: str) -> bool:
    return text[0] in "+-" and text[1:].replace(".", "", 1).isdecimal()


def lines(listing: Listing[Any]) -> Iterator[str]:
    """The head, then each row of the view in its order, then how many rows these were."""
    writer = csv.writer(Echo())
    columns = listing.columns
    yield writer.writerow([label for column in columns for label in column.export_labels])
    count = 0
    keys = list(order_by(listing.matching, listing.ordering).values_list("pk", flat=True))
    for start in range(0, len(keys), BATCH):
        for record in _records(listing, keys[start : start + BATCH]):
            cells = [cell for column in columns for cell in column.exported(record)]
            yield writer.writerow([quoted(cell) for cell in cells])
            count += 1
    yield writer.writerow([f"{count} row{'' if count == 1 else 's'}"])


def _records(listing: Listing[Any], keys: Sequence[Any]) -> list[Any]:
    rows = listing.base.model._default_manager.filter(pk__in=keys)
    if listing.bench.decorate is not None:
        rows = listing.bench.decorate(rows)
    by_key = {row.pk: row for row in rows}
    return [by_key[key] for key in keys if key in by_key]


def csv_response(listing: Listing[Any]) -> StreamingHttpResponse:
    """The file as a download, named after the list and the day."""
    response = StreamingHttpResponse(lines(listing), content_type="text/csv; charset=utf-8")
    name = f"{listing.bench.key.replace('.', '-')}-{timezone.localdate().isoformat()}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response

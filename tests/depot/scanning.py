"""Parcels that schedules go over."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from django.db import connection
from django.db.models import QuerySet, Value
from django.db.models.functions import NullIf

from automations.triggers import Scan, scans
from tests.depot.models import Parcel
from tests.depot.payloads import ParcelArrived, payload


@scans.register
class Parcels(Scan):
    key = subject = "depot.parcel"
    label = "Parcels"
    example = "Every parcel there is."
    customer = "parcel.sender"
    payload_class = ParcelArrived
    columns = {
        "parcel.number": "number",
        "parcel.total": ("total", "currency"),
        "parcel.country": "country",
        "parcel.carrier": "known_carrier",
        "parcel.tags": "tags",
    }

    def rows(self) -> QuerySet[Parcel]:
        # Long enough, where a test asks for it, to be killed in the middle of a page.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(%s)", [os.environ.get("ROWS_SECONDS", "0")])
        known = NullIf("carrier", Value(""))
        return Parcel.objects.annotate(currency=Value("GBP"), known_carrier=known)

    def current(self, ids: Iterable[int]) -> Mapping[int, ParcelArrived]:
        # Long enough, where a test asks for it, to be killed in the middle of a page.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(%s)", [os.environ.get("SCAN_PAGE_SECONDS", "0")])
        return {parcel.pk: payload(parcel) for parcel in Parcel.objects.filter(pk__in=set(ids))}

"""Customers of the demonstration company: a few who are here twice, segments, a yes and a no."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backoffice.actors import HOUSE, outside
from config.demo.slice import customer
from orders.models.customers import Customer
from orders.models.segments import Segment
from orders.services.customers import CustomerEdit, NewCustomer, add_customers, edit_customer
from orders.services.merging import merge_customers
from orders.services.segments import write_segment
from support.models import ConsentEvent
from support.services.consent import record_consent

SHOP = outside("Web shop")
_TWICE = 4
_ASKED = 30
# The number that HM Revenue & Customs gives as an example of its form.
_VAT_ID = "GB980780684"


def _over(amount: str) -> dict[str, Any]:
    value = {"amount": amount, "currency": "GBP"}
    return {"all": [{"field": "customer.spend_90_days", "op": "gt", "value": value}]}


SEGMENTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Over 500 in three months", "Whom we call before the season begins.", _over("500")),
    (
        "Nothing for six months",
        "Bought before, and not lately.",
        {
            "all": [
                {"field": "customer.orders", "op": "gte", "value": 1},
                {"field": "customer.last_order_at", "op": "older_than", "value": "P182D"},
            ]
        },
    ),
    (
        "Sends a lot back",
        "One order in three comes back, of three or more.",
        {
            "all": [
                {"field": "customer.orders", "op": "gte", "value": 3},
                {"field": "customer.return_rate", "op": "gte", "value": "33"},
            ]
        },
    ),
)


def make_customers() -> None:
    """Add what a company's customers bring along; a repeat adds nothing."""
    if Segment.objects.exists():
        return
    known = list(Customer.objects.exclude(email="").order_by("-orders_count", "pk")[:_ASKED])
    _here_twice(known[: _TWICE + 1])
    _companies(known)
    for place, each in enumerate(known):
        record_consent(
            each.pk,
            medium="mail",
            purpose="marketing",
            given=place % 5 != 0,
            source=ConsentEvent.Source.CHECKOUT,
            wording="2026-03",
            actor=SHOP,
        )
    for name, about, condition in SEGMENTS:
        write_segment(name, condition, about=about, actor=HOUSE)


def _here_twice(known: list[Customer]) -> None:
    """Guests who are customers already; one of them is merged, the others wait for somebody."""
    guests = [
        NewCustomer(
            f"G-{each.number}",
            name=each.name,
            email=each.email,
            country=each.country,
            postcode=customer(each.number, each.country).postcode,
        )
        for each in known
    ]
    made = add_customers(guests)
    if known:
        merge_customers(known[0].pk, made[f"G-{known[0].number}"].pk, actor=HOUSE)


def _companies(known: list[Customer]) -> None:
    for each in known:
        if each.kind == Customer.Kind.COMPANY and each.country == "GB":
            now = CustomerEdit(
                name=each.name,
                email=each.email,
                country=each.country,
                postcode=each.postcode,
                kind=each.kind,
            )
            edit_customer(each.pk, replace(now, vat_id=_VAT_ID), version=None, actor=SHOP)
            return

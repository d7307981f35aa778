"""A rule on orders, and a few weeks of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from automations.models.documents import Document
from automations.models.rules import Draft, Rule
from automations.rules.library import rule_template
from automations.services import approvals, rules
from backoffice.actors import person
from backoffice.models import User
from orders.models.orders import Order
from orders.services.drafts import Address
from tests.automations import factories as engine
from tests.bed.evidence import gather
from tests.inventory.factories import make_sku
from tests.orders.factories import line, make_channel, pay, place, place_history

# Total and country of each; three are of £500.00 or more and go abroad.
ORDERS = [
    ("640.00", "FR"),
    ("500.00", "DE"),
    ("499.99", "FR"),
    ("900.00", "GB"),
    ("20.00", "GB"),
    ("1250.50", "US"),
    ("75.00", "IE"),
]


def some_orders() -> list[Order]:
    """One order a day, as ORDERS says, the newest yesterday."""
    channel = make_channel(ships_unpaid=True)
    sku = make_sku(stock=50)
    now = timezone.now()
    return [
        place_history(
            line(sku, 1, total),
            channel=channel,
            ship_to=Address(name="Grace Holloway", country=country),
            shipped_at=now - timedelta(days=days),
        )
        for days, (total, country) in enumerate(ORDERS, 1)
    ]


def make_rule(owner: User, key: str = "high-value-abroad", **changes: Any) -> Rule:
    """A rule from a template."""
    chosen = rule_template(key)
    assert chosen is not None
    return rules.create_rule(
        name=changes.get("name", chosen.name),
        domain=chosen.domain,
        body=changes.get("body", chosen.body),
        purpose=chosen.purpose,
        fallback=changes.get("fallback", chosen.fallback),
        actor=person(owner),
    )


def submitted(owner: User, **changes: Any) -> Document:
    """A version of such a rule that waits for approval."""
    rule = make_rule(owner, **changes)
    revision = Draft.objects.get(rule=rule).revision
    document = rules.submit_rule(
        rule.pk, revision=revision, why="Too many slip by.", actor=person(owner)
    )
    gather(document)
    return document


def post(client: Client, url: str, **data: Any) -> Any:
    return client.post(url, data, headers={"HX-Request": "true"})


def make_live(rule: Rule) -> Document:
    """A version of it in force."""
    document = engine.submit(rule)
    approver = engine.approver(document)
    approvals.approve(document.pk, sha256=document.sha256, actor=person(approver), comment="")
    return document


def some_live_orders() -> list[Order]:
    """Two that have waited for three days since they were paid, one that was paid just now."""
    make_channel()
    sku = make_sku(stock=20)
    orders = [pay(place(line(sku, 1, "80.00"))) for _ in range(3)]
    ids = [order.pk for order in orders[:2]]
    Order.objects.filter(pk__in=ids).update(paid_at=timezone.now() - timedelta(days=3))
    return orders

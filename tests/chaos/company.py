"""The rules under test and what they act on, made through the same services as everything else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils import timezone

from automations.models.connectors import ConnectorAccount
from automations.models.rules import Rule
from backoffice.actors import importer
from config.imports.online_retail.run import open_company
from inventory.services.moves import receive_stock
from inventory.services.skus import NewSku, add_skus
from inventory.services.writing import Moving
from orders.models.channels import Channel
from orders.services.drafts import Address, NewLine, NewOrder
from support.models import Queue
from tests.automations import factories as make
from tests.automations import lines
from tests.chaos import times

CHAOS = importer("chaos")
SKU = "CHAOS-1"
STOCK = 10_000_000
# By the carrier of its parcel: which rule starts on it, besides "tag", which starts on all.
KINDS = ("tag", "wait", "look", "blind", "stop")
# The tags that each rule puts on a parcel, by the uid of the step.
TAGS: dict[str, dict[str, str]] = {
    "tag": {"a1": "tag-1"},
    "wait": {"a1": "wait-1", "a2": "wait-2"},
    "look": {"a2": "look-2"},
    "blind": {"a2": "blind-2"},
    "stop": {"a1": "stop-1"},
    "ticket": {},
}
# Slow between the change and its commit, so that a kill finds work in hand.
DOES = {"tag": "depot.slow_tag"}
CALLS = {"look": "a1", "blind": "a1"}


@dataclass(frozen=True, slots=True)
class Company:
    """What a run works with: rules and accounts by their name here, the channel of its orders."""

    rules: dict[str, int]
    lanes: dict[str, str]
    prefixes: dict[str, str]
    channel: Channel | None = None


def found(
    outside: str, *, names: tuple[str, ...] = (*KINDS, "ticket"), wait: str = "PT2S", **scope: Any
) -> Company:
    """Make the rules of these names live, calling the system at this address."""
    accounts = {name: _account(name, outside, **scope) for name in names if name in CALLS}
    channel = _shop() if "ticket" in names else None
    return Company(
        {name: _rule(name, accounts.get(name), wait).pk for name in names},
        {name: account.key for name, account in accounts.items()},
        {name: account.prefix for name, account in accounts.items()},
        channel,
    )


def _account(name: str, outside: str, **scope: Any) -> ConnectorAccount:
    given = {"connect_seconds": 1, "total_seconds": times.CALL_SECONDS, "cap": 8, **scope}
    if name == "look":
        given |= lines.LOOK_UP
    account: ConnectorAccount = lines.web_account(outside, name=name.title(), **given)
    return account


def _rule(name: str, account: ConnectorAccount | None, wait: str) -> Rule:
    if name == "ticket":
        steps = [{"uid": "a1", "do": "support.open_ticket", "with": _ticket()}]
        trigger, clauses = "orders.order_placed", []
    else:
        steps, trigger = _steps(name, account, wait), "depot.parcel_arrived"
        clauses = [{"field": "parcel.carrier", "op": "is", "value": name}]
    return make.live_rule(
        name=name,
        trigger={"on": trigger},
        when={"all": clauses if name != "tag" else []},
        steps=steps,
    )


def _steps(name: str, account: ConnectorAccount | None, wait: str) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [
        {"uid": uid, "do": DOES.get(name, "depot.add_tag"), "with": {"tag": tag}}
        for uid, tag in TAGS[name].items()
    ]
    if name == "wait":
        steps.insert(1, {"uid": "w1", "wait": wait})
    if account is not None:
        body = json.dumps({"number": {"field": "parcel.number"}})
        steps.insert(0, lines.call_step(account, path=f"/{name}", body=body))
    return steps


def _ticket() -> dict[str, Any]:
    return {
        "queue": "chaos",
        "priority": "normal",
        "subject": "Look at this order",
        "message": "Placed just now.",
    }


def _shop() -> Channel:
    """A channel with stock that no run exhausts, and the queue that tickets go to."""
    channel = open_company("Chaos Ltd")
    sku = add_skus([NewSku(SKU, "Thing")], actor=CHAOS)[SKU]
    arrived = Moving("chaos:stock", sku.pk, channel.location_id, STOCK, timezone.now())
    receive_stock([arrived], actor=CHAOS, history=True)
    Queue.objects.get_or_create(slug="chaos", defaults={"name": "Chaos"})
    return channel


def order(channel: Channel, number: str) -> NewOrder:
    """An order of two pieces, by the shop's number."""
    return NewOrder(
        channel,
        (NewLine(quantity=2, unit_price=Decimal("9.50"), sku=SKU),),
        external_id=number,
        ship_to=Address(name="Customer", city="Town", country="GB"),
    )

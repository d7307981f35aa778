"""Sources with a secret and a mapping, and messages signed as their senders sign."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from django.test import Client

from automations.engine.take import take_batch
from automations.intake import door, sources
from automations.intake.signatures import SCHEMES, digest, meta
from automations.models.intake import Delivery, IntakeSource
from automations.services import intake
from backoffice.actors import person
from tests.automations import factories as make

SECRET = "whsec_dGhlLXNlY3JldC1vZi10aGUtdGVzdHMtMTIz"
PAYLOADS = Path(__file__).parent / "payloads"
PARCEL = {
    "order": {"at": "data.order"},
    "state": {"at": "data.status", "values": {"in_transit": "moving", "delivered": "delivered"}},
    "tracking": {"at": "data.tracking"},
    "happened_at": {"at": "data.at"},
}
REPORT = {
    "reference": {"at": "data.id"},
    "state": {"at": "data.status", "values": {"open": "open", "done": "closed"}},
    "amount.amount": {"at": "data.amount", "minor": True},
    "amount.currency": {"at": "data.currency"},
    "happened_at": {"at": "data.at"},
}


def administrator() -> Any:
    return person(make.staff("administrator", "keeper"))


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def source(scheme: str = "standard", *, secret: str = SECRET, **given: Any) -> IntakeSource:
    """An open source with a secret."""
    name = given.pop("name", "Web shop")
    made = intake.create_source(name=name, scheme=scheme, actor=administrator(), **given)
    intake.store_secret(made.pk, value=secret, actor=administrator())
    sources.forget()
    return made


def read(
    made: IntakeSource,
    mapping: dict[str, Any] | None = None,
    *,
    topic: str = "",
    feed: str = "automations.report_received",
) -> None:
    intake.set_route(
        made.pk, topic=topic, feed=feed, mapping=mapping or REPORT, actor=administrator()
    )


def message(own_id: str = "msg_1", topic: str = "thing.changed", **data: Any) -> dict[str, Any]:
    """A message as Standard Webhooks has them, with the fields that REPORT names."""
    given = {
        "id": "R-1",
        "status": "open",
        "amount": 1050,
        "currency": "gbp",
        "at": "2026-11-20T10:00:00Z",
    }
    return {"type": topic, "data": {**given, **data}}


def signed(
    body: bytes,
    scheme: str = "standard",
    *,
    own_id: str = "msg_1",
    topic: str = "",
    secret: str = SECRET,
    at: int | None = None,
) -> dict[str, str]:
    """The headers of a genuine message."""
    known, now = SCHEMES[scheme], str(int(time.time()) if at is None else at)
    if scheme == "standard":
        mac = digest(known, secret, f"{own_id}.{now}.".encode() + body)
        given = {
            "webhook-id": own_id,
            "webhook-timestamp": now,
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        }
    elif scheme == "stripe":
        mac = digest(known, secret, f"{now}.".encode() + body)
        given = {"Stripe-Signature": f"t={now},v1={mac.hex()}"}
    else:
        mac = digest(known, secret, body)
        in_hex = scheme in ("hex", "easypost")
        text = mac.hex() if in_hex else base64.b64encode(mac).decode()
        given = {known.header: known.prefix + text}
        for where, value in ((known.id_at, own_id), (known.topic_at, topic)):
            if where.startswith("header:"):
                given[where.removeprefix("header:")] = value
    return given


def post(made: IntakeSource | str, body: bytes, headers: dict[str, str], **given: Any) -> Any:
    key = made if isinstance(made, str) else made.key
    extra = {meta(name): value for name, value in headers.items()}
    client = Client(raise_request_exception=True)
    return client.post(
        door.address(key), body, **{"content_type": "application/json", **extra, **given}
    )


def send(
    made: IntakeSource, content: Any, scheme: str = "standard", **signing: Any
) -> Delivery | None:
    """Send a genuine message; the newest delivery of the source."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = post(made, body, signed(body, scheme, **signing))
    assert answer.status_code == 200, answer.content
    return Delivery.objects.filter(source=made).order_by("-pk").first()


def take_all() -> None:
    while take_batch():
        pass


def states() -> dict[str, str]:
    """What became of each delivery, by its own id."""
    return dict(Delivery.objects.values_list("external_id", "state"))

"""What people see of webhooks, and what they do about them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from automations.intake import sources
from automations.models.failures import Failure
from automations.models.intake import Delivery, IntakeRoute, IntakeSecret, IntakeSource
from tests.intake import factories as hooks

pytestmark = pytest.mark.django_db


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_an_administrator_makes_a_source_stores_its_secret_and_says_how_a_topic_is_read(
    administrator_client: Client,
) -> None:
    made = administrator_client.post(
        "/intake/sources/_/new/",
        {"name": "Returns portal", "scheme": "standard", "tolerance_seconds": 300},
    )
    source = IntakeSource.objects.get()
    assert made["Location"] == f"/intake/sources/{source.key}/"
    page = text(administrator_client.get(made["Location"]))
    assert "Nothing is accepted before a signing secret is stored" in page
    assert f"http://testserver/hooks/{source.key}/" in page
    stored = administrator_client.post(
        f"/intake/sources/{source.key}/_/secret/", {"value": hooks.SECRET, "overlap": "24"}
    )
    assert stored.status_code == 302
    assert hooks.SECRET not in text(administrator_client.get(made["Location"]))
    sources.forget()
    hooks.send(source, hooks.message())
    assert "thing.changed (1)" in text(administrator_client.get(made["Location"]))
    asked = administrator_client.post(
        f"/intake/sources/{source.key}/_/topic/",
        {"topic": "thing.changed", "feed": "automations.report_received"},
    )
    assert asked.status_code == 302
    given = {
        "at_reference": "data.id",
        "at_state": "data.status",
        "values_state": "open = Open\nended=Over",
        "at_amount__amount": "data.amount",
        "minor_amount__amount": "on",
        "at_amount__currency": "=GBP",
    }
    tried = text(administrator_client.post(asked["Location"], {**given, "try": "yes"}))
    assert "£10.50" in tried or "10.50" in tried
    assert not IntakeRoute.objects.exists()
    assert administrator_client.post(asked["Location"], given).status_code == 302
    route = IntakeRoute.objects.get()
    assert route.mapping == {
        "reference": {"at": "data.id"},
        "state": {"at": "data.status", "values": {"open": "Open", "ended": "Over"}},
        "amount.amount": {"at": "data.amount", "minor": True},
        "amount.currency": {"is": "GBP"},
    }
    assert "open = Open" in text(administrator_client.get(asked["Location"]))


def test_a_mapping_that_does_not_fit_says_so_at_its_field_and_changes_nothing(
    administrator_client: Client,
) -> None:
    source = hooks.source()
    address = f"/intake/sources/{source.key}/feeds/orders.order_reported/?topic=x"
    answer = administrator_client.post(
        address,
        {"at_order": "data.order", "at_state": "=exploded", "at_amount__amount": "data.amount"},
    )
    assert answer.status_code == 422
    page = text(answer)
    assert "“exploded” is none of" in page
    assert "An amount needs its currency" in page
    assert not IntakeRoute.objects.exists()


@pytest.mark.requirement("R23")
def test_a_person_mends_the_mapping_and_has_what_was_held_read_again(
    administrator_client: Client,
) -> None:
    source = hooks.source()
    hooks.read(source)
    delivery = hooks.send(source, hooks.message(status="paused", name="Grace Holloway"))
    assert delivery is not None
    hooks.take_all()
    held = text(administrator_client.get("/intake/?view=held"))
    assert f"/intake/{delivery.pk}/" in held
    page = text(administrator_client.get(f"/intake/{delivery.pk}/"))
    assert "Nobody said what “paused” means" in page
    assert "paused" in page
    assert "Grace" not in page
    assert "text of 14" in page
    assert "Mend how it is read" in page
    case = Failure.objects.get()
    assert "paused" in text(administrator_client.get(f"/failures/{case.pk}/"))
    hooks.read(source, {**hooks.REPORT, "state": {"at": "data.status"}})
    assert administrator_client.post(f"/intake/{delivery.pk}/_/replay/").status_code == 302
    hooks.take_all()
    page = text(administrator_client.get(f"/intake/{delivery.pk}/"))
    assert "Report from a system outside" in page
    assert "no rule in force matched it" in page
    assert "Read it again…" not in page


def test_several_are_read_again_at_once_and_one_that_was_taken_is_left_alone(
    administrator_client: Client,
) -> None:
    source = hooks.source()
    hooks.read(source)
    hooks.send(source, hooks.message(), own_id="taken")
    hooks.take_all()
    for number in range(2):
        hooks.send(source, b"no json %d" % number, own_id=f"held{number}")
    hooks.take_all()
    ids = list(Delivery.objects.values_list("pk", flat=True))
    answer = administrator_client.post(
        "/intake/_/bulk/intake.replay/", {"ids": ",".join(map(str, ids)), "back": "/intake/"}
    )
    assert answer.status_code in (200, 204), text(answer)
    states = dict(Delivery.objects.values_list("external_id", "state"))
    assert states == {"taken": "taken", "held0": "waiting", "held1": "waiting"}


def test_a_delivery_is_put_away_with_a_reason(operations_client: Client) -> None:
    source = hooks.source()
    hooks.read(source)
    delivery = hooks.send(source, b"no json")
    assert delivery is not None
    hooks.take_all()
    address = f"/intake/{delivery.pk}/_/drop/"
    assert operations_client.post(address, {}).status_code == 422
    assert operations_client.post(address, {"why": "Their test."}).status_code == 302
    delivery.refresh_from_db()
    assert (delivery.state, delivery.says) == ("dropped", "Their test.")


def test_a_source_is_closed_and_opened_and_a_secret_ended(administrator_client: Client) -> None:
    source = hooks.source()
    where = f"/intake/sources/{source.key}"
    for _ in range(2):
        administrator_client.post(f"{where}/_/switch/?to=closed")
        source.refresh_from_db()
        assert source.is_open is False
    administrator_client.post(f"{where}/_/switch/?to=open")
    secret = IntakeSecret.objects.get()
    administrator_client.post(f"{where}/_/secret/{secret.pk}/end/")
    secret.refresh_from_db()
    assert secret.ends_at is not None
    page = text(administrator_client.get(f"{where}/"))
    assert "ended a secret" in page
    stale = administrator_client.post(
        f"{where}/_/change/", {"name": "Other", "tolerance_seconds": 60, "version": 1}
    )
    assert stale.status_code == 422
    source.refresh_from_db()
    assert source.name == "Web shop"


@pytest.mark.parametrize("path", ["secret", "change", "topic", "switch"])
def test_only_an_administrator_changes_a_source(operations_client: Client, path: str) -> None:
    source = hooks.source()
    answer = operations_client.post(f"/intake/sources/{source.key}/_/{path}/", {"value": "x" * 20})
    assert answer.status_code == 403
    assert IntakeSecret.objects.count() == 1

"""Where webhooks arrive: what is stored, and what is refused with nothing stored."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from automations.intake import door, sources, storing
from automations.models.intake import Delivery, IntakeSecret
from automations.services import intake
from automations.services.errors import NotPossible
from backoffice.models import AuditEntry
from config.hooks import Waker, waker
from tests.intake import factories as hooks

pytestmark = pytest.mark.django_db
BODY = json.dumps(hooks.message()).encode()


@pytest.mark.requirement("R21")
def test_what_nobody_with_the_secret_signed_is_refused_and_nothing_is_stored() -> None:
    source = hooks.source()
    genuine = hooks.signed(BODY)
    for headers, body in (
        ({}, BODY),
        ({**genuine, "webhook-signature": "v1,AAAA"}, BODY),
        (genuine, BODY.replace(b"1050", b"9050")),
        ({**genuine, "webhook-id": "msg_2"}, BODY),
        (hooks.signed(BODY, at=int(time.time()) - 400), BODY),
        (hooks.signed(BODY, secret="whsec_YW5vdGhlci1zZWNyZXQtZW50aXJlbHk="), BODY),
    ):
        answer = hooks.post(source, body, headers)
        assert answer.status_code == 401
        assert b"signature" in answer.content
    assert not Delivery.objects.exists()


@pytest.mark.requirement("R21")
def test_the_same_delivery_twice_is_stored_once_and_both_are_told_it_arrived() -> None:
    source = hooks.source()
    assert hooks.send(source, BODY) == hooks.send(source, BODY)
    # Signed anew at another time, as a sender does that tries again.
    hooks.send(source, BODY, at=int(time.time()) - 60)
    row = Delivery.objects.get()
    assert (row.external_id, row.topic, bytes(row.body or b"")) == ("msg_1", "thing.changed", BODY)
    hooks.send(source, BODY, own_id="msg_2")
    assert Delivery.objects.count() == 2


@pytest.mark.requirement("R21")
def test_where_the_id_is_not_signed_the_same_content_under_a_new_one_is_a_repeat() -> None:
    source = hooks.source("shopify", secret="a-secret-of-the-shop")
    signing: dict[str, Any] = {"topic": "orders/create", "secret": "a-secret-of-the-shop"}
    content = hooks.payload("shopify-orders-create")
    for own_id in ("one", "two"):
        hooks.send(source, content, "shopify", own_id=own_id, **signing)
    row = Delivery.objects.get()
    assert (row.external_id, row.topic, row.is_id_signed) == ("one", "orders/create", False)


def test_two_sources_may_use_the_same_id() -> None:
    for name in ("One", "Other"):
        hooks.send(hooks.source(name=name), BODY)
    assert Delivery.objects.count() == 2


def test_a_message_without_an_id_is_known_by_its_content() -> None:
    source = hooks.source("hex", header="X-Hub-Signature-256", lead="sha256=")
    mac = hooks.signed(BODY, "hex")["X-Signature"]
    for _ in range(2):
        answer = hooks.post(source, BODY, {"X-Hub-Signature-256": f"sha256={mac}"})
        assert answer.status_code == 200
    assert Delivery.objects.get().external_id.startswith("sha256:")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "multipart/form-data; boundary=x"}, 415),
        ({"CONTENT_LENGTH": str(door.MOST_BYTES + 1)}, 413),
        ({"CONTENT_LENGTH": "0"}, 411),
        ({"CONTENT_LENGTH": "x"}, 411),
    ],
)
def test_what_is_no_small_json_is_refused_before_it_is_read(
    given: dict[str, str], status: int
) -> None:
    source = hooks.source()
    assert hooks.post(source, BODY, hooks.signed(BODY), **given).status_code == status
    assert not Delivery.objects.exists()


def test_only_post_is_answered_and_no_page_stands_there(client: Any) -> None:
    source = hooks.source()
    answer = client.get(door.address(source.key))
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_a_source_that_is_closed_unknown_or_without_a_secret_is_answered_alike() -> None:
    source, closed = hooks.source(), hooks.source(name="Closed")
    intake.set_open(closed.pk, is_open=False, actor=hooks.administrator())
    bare = intake.create_source(name="Bare", scheme="standard", actor=hooks.administrator())
    sources.forget()
    forged = hooks.post(source, BODY, {**hooks.signed(BODY), "webhook-id": "other"})
    for key in (closed.key, bare.key, "nobody", "../etc/passwd", "a/b", ""):
        answer = hooks.post(key, BODY, hooks.signed(BODY))
        assert (answer.status_code, answer.content) == (401, forged.content), key
    assert not Delivery.objects.exists()


def test_a_secret_is_rotated_with_both_accepted_until_the_old_one_ends() -> None:
    source, keeper = hooks.source(), hooks.administrator()
    new = "whsec_dGhlLW5ldy1zZWNyZXQtb2YtdGhlLXRlc3RzLTk5"
    intake.store_secret(source.pk, value=new, overlap=timedelta(hours=1), actor=keeper)
    sources.forget()
    old = IntakeSecret.objects.order_by("pk")[0]
    assert old.ends_at is not None
    hooks.send(source, BODY, own_id="by_old")
    hooks.send(source, BODY, own_id="by_new", secret=new)
    intake.end_secret(old.pk, actor=keeper)
    sources.forget()
    assert hooks.post(source, BODY, hooks.signed(BODY, own_id="late")).status_code == 401
    hooks.send(source, BODY, own_id="by_new_2", secret=new)
    assert Delivery.objects.count() == 3
    with pytest.raises(NotPossible, match="ended already"):
        intake.end_secret(old.pk, actor=keeper)
    said = json.dumps([*AuditEntry.objects.values_list("verb", "detail")])
    assert hooks.SECRET not in said
    assert new not in said
    assert new not in IntakeSecret.objects.order_by("-pk")[0].sealed


def test_a_delivery_that_can_not_be_committed_is_asked_for_again() -> None:
    source = hooks.source()
    hooks.send(source, BODY, own_id="before")
    with patch.object(storing, "connection") as broken:
        broken.cursor.side_effect = OperationalError("away")
        answer = hooks.post(source, BODY, hooks.signed(BODY))
    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert Delivery.objects.count() == 1


def test_one_delivery_takes_one_statement_and_no_session_or_person() -> None:
    source = hooks.source()
    hooks.send(source, BODY, own_id="warm")
    with CaptureQueriesContext(connection) as seen, patch.object(waker, "ask") as woken:
        answer = hooks.post(source, BODY, hooks.signed(BODY))
    assert [query["sql"].split()[0] for query in seen.captured_queries] == ["INSERT"]
    assert not answer.cookies
    woken.assert_called_once_with()


def test_a_second_delivery_wakes_nobody() -> None:
    source = hooks.source()
    hooks.send(source, BODY)
    with patch.object(waker, "ask") as woken:
        hooks.send(source, BODY)
    woken.assert_not_called()


def test_a_body_in_which_the_id_is_no_text_is_known_by_its_content() -> None:
    source = hooks.source("stripe", secret="whsec_of_the_payments")
    for content in (b'{"id": {"a": 1}, "type": ["x"]}', b"[1]", b"no json", b'{"id": "\\u0000"}'):
        hooks.send(source, content, "stripe", secret="whsec_of_the_payments")
    ids = Delivery.objects.values_list("external_id", flat=True)
    assert all(each.startswith("sha256:") for each in ids)
    assert len(ids) == 4


def test_webhooks_that_come_together_share_wake_ups_and_the_last_is_never_missed() -> None:
    sent: list[float] = []
    own = Waker()
    with patch("config.hooks.wake.send", lambda stage: sent.append(time.monotonic())):
        for _ in range(200):
            own.ask()
        asked_last = time.monotonic()
        until = asked_last + 10
        while time.monotonic() < until and not (sent and sent[-1] >= asked_last):
            time.sleep(0.01)
    assert sent[-1] >= asked_last
    assert len(sent) < 100

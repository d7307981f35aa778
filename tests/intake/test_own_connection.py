"""The door keeps connections of its own, and answers before Django does."""

from __future__ import annotations

import io
import json
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection

from automations.intake import door
from automations.models.intake import Delivery
from config import hooks as front
from tests.intake import factories as hooks

pytestmark = pytest.mark.usefixtures("committed_db")
BODY = json.dumps(hooks.message()).encode()
DOORS = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%%INSERT INTO automations_delivery%%'"
END = f"SELECT pg_terminate_backend(pid) FROM ({DOORS} AND pid <> pg_backend_pid()) AS door"


def _end_the_doors_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(END)
        return len(cursor.fetchall())


def _served(path: str, body: bytes, headers: dict[str, str]) -> tuple[str, dict[str, str], bytes]:
    """What a web process answers to a POST."""
    told: list[Any] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }
    content = front.before(WSGIHandler())(environ, lambda *given: told.append(given))
    status, named = told[0]
    return status, dict(named), b"".join(content)


@pytest.mark.requirement("R21")
def test_a_connection_that_the_server_ended_costs_no_webhook() -> None:
    source = hooks.source()
    hooks.send(source, BODY, own_id="before")
    assert _end_the_doors_connections() == 1
    with patch.object(front.waker, "ask") as woken:
        hooks.send(source, BODY, own_id="after")
    woken.assert_called_once_with()
    found = Delivery.objects.order_by("pk").values_list("external_id", flat=True)
    assert list(found) == ["before", "after"]


def test_while_postgresql_is_away_the_sender_is_asked_to_send_it_again() -> None:
    source = hooks.source()
    hooks.send(source, BODY, own_id="before")
    _end_the_doors_connections()
    with patch.object(psycopg, "connect", side_effect=psycopg.OperationalError("away")):
        answer = hooks.post(source, BODY, hooks.signed(BODY))
    assert (answer.status_code, answer["Retry-After"]) == (503, "30")
    assert Delivery.objects.count() == 1
    # It does what it was asked to.
    hooks.send(source, BODY)
    assert Delivery.objects.count() == 2


def test_a_webhook_is_stored_for_good_when_it_is_answered_and_a_thread_keeps_its_connection() -> (
    None
):
    source = hooks.source()
    for number in range(3):
        hooks.send(source, BODY, own_id=f"m{number}")
    with connection.cursor() as cursor:
        cursor.execute(DOORS + " AND state = 'idle' AND pid <> pg_backend_pid()")
        assert len(cursor.fetchall()) == 1
    connection.close()
    assert Delivery.objects.count() == 3


def test_a_web_process_answers_webhooks_itself_and_leaves_the_rest_to_django() -> None:
    source = hooks.source()
    status, headers, content = _served(door.address(source.key), BODY, hooks.signed(BODY))
    assert (status, headers["Cache-Control"], content) == ("200 OK", "no-store", b"Received.\n")
    assert connection.connection is None
    assert Delivery.objects.get().external_id == "msg_1"
    refused, _, _ = _served(door.address(source.key), BODY, {})
    assert refused == "401 Unauthorized"
    elsewhere, named, _ = _served("/orders/", BODY, {"host": "localhost"})
    assert elsewhere.startswith(("302", "403"))
    assert "Content-Security-Policy" in named


def test_a_webhook_that_breaks_the_door_is_asked_for_again() -> None:
    source = hooks.source()
    with patch.object(door, "receive", side_effect=RuntimeError("broken")):
        status, _, content = _served(door.address(source.key), BODY, hooks.signed(BODY))
    assert status == "500 Internal Server Error"
    assert b"Send it again" in content
    assert not Delivery.objects.exists()

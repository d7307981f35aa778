"""Log lines: what they carry, what they never carry, and that no text can forge one."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from backoffice import logs
from backoffice.logs import JsonLines, ReadableLines
from backoffice.models import User

Line = Callable[[], dict[str, object]]


def record(
    message: str, *, extra: dict[str, object] | None = None, error: bool = False
) -> logging.LogRecord:
    log = logging.getLogger("tests.lines")
    info = sys.exc_info() if error else None
    return log.makeRecord(log.name, logging.INFO, __file__, 1, message, (), info, extra=extra)


def as_json(
    message: str, *, extra: dict[str, object] | None = None, error: bool = False
) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        JsonLines().format(record(message, extra=extra, error=error))
    )
    return found


def test_a_line_carries_the_ids_that_are_bound_and_the_innermost_counts() -> None:
    with logs.about(lambda: {"request_id": "outer", "user_id": 7}):
        with logs.about(lambda: {"request_id": "inner", "run_id": 4_711_000_003}):
            line = as_json("Tagged", extra={"stage": "execute"})
        after = as_json("Later")
    assert line["run_id"] == 4_711_000_003
    assert (line["request_id"], line["user_id"], line["stage"]) == ("inner", 7, "execute")
    assert after["request_id"] == "outer"
    assert "run_id" not in after
    assert "request_id" not in as_json("Nothing is bound")


def test_a_field_that_is_not_on_the_list_is_never_written() -> None:
    given = {"email": "grace@example.com", "password": "hunter22", "run_id": 5, "request": object()}
    line = as_json("Paid", extra=given)
    assert set(line) == {"time", "level", "logger", "message", "run_id"}
    with logs.about(lambda: {"customer": "Grace Holloway", "rule_id": 3}):
        assert set(as_json("Paid")) == {"time", "level", "logger", "message", "rule_id"}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("could not connect to postgres://app:s3cr3t@db/x", "s3cr3t"),
        ("Authorization: Bearer abc.def-ghi refused", "abc.def-ghi"),
        ("login with password=hunter22 failed", "hunter22"),
        ('{"api_key": "k-12345", "id": 4}', "k-12345"),
        ("no customer grace.holloway@example.co.uk", "grace.holloway"),
        ("duplicate key\nDETAIL:  Key (email)=(g@h.uk, Bath) already exists.", "Bath"),
        ("1 error [type=int, input_value='14 Royal Crescent', input_type=str]", "Royal Crescent"),
    ],
)
def test_what_looks_like_a_secret_or_a_person_is_hidden(text: str, secret: str) -> None:
    assert secret not in str(as_json(text)["message"])
    assert secret not in ReadableLines().format(record(text))
    try:
        raise ValueError(text)
    except ValueError:
        shown = as_json("It broke", error=True)
        assert secret not in str(shown["exception"])
        assert "ValueError" in str(shown["exception"])
        assert secret not in ReadableLines().format(record("It broke", error=True))


@given(st.text())
def test_no_text_can_begin_a_line_of_its_own(text: str) -> None:
    assert len(JsonLines().format(record("%s")).splitlines()) == 1
    shown = record("Order " + text.replace("%", "%%"), extra={"stage": text})
    assert len(JsonLines().format(shown).splitlines()) == 1
    assert len(ReadableLines().format(shown).splitlines()) == 1


def test_a_traceback_is_indented_where_eyes_read_it() -> None:
    try:
        raise ValueError("x\n12:00:00 CRITICAL forged")
    except ValueError:
        first, *rest = ReadableLines().format(record("It broke", error=True)).splitlines()
    assert first.endswith("It broke")
    assert all(line.startswith("    ") for line in rest)


@pytest.mark.django_db
def test_a_request_is_logged_with_its_id_person_and_route_and_without_what_was_searched(
    operations_client: Client, operations_user: User, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "backoffice.middleware"):
        named = {"X-Request-ID": "proxy-0001"}
        answer = operations_client.get("/search/?q=Holloway", headers=named)
        forged = operations_client.get("/me/", headers={"X-Request-ID": "a b\r\nc"})
        missing = operations_client.get("/no/such/page/Holloway")
    assert answer["X-Request-ID"] == "proxy-0001"
    assert len(forged["X-Request-ID"]) == 32
    assert missing.status_code == 404
    assert "Holloway" not in caplog.text.replace("Not Found: /no/such/page/Holloway", "")
    lines = [each for each in caplog.records if each.name == "backoffice.middleware"]
    assert [(each.route, each.status) for each in lines] == [  # type: ignore[attr-defined]
        ("/search/", 200),
        ("/me/", 200),
        ("no such page", 404),
    ]


@pytest.mark.django_db
def test_lines_of_a_request_name_the_person(
    operations_client: Client, operations_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, object]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(json.loads(JsonLines().format(record)))

    handler = Keep()
    log = logging.getLogger("backoffice.middleware")
    log.addHandler(handler)
    try:
        operations_client.get("/me/")
    finally:
        log.removeHandler(handler)
    (line,) = seen
    assert line["user_id"] == operations_user.pk
    assert line["route"] == "/me/"
    assert isinstance(line["request_id"], str)

"""Secrets of connectors: sealed, rotated, each use told, and nowhere to be read."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection

from automations.connectors import accounts, vault
from automations.connectors.accounts import NotReady
from automations.connectors.redaction import excerpt
from automations.models.connectors import CallLog, ConnectorAccount, Secret
from automations.models.documents import Document
from automations.models.failures import Failure
from automations.models.runs import Run
from automations.services import approvals, connectors
from automations.services.errors import NotPossible
from backoffice.actors import Actor, person
from backoffice.models import AuditEntry
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.databases import Database
from tests.bed.fakes import Outside
from tests.bed.people import signed_in

URL = "http://127.0.0.1:9"
GIVEN: dict[str, Any] = {"base": URL, "auth": "none", "per_minute": 600, "burst": 10, "cap": 4}


def finance(name: str = "approver-finance") -> Actor:
    return person(make.staff("finance", name))


def fresh_account() -> ConnectorAccount:
    return connectors.create_account(name="Carrier", kind=lines.WEB, actor=lines.administrator())


def in_force(account: ConnectorAccount) -> dict[str, Any]:
    return dict(accounts.account_of(account.key).scope.model_dump())


# --- secrets ----------------------------------------------------------------------------------

CANARY = "canary-7f3a-secret+/=value"
CANARIES = (CANARY, f'{CANARY}-Ω "quoted"')


@pytest.mark.django_db
@pytest.mark.requirement("R18")
def test_secrets_are_sealed_retired_and_told_only_by_name() -> None:
    account = fresh_account()
    lines.approve_scope(account, **{**GIVEN, "auth": "bearer"})
    keeper = lines.administrator()
    first = connectors.store_secret(account.pk, name="token", value="first-token", actor=keeper)
    assert "first-token" not in first.sealed
    assert accounts.account_of(account.key).secrets["token"].value == "first-token"
    second = connectors.store_secret(account.pk, name="token", value="second-token", actor=keeper)
    assert accounts.account_of(account.key).secrets["token"].id == second.pk
    connectors.retire_secret(second.pk, actor=keeper)
    assert accounts.account_of(account.key).secrets["token"].value == "first-token"
    with pytest.raises(NotPossible, match="already"):
        connectors.retire_secret(second.pk, actor=keeper)
    with pytest.raises(NotPossible, match="no spaces"):
        connectors.store_secret(account.pk, name="token", value="a b\r\nc", actor=keeper)
    with pytest.raises(NotPossible, match="no such secret"):
        connectors.store_secret(account.pk, name="other", value="x", actor=keeper)
    verbs = AuditEntry.objects.filter(verb__startswith="connectors.secret").order_by("id")
    assert [entry.verb for entry in verbs] == [
        "connectors.secret_stored",
        "connectors.secret_stored",
        "connectors.secret_retired",
    ]
    assert "token" in json.dumps(verbs[0].detail)
    assert "first" not in json.dumps([entry.detail for entry in verbs])


@pytest.mark.django_db
def test_a_sealed_secret_opens_only_where_it_belongs() -> None:
    one, other = fresh_account(), fresh_account()
    keeper = lines.administrator()
    secret = connectors.store_secret(one.pk, name="token", value="one-token", actor=keeper)
    with pytest.raises(vault.Unreadable, match="something else"):
        vault.open_sealed(other.key, "token", secret.sealed)
    with pytest.raises(vault.Unreadable, match="something else"):
        vault.open_sealed(one.key, "password", secret.sealed)


@pytest.mark.django_db
def test_rotating_a_secret_is_outside_what_is_approved() -> None:
    account = fresh_account()
    document = lines.submit_scope(account, **GIVEN)
    connectors.store_secret(account.pk, name="token", value="a-token", actor=lines.administrator())
    approvals.approve(document.pk, sha256=document.sha256, actor=finance())
    assert accounts.account_of(account.key).scope.cap == 4


@pytest.mark.django_db
@pytest.mark.requirement("R18")
def test_all_secrets_are_sealed_anew_under_a_new_key(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    account = fresh_account()
    lines.approve_scope(account, **GIVEN)
    connectors.store_secret(account.pk, name="token", value=CANARY, actor=lines.administrator())
    before = Secret.objects.get().sealed
    old, new = settings.SECRETS_KEYS[0], Fernet.generate_key().decode()
    settings.SECRETS_KEYS = [new, old]
    call_command("reseal_secrets")
    said = capsys.readouterr()
    settings.SECRETS_KEYS = [new]
    assert accounts.account_of(account.key).secrets["token"].value == CANARY
    assert Secret.objects.get().sealed != before
    assert CANARY not in said.out + said.err
    settings.SECRETS_KEYS = [old]
    with pytest.raises(NotReady, match="can't be opened"):
        accounts.account_of(account.key)


def _spellings(text: str) -> list[str]:
    plain = text.encode()
    return [
        text,
        quote(text, safe=""),
        json.dumps(text)[1:-1],
        base64.b64encode(plain).decode().rstrip("="),
        base64.b64encode(f"user:{text}".encode()).decode().rstrip("=")[8:-4],
    ]


def _everything_stored() -> Iterator[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            yield table, "\n".join(str(row[0]) for row in cursor.fetchall())


@pytest.mark.requirement("R18")
def test_no_secret_is_in_any_table_log_or_page_whatever_the_other_side_says(
    committed_db: Database, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    account = lines.web_account(
        outside.url, token=CANARY, total_seconds=1, **lines.LOOK_UP, health_path="/health"
    )
    basic = lines.web_account(outside.url, name="Basic", auth="basic", total_seconds=1)
    for name, value in (("user", "user"), ("password", CANARIES[1])):
        connectors.store_secret(basic.pk, name=name, value=value, actor=lines.administrator())
    for canary, caller in zip(CANARIES, (account, basic), strict=True):
        lines.live_caller(caller)
        for behaviour in (
            {"do": "echo"},
            {"do": "status", "status": 422, "body": {"message": f"Bearer {canary} is wrong"}},
            {"do": "status", "status": 500, "body": {"error": canary}},
            {"do": "status", "status": 401, "body": {"error": canary}},
            {"do": "act_then_hang"},
            {"do": "act_then_drop"},
        ):
            outside.behave(behaviour)
            make.parcels_arrived(1)
            lines.work_lanes(account, basic)
    outside.stop()
    make.parcels_arrived(8)
    lines.work_lanes(account, basic)
    assert CallLog.objects.filter(outcome="done", response__id="T-echo").exists()
    used = CallLog.objects.filter(secret_id__isnull=False, sent=True)
    assert used.count() >= 12
    texts = dict(_everything_stored())
    texts["log"] = caplog.text
    texts |= dict(_every_page(account, basic))
    for where, text in texts.items():
        for spelling in (*_spellings(CANARY), *_spellings(CANARIES[1])):
            assert spelling not in text, where


def _every_page(*shown: ConnectorAccount) -> Iterator[tuple[str, str]]:
    client = signed_in(make.staff("administrator", "keeper"))
    pages = ["/connectors/", "/connectors/calls/", "/failures/", "/runs/"]
    pages += [f"/connectors/{account.key}/" for account in shown]
    pages += [f"/connectors/{account.key}/scope/" for account in shown]
    pages += [f"/failures/{pk}/" for pk in Failure.objects.values_list("pk", flat=True)]
    pages += [f"/runs/{pk}/" for pk in Run.objects.values_list("pk", flat=True)]
    pages += [f"/approvals/{pk}/" for pk in Document.objects.values_list("pk", flat=True)]
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200, page
        yield page, answer.content.decode()


def test_an_excerpt_keeps_named_values_only_and_no_secret_in_them() -> None:
    body = json.dumps(
        {
            "id": 7,
            "name": "Jane",
            "error": {"message": f"bad {CANARY}", "code": "x" * 500},
            "list": [{"id": "a"}],
            "status": {"nested": 1},
        }
    ).encode()
    keep = ["id", "error.message", "error.code", "list.0.id", "list.9.id", "status", "none"]
    assert excerpt(body, keep, [CANARY]) == {
        "bytes": len(body),
        "id": 7,
        "error.message": "bad •••",
        "error.code": "x" * 200,
        "list.0.id": "a",
    }
    assert excerpt(b"no json", keep, []) == {"bytes": 7}
    assert excerpt(None, keep, []) == {"bytes": 0}
    assert excerpt(b"[" * 100_000, keep, []) == {"bytes": 100_000}

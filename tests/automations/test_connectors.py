"""Accounts at systems outside: what they may do is approved, what they know stays sealed."""

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
from django.db import InternalError, ProgrammingError, connection, transaction
from django.db.utils import IntegrityError

from automations.connectors import accounts, vault
from automations.connectors.accounts import NotReady
from automations.connectors.redaction import excerpt
from automations.connectors.scope import ScopeInvalid, differences, read_scope
from automations.models.connectors import CallLog, ConnectorAccount, Secret
from automations.models.documents import Activation, Document, DocumentEditor
from automations.models.failures import Failure
from automations.models.runs import Run
from automations.rules.canonical import content_hash
from automations.services import approvals, connectors, doors
from automations.services.errors import NotPossible, Refused
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


# --- four eyes --------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.requirement("R18")
def test_a_scope_acts_when_finance_has_approved_it_and_not_before() -> None:
    account = fresh_account()
    with pytest.raises(NotReady, match="not approved"):
        accounts.account_of(account.key)
    document = lines.submit_scope(account, **GIVEN)
    assert (document.kind, document.key, document.risk) == ("connector", account.key, "money")
    with pytest.raises(NotReady):
        accounts.account_of(account.key)
    for actor in (lines.administrator(), person(make.staff("operations"))):
        with pytest.raises(Refused):
            approvals.approve(document.pk, sha256=document.sha256, actor=actor)
    assert not Activation.objects.filter(kind="connector").exists()
    approvals.approve(document.pk, sha256=document.sha256, actor=finance())
    assert in_force(account)["per_minute"] == 600


@pytest.mark.django_db
def test_whoever_edited_an_earlier_candidate_can_not_approve_what_grew_from_it() -> None:
    account = fresh_account()
    both = person(make.staff("finance", "both"))
    scope = connectors.checked_scope(account, GIVEN)
    connectors.submit_scope(account.pk, scope=scope, why="Mine.", actor=both)
    document = lines.submit_scope(account, **{**GIVEN, "cap": 5})
    assert DocumentEditor.objects.filter(document=document, user_id=doors.person_id(both)).exists()
    with pytest.raises(Refused, match="edited or submitted"):
        approvals.approve(document.pk, sha256=document.sha256, actor=both)
    approvals.approve(document.pk, sha256=document.sha256, actor=finance())
    later = lines.submit_scope(account, **{**GIVEN, "cap": 6})
    assert not DocumentEditor.objects.filter(document=later, user_id=doors.person_id(both)).exists()


@pytest.mark.django_db
def test_tightening_takes_one_person_at_once_and_loosening_two() -> None:
    account = fresh_account()
    live = lines.approve_scope(account, **GIVEN)
    waiting = lines.submit_scope(account, **{**GIVEN, "cap": 9})

    def tighten(live_id: int, **changes: Any) -> Document:
        scope = connectors.checked_scope(account, {**GIVEN, **changes})
        return connectors.tighten_scope(
            account.pk, scope=scope, live_id=live_id, why="Careful.", actor=lines.administrator()
        )

    tight = tighten(live.pk, per_minute=60, cap=2, methods=["POST"])
    assert (in_force(account)["per_minute"], in_force(account)["methods"]) == (60, ["POST"])
    waiting.refresh_from_db()
    assert waiting.state == "withdrawn"
    for looser in (
        {"per_minute": 600, "cap": 2, "methods": ["POST"]},
        {"per_minute": 60, "cap": 2, "methods": ["POST", "PUT"]},
        {"per_minute": 1, "cap": 2, "methods": ["POST"], "base": "http://127.0.0.1:10"},
        {"per_minute": 60, "cap": 2, "methods": ["POST"], "auth": "bearer"},
    ):
        with pytest.raises(NotPossible, match=r"approve|Nothing"):
            tighten(tight.pk, **looser)
    with pytest.raises(Refused, match="changed meanwhile"):
        tighten(live.pk, per_minute=30, cap=2, methods=["POST"])
    assert in_force(account)["per_minute"] == 60
    assert AuditEntry.objects.filter(verb="connectors.tightened").count() == 1


@pytest.mark.django_db
def test_postgresql_itself_refuses_what_is_not_only_tighter() -> None:
    account = fresh_account()
    live = lines.approve_scope(account, **GIVEN)
    before = json.loads(live.text)
    changes: list[dict[str, Any]] = [
        {"per_minute": 601},
        {"cap": 5},
        {"methods": ["GET", "POST", "PUT"]},
        {"methods": []},
        {"base": "https://evil.example.com"},
        {"per_minute": "1"},
        {"keep": [*before["keep"], "secret"]},
        {},
    ]
    for change in changes:
        text = json.dumps({**before, **change}, sort_keys=True, separators=(",", ":"))
        digest = content_hash(text, live.pins, {})
        with pytest.raises(Refused, match="not only tighter"):
            doors.call(
                "tighten_document",
                account.key,
                live.pk,
                text,
                digest,
                "x",
                lines.administrator().user_id,
            )
    assert in_force(account) == read_scope(before).model_dump()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO automations_activation (kind, key, document_id, activated_by_id) "
        "SELECT 'connector', key, id, author_id FROM automations_document WHERE kind = 'connector'",
        "UPDATE automations_document SET text = replace(text, '600', '9999')",
        "UPDATE automations_activation SET until_at = now()",
        "DELETE FROM automations_calllog",
        "UPDATE automations_calllog SET says = ''",
        "UPDATE automations_secret SET account_id = account_id + 1",
        "UPDATE automations_secret SET name = 'other'",
    ],
)
def test_the_application_can_not_get_round_it_in_sql(sql: str) -> None:
    account = fresh_account()
    lines.approve_scope(account, **GIVEN)
    connectors.store_secret(
        account.pk, name="token", value="a-token-of-old", actor=lines.administrator()
    )
    CallLog.objects.create(
        account=account,
        purpose="call",
        method="GET",
        host="x",
        took_ms=1,
        sent=True,
        outcome="done",
    )
    refused = (ProgrammingError, InternalError, IntegrityError)
    with pytest.raises(refused), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.django_db
def test_a_scope_of_lower_risk_or_of_no_connector_is_refused() -> None:
    account = fresh_account()
    scope = connectors.checked_scope(account, GIVEN).canonical()
    person_id = doors.person_id(lines.administrator())
    for key, risk in ((account.key, "none"), ("nobody", "money")):
        digest = content_hash(scope, [], {})
        with pytest.raises(Refused, match="finance decides"):
            doors.call(
                "submit_document",
                *("connector", key, None, scope, [], digest, risk, "x"),
                *(person_id, person_id, None),
            )
    assert not Document.objects.filter(kind="connector").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base", "http://example.com"),
        ("base", "https://10.0.0.1"),
        ("base", "https://user@example.com"),
        ("base", "https://example.com/?a=b"),
        ("methods", []),
        ("methods", ["TRACE"]),
        ("per_minute", 0),
        ("cap", 65),
        ("total_seconds", 31),
        ("auth", "header"),
        ("look_up_path", "/things"),
        ("look_up_path", "/../{key}"),
        ("health_path", "health"),
    ],
)
def test_a_scope_that_makes_no_sense_is_told_at_its_field(field: str, value: Any) -> None:
    account = fresh_account()
    with pytest.raises(ScopeInvalid) as raised:
        connectors.checked_scope(account, {**GIVEN, field: value})
    assert {field, "auth_header"} & set(raised.value.errors)
    assert not Document.objects.exists()


@pytest.mark.django_db
def test_the_difference_of_two_scopes_is_told_in_words() -> None:
    account = fresh_account()
    before = connectors.checked_scope(account, GIVEN)
    after = connectors.checked_scope(account, {**GIVEN, "cap": 8, **lines.LOOK_UP})
    assert [change.sentence for change in differences(before, after)] == [
        "Under way at once: 4 calls → 8 calls",
        "Looks up by our reference: GET /things?reference={key}, there when data.0.id is",
        "Not there after 15 minutes: a person decides",
    ]


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

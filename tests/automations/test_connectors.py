"""Accounts at systems outside: what they may do is approved, what they know stays sealed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import InternalError, ProgrammingError, connection, transaction
from django.db.utils import IntegrityError

from automations.connectors import accounts
from automations.connectors.accounts import NotReady
from automations.connectors.scope import ScopeInvalid, differences, read_scope
from automations.models.connectors import CallLog, ConnectorAccount
from automations.models.documents import Activation, Document, DocumentEditor
from automations.rules.canonical import content_hash
from automations.services import approvals, connectors, doors
from automations.services.errors import NotPossible, Refused
from backoffice.actors import Actor, person
from backoffice.models import AuditEntry
from tests.automations import factories as make
from tests.automations import lines

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

"""A sandbox reaches nobody: calls end before a connection, mail is kept, rules leave as drafts."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from automations.connectors import staging
from automations.connectors.accounts import account_of
from automations.engine.outside import call_lane
from automations.models.connectors import CallLog, ConnectorAccount, ConnectorState, StagingMark
from automations.models.documents import Activation, Approval, Document
from automations.models.failures import Failure
from automations.models.rules import Draft, DraftRevision, Rule
from automations.models.runs import Effect, Run
from automations.services import connectors, rule_files
from automations.services import staging as services
from automations.services.errors import NotPossible, Stale
from backoffice.actors import person
from backoffice.caught_mail import CaughtMail
from backoffice.models import AuditEntry, User
from tests.automations import factories as make
from tests.automations import lines
from tests.automations.test_staff_mail import mail_account, mailing, with_addresses
from tests.bed.databases import Database
from tests.bed.fakes import Outside
from tests.bed.people import signed_in


@pytest.fixture
def sandbox(settings: Any) -> Any:
    settings.SANDBOX = True
    return settings


class Door:
    """A place that counts who knocks, and lets nobody say a word."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(0.2)
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def knocks(self) -> int:
        """Connections so far, whether or not a byte came."""
        count = 0
        while True:
            try:
                came, _ = self.server.accept()
            except TimeoutError:
                return count
            came.close()
            count += 1


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.server.close()


def mark(account: ConnectorAccount) -> StagingMark:
    seal = staging.seal_of(account.key) or ""
    return services.mark_staging(account.pk, seal=seal, actor=lines.administrator())


def text(answer: Any) -> str:
    return str(answer.content.decode())


# --- connectors -------------------------------------------------------------------------------


def test_what_came_with_a_copied_database_is_caught_before_any_connection(
    committed_db: Database, door: Door, settings: Any
) -> None:
    # The live company: a connector with a secret, a rule in force, a mark somebody wrote there.
    account = lines.web_account(door.url, token="live-token", health_path="/up", **lines.LOOK_UP)
    lines.live_caller(account)
    StagingMark.objects.create(
        account=account, seal="0" * 64, marked_by_id=lines.administrator().user_id
    )
    ConnectorState.objects.filter(account=account).update(breaker="open", failures=5)
    # Its copy, restored where SANDBOX is set and the key ring is another one.
    settings.SANDBOX, settings.SECRETS_KEYS = True, ["b3RoZXItb25seS1rZXktb2YtMzItYnl0ZXMtLS0tLS0="]
    make.parcels_arrived(3)
    lines.work_lanes(account)
    assert door.knocks() == 0
    assert set(Run.objects.values_list("state", flat=True)) == {"done"}
    assert {effect.says.split(".")[0] for effect in Effect.objects.all()} == {
        "Caught: Carrier was not called"
    }
    calls = CallLog.objects.all()
    assert {(c.outcome, c.sent, c.method, c.path) for c in calls} == {
        ("caught", False, "POST", "/parcels")
    }
    assert len(calls) == 3


def test_what_a_copied_database_has_in_doubt_is_looked_up_nowhere(
    committed_db: Database, outside: Outside, settings: Any
) -> None:
    account = lines.web_account(outside.url, total_seconds=1, **lines.LOOK_UP)
    lines.live_caller(account)
    outside.behave({"do": "drop", "method": "POST", "times": 1})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    before = outside.calls()
    settings.SANDBOX = True
    Effect.objects.update(look_up_at=Effect.objects.get().at)
    lines.work_lanes(account)
    assert outside.calls() == before
    looked = CallLog.objects.get(purpose="look_up")
    assert (looked.outcome, looked.sent) == ("caught", False)
    assert Effect.objects.get().state == "in_doubt"
    assert Failure.objects.get().state != "resolved"


@pytest.mark.parametrize("kind", ["automations.slack", "automations.teams"])
def test_messages_to_a_channel_are_caught_and_their_secret_address_is_not_even_opened(
    committed_db: Database, door: Door, sandbox: Any, kind: str
) -> None:
    account = connectors.create_account(name="Channel", kind=kind, actor=lines.administrator())
    place = door.url.partition("://")[2]
    lines.approve_scope(account, hosts=[place], per_minute=600, burst=10)
    connectors.store_secret(
        account.pk, name="url", value=f"{door.url}/hook/secret", actor=lines.administrator()
    )
    step = {"account": account.key, "text": {"text": "Parcel {{ parcel.number }}"}}
    make.live_rule(steps=[{"uid": "a1", "do": "automations.post_message", "with": step}])
    make.parcels_arrived(1)
    lines.work_lanes(account)
    call = CallLog.objects.get()
    assert (call.outcome, call.host, call.path, call.secret_id) == ("caught", place, "/•••", None)
    assert (door.knocks(), Run.objects.get().state) == (0, "done")
    assert account_of(account.key).secrets == {}


def test_a_connector_is_called_while_a_person_s_mark_holds_and_no_longer(
    committed_db: Database, outside: Outside, sandbox: Any
) -> None:
    account = lines.web_account(outside.url, token="staging-token")
    lines.live_caller(account)
    mark(account)
    make.parcels_arrived(1)
    lines.work_lanes(account)
    assert sum(outside.acts().values()) == 1
    told = AuditEntry.objects.get(verb="connectors.marked_staging")
    assert (told.subject_id, told.actor_kind) == (account.pk, "person")
    # Another scope, another secret: nobody has said that these are of a staging system.
    connectors.store_secret(account.pk, name="token", value="another", actor=lines.administrator())
    assert account_of(account.key).caught
    mark(account)
    assert not account_of(account.key).caught
    lines.approve_scope(account, base=outside.url, auth="bearer", per_minute=60_000, burst=999)
    assert account_of(account.key).caught
    mark(account)
    services.end_staging(account.pk, actor=lines.administrator())
    make.parcels_arrived(2)
    lines.work_lanes(account)
    assert sum(outside.acts().values()) == 1
    assert AuditEntry.objects.filter(verb="connectors.staging_ended").count() == 1


def test_a_mark_of_another_installation_counts_for_nothing(
    committed_db: Database, door: Door, sandbox: Any
) -> None:
    account = lines.web_account(door.url)
    lines.live_caller(account)
    mark(account)
    assert staging.marked() == {account.key}
    sandbox.SECRET_KEY = "that-of-another-sandbox"
    assert staging.marked() == staging.open_lanes() == frozenset()
    make.parcels_arrived(1)
    lines.work_lanes(account)
    assert door.knocks() == 0


def test_a_call_whose_mark_ends_while_it_begins_is_kept_back_at_the_gate(
    committed_db: Database, outside: Outside, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    mark(account)
    # As if the account had been read before the mark ended.
    known = account_of(account.key)
    monkeypatch.setattr("automations.engine.outside.accounts.account_of", lambda key: known)
    services.end_staging(account.pk, actor=lines.administrator())
    make.parcels_arrived(1)
    make.work_all()
    call_lane(account.key)
    assert outside.acts() == {}
    assert CallLog.objects.latest("id").outcome == "not_sent"


@pytest.mark.django_db
def test_marking_is_refused_outside_a_sandbox_for_mail_and_for_what_changed(
    settings: Any, administrator_user: User
) -> None:
    account = lines.web_account("http://127.0.0.1:9")
    seal = staging.seal_of(account.key) or ""
    actor = person(administrator_user)
    with pytest.raises(NotPossible, match="Only a sandbox"):
        services.mark_staging(account.pk, seal=seal, actor=actor)
    settings.SANDBOX = True
    with pytest.raises(Stale):
        services.mark_staging(account.pk, seal="0" * 64, actor=actor)
    with pytest.raises(NotPossible, match="always caught"):
        services.mark_staging(mail_account().pk, seal="", actor=actor)
    unscoped = connectors.create_account(name="New", kind=lines.WEB, actor=actor)
    with pytest.raises(NotPossible, match="not approved"):
        services.mark_staging(unscoped.pk, seal="", actor=actor)
    assert not StagingMark.objects.exists()


@pytest.mark.django_db
def test_postgresql_lets_no_mark_be_rewritten_or_brought_back(sandbox: Any) -> None:
    account = lines.web_account("http://127.0.0.1:9")
    made = mark(account)
    services.end_staging(account.pk, actor=lines.administrator())
    for change in ("seal = repeat('0', 64)", "ended_at = NULL, ended_by_id = NULL"):
        query = f"UPDATE automations_stagingmark SET {change} WHERE id = %s"
        with pytest.raises(IntegrityError, match="ended once"), transaction.atomic():
            connection.cursor().execute(query, [made.pk])


# --- mail -------------------------------------------------------------------------------------


def test_mail_of_a_rule_is_caught_with_the_run_that_sent_it_and_counts_as_done(
    committed_db: Database, sandbox: Any
) -> None:
    with_addresses()
    account = mail_account()
    rule = make.live_rule(steps=mailing(account, "role:support"))
    make.parcels_arrived(1)
    lines.work_lanes(account)
    run, effect = Run.objects.get(), Effect.objects.get()
    assert (run.state, effect.state, effect.sent_at) == ("done", "confirmed", None)
    kept = CaughtMail.objects.get()
    assert kept.to == "support1@example.com, support2@example.com"
    assert (kept.subject, kept.body) == ("[Sandbox] Parcel P-00001", "It came from FR.")
    assert (kept.kind, kept.run_id, kept.rule_id) == ("step", run.pk, rule.pk)
    assert mail.outbox == []
    call = CallLog.objects.get()
    assert (call.outcome, call.sent, call.says) == (
        "caught",
        False,
        "Caught: 2 people would have been mailed.",
    )
    client = signed_in(make.staff("operations", "reader"))
    assert "would have been mailed" in text(client.get(reverse("run_detail", args=[run.pk])))
    shown = text(client.get(reverse("caughtmail_list")))
    assert "Parcel P-00001" in shown
    assert rule.name in shown
    page = text(client.get(reverse("caughtmail_detail", args=[kept.pk])))
    for told in ("It came from FR.", "support2@example.com", run.number, rule.name):
        assert told in page


# --- promotion --------------------------------------------------------------------------------


def exported(client: Client, rule: Rule) -> str:
    return text(client.get(reverse("rule_export", args=[rule.slug])))


def imported(client: Client, file: str) -> Any:
    """Look at a file as a person does, and let it do what it says it would do."""
    page = text(client.post(reverse("rules_import"), {"text": file}))
    signed = re.search(r'name="signed"\s+value="([^"]+)"', page)
    assert signed, page
    return client.post(reverse("rules_import"), {"signed": unescape(signed[1]), "others": "on"})


@pytest.mark.django_db
def test_a_rule_in_force_in_the_sandbox_is_an_unapproved_draft_in_the_live_company(
    operations_client: Client, settings: Any
) -> None:
    settings.SANDBOX = True
    rule = make.live_rule(name="Hold what is dear")
    page = text(operations_client.get(reverse("rule_detail", args=[rule.slug])))
    assert "Promote to live" in page
    dialog = text(operations_client.get(reverse("rule_promote", args=[rule.slug])))
    assert "version 1, which is in force in this sandbox" in dialog
    assert "No approval, no evidence, no secret" in dialog
    file = exported(operations_client, rule)
    assert "sandbox: version 1" in file
    settings.SANDBOX = False
    counts = [model.objects.count() for model in (Document, Approval, Activation)]
    answer = imported(operations_client, file.replace(f"key: {rule.slug}", "key: promoted"))
    assert answer.status_code == 302
    made = Rule.objects.get(slug="promoted")
    assert [model.objects.count() for model in (Document, Approval, Activation)] == counts
    assert DraftRevision.objects.get(rule=made).note == "From a sandbox, where it was version 1"
    told = AuditEntry.objects.get(verb="rules.imported", subject_id=made.pk)
    assert told.detail["sandbox"] == "version 1"
    page = text(operations_client.get(reverse("rule_detail", args=[made.slug])))
    assert "imported it from a file: from a sandbox, where it was version 1" in page
    assert "Promote to live" not in page
    assert operations_client.get(reverse("rule_promote", args=[made.slug])).status_code == 404
    make.parcels_arrived(1)
    make.work_all()
    assert not Run.objects.filter(rule_id=made.pk).exists()


@pytest.mark.django_db
def test_a_promoted_rule_that_is_in_force_in_the_live_company_changes_only_its_draft(
    operations_client: Client, settings: Any
) -> None:
    rule = make.live_rule()
    live = Activation.objects.in_force().get().document_id
    settings.SANDBOX = True
    file = exported(operations_client, rule)
    settings.SANDBOX = False
    assert "sandbox:" not in exported(operations_client, rule)
    changed = re.sub(r"tag: \S+", "tag: promoted", file)
    assert changed != file
    imported(operations_client, changed)
    assert Activation.objects.in_force().get().document_id == live
    assert Draft.objects.get(rule=rule).body["steps"][0]["with"]["tag"] == "promoted"
    notes = DraftRevision.objects.filter(rule=rule).values_list("note", flat=True)
    assert "From a sandbox, where it was version 1" in notes


@pytest.mark.django_db
@pytest.mark.parametrize(
    "claim",
    [
        "approved: true",
        "approvals: [{approver: daniel, verdict: approved}]",
        "state: approved",
        "sandbox: approved by finance",
        "sandbox: {version: 1, approved_by: daniel}",
        "activate: now",
    ],
)
def test_a_file_that_claims_to_be_approved_is_taken_in_by_nobody(
    operations_client: Client, settings: Any, claim: str
) -> None:
    settings.SANDBOX = True
    file = exported(operations_client, make.live_rule()).replace("key: ", "key: x-", 1)
    settings.SANDBOX = False
    file = file.replace("sandbox: version 1", claim)
    rules = Rule.objects.count()
    page = text(operations_client.post(reverse("rules_import"), {"text": file}))
    assert "can’t be imported" in page
    user = make.author()
    with pytest.raises(NotPossible):
        rule_files.carry_out(file, importer=user, actor=person(user))
    assert (Rule.objects.count(), Approval.objects.count()) == (rules, 1)

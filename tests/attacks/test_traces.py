"""Whoever is refused an act of governance leaves an entry in the audit trail, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from automations.models.documents import Activation, Approval, Document
from automations.models.rules import Draft
from automations.services import approvals, connectors, rules, stops
from automations.services.errors import AutomationError
from backoffice import audit, chain, staff
from backoffice.actors import Actor, ActorKind, person
from backoffice.models import AuditEntry
from finance.services.errors import FinanceError
from finance.services.refunds import approve_refund, request_refund
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.people import PASSWORD, MakeUser, signed_in
from tests.finance.factories import make_paid_order, pounds

pytestmark = pytest.mark.django_db
REFUSALS = (AutomationError, FinanceError, staff.StaffError)


def by(role: str, name: str = "") -> Actor:
    return person(make.staff(role, name))


def author() -> Actor:
    return person(make.author())


def document(**changes: Any) -> Document:
    return make.submit(make.make_rule(**changes))


def decide(found: Document, actor: Actor, sha256: str = "") -> None:
    approvals.approve(found.pk, sha256=sha256 or found.sha256, actor=actor)


def approve_ones_own() -> None:
    decide(document(), author())


def approve_money_as_operations() -> None:
    decide(document(steps=make.steps("depot.pay_duty")), by("operations", "other"))


def approve_as_an_administrator() -> None:
    decide(document(), by("administrator"))


def approve_what_one_did_not_see() -> None:
    decide(document(), by("finance"), "0" * 64)


def approve_as_a_rule() -> None:
    decide(document(), Actor(ActorKind.RULE, "A rule", rule_id=1))


def reject_ones_own() -> None:
    found = document()
    approvals.reject(found.pk, sha256=found.sha256, comment="No.", actor=author())


def ask_oneself_for_changes() -> None:
    found = document()
    approvals.request_changes(found.pk, sha256=found.sha256, comment="No.", actor=author())


def put_in_force_what_nobody_approved() -> None:
    approvals.activate(document().pk, actor=by("finance"))


def run_a_withdrawn_version_in_shadow() -> None:
    found = document()
    rules.withdraw_document(found.pk, why="Wrong.", actor=author())
    approvals.run_in_shadow(found.pk, actor=author())


def withdraw_twice() -> None:
    found = document()
    for _ in range(2):
        rules.withdraw_document(found.pk, why="Wrong.", actor=author())


def submit_a_retired_rule() -> None:
    rule = make.make_rule()
    rules.retire_rule(rule.pk, version=rule.version, why="Old.", actor=author())
    draft = Draft.objects.get(rule=rule)
    rules.submit_rule(rule.pk, revision=draft.revision, why="Now.", actor=author())


def start_again_alone() -> None:
    stop = stops.stop_rule(make.make_rule().pk, reason="Wrong.", actor=author())
    stops.ask_start(stop.pk, actor=author())
    stops.start_again(stop.pk, queued="release", actor=author())


def start_again_what_nobody_asked_for() -> None:
    stop = stops.stop_rule(None, reason="Wrong.", actor=author())
    stops.start_again(stop.pk, queued="release", actor=by("finance"))


def loosen_a_connector_alone() -> None:
    account = lines.web_account("http://127.0.0.1:9")
    live = Activation.objects.get(kind="connector").document
    scope = connectors.checked_scope(account, {"base": "http://127.0.0.1:9", "per_minute": 90_000})
    connectors.tighten_scope(
        account.pk, scope=scope, live_id=live.pk, why="More.", actor=lines.administrator()
    )


def approve_ones_own_refund() -> None:
    me = by("finance")
    refund = request_refund(make_paid_order("100.00"), pounds(30), "goodwill", actor=me)
    approve_refund(refund, amount=pounds(30), version=1, actor=me)


def approve_a_refund_as_support() -> None:
    asked = request_refund(make_paid_order("100.00"), None, "goodwill", actor=author())
    approve_refund(asked, amount=asked.money, version=1, actor=by("support"))


def change_ones_own_role() -> None:
    me = make.staff("administrator")
    staff.change_role([me.pk], "finance", actor=person(me))


def deactivate_oneself() -> None:
    me = make.staff("administrator")
    staff.deactivate_members([me.pk], actor=person(me))


WAYS: dict[Callable[[], None], str] = {
    approve_ones_own: "rules.refused",
    approve_money_as_operations: "rules.refused",
    approve_as_an_administrator: "rules.refused",
    approve_what_one_did_not_see: "rules.refused",
    approve_as_a_rule: "rules.refused",
    reject_ones_own: "rules.refused",
    ask_oneself_for_changes: "rules.refused",
    put_in_force_what_nobody_approved: "rules.refused",
    run_a_withdrawn_version_in_shadow: "rules.refused",
    withdraw_twice: "rules.refused",
    submit_a_retired_rule: "rules.refused",
    start_again_alone: "rules.refused",
    start_again_what_nobody_asked_for: "rules.refused",
    loosen_a_connector_alone: "connectors.refused",
    approve_ones_own_refund: "finance.refused",
    approve_a_refund_as_support: "finance.refused",
    change_ones_own_role: "staff.refused",
    deactivate_oneself: "staff.refused",
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_refusal_leaves_an_entry_that_says_who_what_and_why(way: Callable[[], None]) -> None:
    before = set(AuditEntry.objects.values_list("pk", flat=True))
    with pytest.raises(REFUSALS) as refused:
        way()
    assert not Approval.objects.filter(document__kind="rule").exists()
    assert not Activation.objects.filter(kind="rule").exists()
    entries = AuditEntry.objects.exclude(pk__in=before).filter(verb__endswith=".refused")
    (entry,) = entries
    assert (entry.verb, entry.detail["why"]) == (WAYS[way], str(refused.value))
    assert entry.detail["act"]
    assert entry.actor_label
    chain.seal()
    assert entry.link.position


def test_a_form_that_ones_role_may_not_send_leaves_an_entry() -> None:
    found = document(steps=make.steps("depot.pay_duty"))
    auditor = signed_in(make.staff("auditor"))
    address = f"/approvals/{found.pk}/approve/"
    assert auditor.get("/settings/users/new/").status_code == 403
    assert not AuditEntry.objects.filter(verb="access.refused").exists()  # looking is no attempt
    answer = auditor.post(address, {"sha256": found.sha256})
    assert answer.status_code == 403
    entry = AuditEntry.objects.get(verb="access.refused")
    assert entry.detail == {
        "address": "approval_verdict",
        "of": {"pk": str(found.pk), "verdict": "approve"},
    }
    assert not Approval.objects.exists()


def test_sign_ins_lock_outs_and_new_passwords_are_recorded(
    make_user: MakeUser, settings: Any
) -> None:
    settings.AXES_ENABLED = True
    user = make_user("finance", username="daniel")
    wrong = {"username": "daniel", "password": "no"}
    for _ in range(settings.AXES_FAILURE_LIMIT):
        Client().post("/login/", wrong)
        Client().post("/login/", {"username": "my secret typed as a name", "password": "no"})
    locked = AuditEntry.objects.filter(verb="access.locked_out")
    assert [entry.subject_id for entry in locked] == [user.pk]
    client = Client(REMOTE_ADDR="192.0.2.7")
    client.post("/login/", {"username": "daniel", "password": PASSWORD}, REMOTE_ADDR="192.0.2.7")
    assert AuditEntry.objects.get(verb="access.signed_in").user == user
    new = "a new and longer password of mine"
    sent = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/me/password/", sent).status_code == 302
    entry = AuditEntry.objects.get(verb="staff.password_changed")
    assert (entry.user, entry.detail) == (user, {})


def test_what_is_recorded_of_a_change_of_role_or_owner_says_from_and_to() -> None:
    boss, person_ = make.staff("administrator"), make.staff("support", "nina")
    (grant,) = staff.change_role([person_.pk], "finance", actor=person(boss))
    agrees = make.staff("finance")
    staff.agree_to_role(grant.pk, actor=person(agrees))
    changed = AuditEntry.objects.get(verb="staff.role_changed")
    assert changed.user == agrees
    assert changed.detail == {
        "role": "finance",
        "before": ["support"],
        "asked_by": boss.pk,
        "grant": grant.pk,
        "why": "",
    }
    rule = make.make_rule()
    heir = make.staff("operations", "heir")
    rules.describe_rule(rule.pk, version=rule.version, actor=author(), owner_id=heir.pk)
    described = AuditEntry.objects.get(verb="rules.described")
    assert described.detail == {
        "fields": ["owner_id"],
        "owner": heir.pk,
        "owner_before": make.author().pk,
    }


def test_a_record_of_a_refusal_names_each_of_a_set() -> None:
    @audit.traces_refusals("tests.refused", "tests.thing", ValueError)
    def refuse(ids: list[int], *, actor: Actor) -> None:
        raise ValueError("No.")

    with pytest.raises(ValueError, match="No"):
        refuse([1, 2], actor=author())
    entries = AuditEntry.objects.filter(verb="tests.refused").order_by("subject_id")
    assert [entry.subject_id for entry in entries] == [1, 2]

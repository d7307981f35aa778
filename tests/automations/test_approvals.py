"""Nothing acts unapproved: by the services, and by SQL as the application role."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from automations.models.documents import Activation, Approval, Document
from automations.models.rules import Draft, Rule
from automations.queries import rules as rule_queries
from automations.services import approvals, drafts, rules, stops
from automations.services.errors import Invalid, NotPossible, Refused, Stale
from backoffice import calendars
from backoffice.actors import person
from backoffice.models import AuditEntry, User
from tests.automations import factories as make
from tests.bed.databases import Database, at_once

pytestmark = pytest.mark.usefixtures("any_db")


def sql(query: str, *arguments: str | int | None) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(query, arguments)


def approve(document: Document, user: User) -> Approval:
    return approvals.approve(document.pk, sha256=document.sha256, actor=person(user))


@pytest.mark.requirement("R14")
def test_the_author_cannot_approve_and_someone_of_the_right_role_can() -> None:
    document = make.submit(make.make_rule())
    with pytest.raises(Refused, match="someone else has to decide"):
        approve(document, make.author())
    assert not Approval.objects.exists()
    assert not Activation.objects.exists()
    assert AuditEntry.objects.filter(verb="rules.refused", user=make.author()).count() == 1
    approve(document, make.staff("finance"))
    assert Activation.objects.get().document_id == document.pk
    assert Document.objects.get().state == "approved"


def test_whoever_edited_cannot_approve_even_when_another_submits() -> None:
    rule = make.make_rule()
    editor = make.staff("finance", "editor")
    drafts.save_draft(rule.pk, body=make.body(latency="batch"), revision=1, actor=person(editor))
    document = make.submit(rule)
    with pytest.raises(Refused):
        approve(document, editor)


def test_money_is_for_finance_and_no_rank_helps() -> None:
    document = make.submit(make.make_rule(steps=make.steps("depot.pay_duty")))
    assert document.risk == "money"
    boss = make.staff("administrator")
    User.objects.filter(pk=boss.pk).update(is_superuser=True)
    for wrong in (make.staff("operations", "other"), boss, make.staff("auditor")):
        with pytest.raises(Refused, match="finance"):
            approve(document, wrong)
    assert not Activation.objects.exists()
    approve(document, make.staff("finance"))
    assert Activation.objects.exists()


def test_an_account_that_was_closed_approves_nothing() -> None:
    document = make.submit(make.make_rule())
    leaver = make.staff("finance", "leaver")
    User.objects.filter(pk=leaver.pk).update(is_active=False)
    with pytest.raises(Refused, match="not active"):
        approve(document, leaver)


def test_an_approval_is_of_what_the_approver_saw() -> None:
    document = make.submit(make.make_rule())
    with pytest.raises(Refused, match="not what would be approved"):
        approvals.approve(document.pk, sha256="0" * 64, actor=person(make.staff("finance")))


def test_an_edit_voids_the_approval_of_what_was_there_before() -> None:
    rule = make.make_rule()
    document = make.submit(rule)
    approvals.approve(
        document.pk,
        sha256=document.sha256,
        actor=person(make.staff("finance")),
        activate_now=False,
    )
    drafts.save_draft(
        rule.pk, body=make.body(latency="batch"), revision=1, actor=person(make.author())
    )
    with pytest.raises(Refused, match="not approved"):
        approvals.activate(document.pk, actor=person(make.staff("finance")))
    fresh = make.submit(rule)
    assert (fresh.version, fresh.state) == (2, "submitted")
    assert fresh.sha256 != document.sha256
    with pytest.raises(Refused, match="not approved"):
        approvals.activate(fresh.pk, actor=person(make.staff("finance")))


def test_what_is_live_stays_live_while_its_successor_waits() -> None:
    rule = make.live_rule()
    drafts.save_draft(
        rule.pk, body=make.body(latency="batch"), revision=1, actor=person(make.author())
    )
    second = make.submit(rule)
    live = rule_queries.live_document(rule)
    assert live is not None
    assert live.version == 1
    approvals.request_changes(
        second.pk, sha256=second.sha256, comment="Why?", actor=person(make.staff("finance"))
    )
    live = rule_queries.live_document(rule)
    assert live is not None
    assert live.version == 1


def test_an_older_version_can_only_come_back_as_a_draft() -> None:
    rule = make.live_rule()
    (first,) = Document.objects.all()
    drafts.save_draft(
        rule.pk, body=make.body(latency="batch"), revision=1, actor=person(make.author())
    )
    make.make_live(rule)
    with pytest.raises(Refused, match="Restore this one"):
        approvals.activate(first.pk, actor=person(make.staff("finance")))
    draft = drafts.restore_version(first.pk, revision=2, actor=person(make.author()))
    assert draft.body["latency"] == "real_time"


def _forge_approval(document: Document, user: User) -> None:
    sql(
        "INSERT INTO automations_approval (document_id, sha256, approver_id, role, verdict,"
        " comment, evidence, at, expires_at) VALUES (%s, %s, %s, 'finance', 'approve', '', '{}',"
        " now(), now() + interval '1 day')",
        document.pk,
        document.sha256,
        user.pk,
    )


def _forge_activation(document: Document, user: User) -> None:
    sql(
        "INSERT INTO automations_activation (rule_id, document_id, from_at, activated_by_id)"
        " VALUES (%s, %s, now(), %s)",
        document.rule_id,
        document.pk,
        user.pk,
    )


def _change_text(document: Document, user: User) -> None:
    sql("UPDATE automations_document SET text = '{}' WHERE id = %s", document.pk)


def _set_state(document: Document, user: User) -> None:
    sql("UPDATE automations_document SET state = 'approved' WHERE id = %s", document.pk)


def _forget_editors(document: Document, user: User) -> None:
    sql("DELETE FROM automations_documenteditor WHERE document_id = %s", document.pk)


def _forget_revisions(document: Document, user: User) -> None:
    sql("DELETE FROM automations_draftrevision WHERE rule_id = %s", document.rule_id)


def _replace_document(document: Document, user: User) -> None:
    sql("DELETE FROM automations_document WHERE id = %s", document.pk)


def _switch_triggers_off(document: Document, user: User) -> None:
    sql("ALTER TABLE automations_document DISABLE TRIGGER ALL")


def _switch_replication_role(document: Document, user: User) -> None:
    sql("SET LOCAL session_replication_role = replica")


def _empty_audit(document: Document, user: User) -> None:
    sql("TRUNCATE backoffice_auditentry")


def _decide_by_function(document: Document, user: User) -> None:
    sql(
        "SELECT automations_decide_document(%s, %s, %s, 'operations', 'approve', '', '{}')",
        document.pk,
        document.sha256,
        user.pk,
    )


def _activate_by_function(document: Document, user: User) -> None:
    sql("SELECT automations_activate_document(%s, %s, NULL)", document.pk, user.pk)


def _submit_other_text(document: Document, user: User) -> None:
    sql(
        "SELECT automations_submit_document('rule', 'x', %s, '{}', '{}', %s, 'none', '', %s, %s,"
        " 1)",
        document.rule_id,
        document.sha256,
        user.pk,
        user.pk,
    )


def _bump_epoch(document: Document, user: User) -> None:
    sql("UPDATE automations_epoch SET value = 0")


def _replace_function(document: Document, user: User) -> None:
    sql(
        "CREATE OR REPLACE FUNCTION automations_role_suits(p_risk text, p_role text)"
        " RETURNS boolean LANGUAGE sql AS 'SELECT true'"
    )


def _shadow_function(document: Document, user: User) -> None:
    sql(
        "CREATE FUNCTION pg_temp.automations_role_suits(text, text) RETURNS boolean"
        " LANGUAGE sql AS 'SELECT true'"
    )
    sql("SET LOCAL search_path = pg_temp, public")
    _decide_by_function(document, user)


BYPASSES = [
    _forge_approval,
    _forge_activation,
    _change_text,
    _set_state,
    _forget_editors,
    _forget_revisions,
    _replace_document,
    _switch_triggers_off,
    _switch_replication_role,
    _empty_audit,
    _decide_by_function,
    _activate_by_function,
    _submit_other_text,
    _bump_epoch,
    _replace_function,
    _shadow_function,
]


@pytest.mark.requirement("R14")
@pytest.mark.parametrize("bypass", BYPASSES)
def test_sql_as_the_application_role_gets_round_nothing(
    bypass: Callable[[Document, User], None],
) -> None:
    document = make.submit(make.make_rule())
    with pytest.raises(DatabaseError):
        bypass(document, make.author())
    after = Document.objects.get(pk=document.pk)
    assert (after.text, after.state) == (document.text, "submitted")
    assert not Approval.objects.exists()
    assert not Activation.objects.exists()
    assert document.editors.count() == 1


def test_a_rule_without_fallback_or_valid_steps_is_not_submitted() -> None:
    with pytest.raises(Invalid, match="Write what people do"):
        make.submit(make.make_rule(fallback=" "))
    with pytest.raises(Invalid, match="no action"):
        make.submit(make.make_rule(steps=make.steps("depot.nothing")))
    assert not Document.objects.exists()


def test_a_start_that_goes_to_no_known_record_is_not_submitted() -> None:
    with pytest.raises(Invalid, match="can't go over"):
        make.submit(make.make_rule(trigger={"manual": "depot.shelf"}))


def test_a_schedule_names_a_calendar_that_there_is_and_that_opens() -> None:
    start = {"every": "0 8 * * 6", "zone": "UTC", "calendar": "uk", "for": "depot.parcel"}
    with pytest.raises(Invalid, match="no calendar"):
        make.submit(make.make_rule(trigger=start))
    never = calendars.make_calendar(
        "UK", today=date(2020, 1, 1), open_days=[], actor=person(make.author())
    )
    with pytest.raises(Invalid, match="never comes round"):
        make.submit(make.make_rule(trigger=start))
    calendars.change_week(
        never.pk,
        version=1,
        from_day=date(2020, 1, 2),
        open_days=[1, 2],
        today=date(2020, 1, 1),
        actor=person(make.author()),
    )
    assert make.submit(make.make_rule(trigger=start)).state == "submitted"


def test_a_rule_may_only_do_what_its_owner_may() -> None:
    rule = make.make_rule()
    Rule.objects.filter(pk=rule.pk).update(owner=make.staff("auditor"))
    with pytest.raises(Invalid, match="may not do"):
        make.submit(rule)


def test_undo_and_redo_walk_the_saved_states() -> None:
    rule = make.make_rule()
    by = person(make.author())
    first, second, third = make.body(), make.body(latency="batch"), make.body(missing_data="skip")
    drafts.save_draft(rule.pk, body=second, revision=1, actor=by)
    drafts.save_draft(rule.pk, body=third, revision=2, actor=by)
    assert drafts.undo_draft(rule.pk, revision=3, actor=by).body == second
    assert drafts.undo_draft(rule.pk, revision=4, actor=by).body == first
    assert drafts.redo_draft(rule.pk, revision=5, actor=by).body == second
    with pytest.raises(Stale):
        drafts.save_draft(rule.pk, body=third, revision=5, actor=by)
    assert Draft.objects.get(rule=rule).body == second
    drafts.save_draft(rule.pk, body=first, revision=6, actor=by)
    with pytest.raises(NotPossible):
        drafts.redo_draft(rule.pk, revision=7, actor=by)


def test_starting_again_takes_two() -> None:
    rule = make.live_rule()
    make.parcels_arrived()
    by = person(make.author())
    stop = stops.stop_rule(rule.pk, reason="Wrong.", actor=by)
    assert stops.stop_rule(rule.pk, reason="Again.", actor=by).pk == stop.pk
    make.work_all()
    other = person(make.staff("finance"))
    with pytest.raises(Refused, match="Nobody has asked"):
        stops.start_again(stop.pk, queued="release", actor=other)
    stops.ask_start(stop.pk, actor=by)
    with pytest.raises(Refused, match="someone else"):
        stops.start_again(stop.pk, queued="release", actor=by)
    with pytest.raises(DatabaseError), transaction.atomic():
        sql("UPDATE automations_stop SET lifted_at = now()")
    assert rule_queries.queued(rule) == {"parked": 1}
    stops.start_again(stop.pk, queued="release", actor=other)
    make.work_all()
    assert rule_queries.queued(rule) == {}


def test_a_retired_rule_matches_nothing_more() -> None:
    rule = make.live_rule()
    rules.retire_rule(rule.pk, version=1, why="Done.", actor=person(make.author()))
    make.parcels_arrived()
    make.work_all()
    assert rule_queries.queued(rule) == {}
    listed = rule_queries.rule_list().values("live_document_id", "last_fired_at").get()
    assert listed == {"live_document_id": None, "last_fired_at": None}


def test_an_expired_approval_puts_nothing_in_force(committed_db: Database) -> None:
    document = make.submit(make.make_rule())
    with psycopg.connect(committed_db.owner_url, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO automations_approval (document_id, sha256, approver_id, role, verdict,"
            " comment, evidence, at, expires_at) VALUES (%s, %s, %s, 'finance', 'approve', '',"
            " '{}', now() - interval '31 days', now() - interval '1 day')",
            [document.pk, document.sha256, make.staff("finance").pk],
        )
        owner.execute("UPDATE automations_document SET state = 'approved'")
    with pytest.raises(Refused, match="No approval of this version is valid"):
        approvals.activate(document.pk, actor=person(make.author()))
    assert not Activation.objects.exists()


def test_even_the_owner_of_the_tables_changes_no_submitted_text(committed_db: Database) -> None:
    make.submit(make.make_rule())
    with (
        psycopg.connect(committed_db.owner_url, autocommit=True) as owner,
        pytest.raises(psycopg.errors.RestrictViolation),
    ):
        owner.execute("UPDATE automations_document SET text = '{}'")


def test_edits_and_approvals_at_once_never_leave_an_unapproved_version_in_force(
    committed_db: Database,
) -> None:
    rule = make.make_rule()
    document = make.submit(rule)
    by, approver = person(make.author()), make.approver(document)

    def decide() -> object:
        return approvals.approve(document.pk, sha256=document.sha256, actor=person(approver))

    def edit() -> object:
        return drafts.save_draft(rule.pk, body=make.body(latency="batch"), revision=1, actor=by)

    answers = at_once([decide, edit, decide, edit])
    assert sum(isinstance(answer, Approval) for answer in answers) <= 1
    for period in Activation.objects.all():
        assert Approval.objects.filter(
            document=period.document, sha256=period.document.sha256, verdict="approve"
        ).exists()

"""Every way round the approval that we could think of: none works, and each is on record."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from django.db import DatabaseError, connection
from pytest_django.plugin import DjangoDbBlocker

from automations.models.documents import Document
from automations.models.rules import Draft
from automations.services import approvals, drafts, rules, stops
from automations.services.errors import AutomationError
from backoffice import refusals, staff
from backoffice.models import User
from backoffice.staff import StaffError
from tests.attacks.around import (
    Scene,
    money,
    refused_so_far,
    resubmit,
    set_scene,
    state_of,
    unapproved_in_force,
)
from tests.automations import factories as make
from tests.bed.databases import Database, clone, drop, serving

Way = Callable[[Scene], object]
SAYS_NO = (DatabaseError, AutomationError, StaffError)

# --- tables, written by hand ----------------------------------------------------------------------

WRITES = {
    "forge an approval": (
        "INSERT INTO automations_approval (document_id, sha256, approver_id, role, verdict,"
        " comment, evidence, at, expires_at) VALUES (%(document)s, %(sha)s, %(judge)s, 'finance',"
        " 'approve', '', '{}', now(), now() + interval '30 days')"
    ),
    "copy a forged approval in": "COPY automations_approval FROM STDIN",
    "merge a forged approval in": (
        "MERGE INTO automations_approval a USING (SELECT 1 AS x) s ON false WHEN NOT MATCHED THEN"
        " INSERT (document_id, sha256, approver_id, role, verdict, comment, evidence, expires_at)"
        " VALUES (%(document)s, %(sha)s, %(judge)s, 'finance', 'approve', '', '{}', now())"
    ),
    "turn a no into a yes": "UPDATE automations_approval SET verdict = 'approve'",
    "make old approvals last": "UPDATE automations_approval SET expires_at = 'infinity'",
    "delete a no": "DELETE FROM automations_approval",
    "forge a period in force": (
        "INSERT INTO automations_activation (rule_id, kind, key, mode, document_id, from_at,"
        " activated_by_id) VALUES (%(rule)s, 'rule', %(key)s, 'live', %(document)s, now(),"
        " %(judge)s)"
    ),
    "point a period at another version": (
        "UPDATE automations_activation SET document_id = %(document)s, until_at = NULL"
    ),
    "turn a shadow live": "UPDATE automations_activation SET mode = 'live'",
    "say it is approved": "UPDATE automations_document SET state = 'approved'",
    "change what was submitted": "UPDATE automations_document SET text = '{}'",
    "change the hash": "UPDATE automations_document SET sha256 = repeat('0', 64)",
    "drop what it depends on": "UPDATE automations_document SET pins = '{}'",
    "call its risk none": "UPDATE automations_document SET risk = 'none'",
    "name another as its author": "UPDATE automations_document SET author_id = %(clerk)s",
    "write a document that is born approved": (
        "INSERT INTO automations_document (kind, key, version, rule_id, text, pins, sha256, risk,"
        " state, why, author_id, submitted_by_id) SELECT kind, key, version + 1, rule_id, text,"
        " pins, sha256, 'none', 'approved', '', author_id, submitted_by_id"
        " FROM automations_document WHERE id = %(document)s"
    ),
    "delete the candidate": "DELETE FROM automations_document",
    "forget who edited": "DELETE FROM automations_documenteditor",
    "name another as the editor": "UPDATE automations_documenteditor SET user_id = %(clerk)s",
    "forget the revisions": "DELETE FROM automations_draftrevision",
    "sign a revision with another's name": (
        "UPDATE automations_draftrevision SET editor_id = %(clerk)s"
    ),
    "lift a stop": "UPDATE automations_stop SET lifted_at = now(), lifted_by_id = %(judge)s",
    "delete a stop": "DELETE FROM automations_stop",
    "hide a change from the matchers": "UPDATE automations_epoch SET value = 0",
    "give oneself finance": (
        "INSERT INTO backoffice_user_groups (user_id, group_id)"
        " SELECT %(author)s, id FROM auth_group WHERE name = 'finance'"
    ),
    "move a membership to oneself": (
        "UPDATE backoffice_user_groups SET user_id = %(author)s WHERE user_id = %(judge)s"
    ),
    "take finance's members away": "DELETE FROM backoffice_user_groups",
    "call operations finance": (
        "UPDATE auth_group SET name = 'finance' || id WHERE name IN ('finance', 'operations')"
    ),
    "found a second finance": "INSERT INTO auth_group (name) VALUES ('finance ')",
    "let operations approve refunds": (
        "INSERT INTO auth_group_permissions (group_id, permission_id) SELECT g.id, p.id"
        " FROM auth_group g, auth_permission p WHERE g.name = 'operations'"
        " AND p.codename = 'approve_refund'"
    ),
    "give oneself one permission": (
        "INSERT INTO backoffice_user_user_permissions (user_id, permission_id)"
        " SELECT %(author)s, id FROM auth_permission WHERE codename = 'approve_document'"
    ),
    "rename a permission": "UPDATE auth_permission SET codename = codename || 'x'",
    "forge a grant": (
        "INSERT INTO backoffice_rolegrant (user_id, role, state, why) VALUES (%(author)s,"
        " 'finance', 'held', '')"
    ),
    "say a grant was agreed to": "UPDATE backoffice_rolegrant SET state = 'held'",
    "forget who gave a role": "DELETE FROM backoffice_rolegrant",
    "call an action harmless": "UPDATE automations_actionrisk SET risk = 'none'",
    "take an action off the list": "DELETE FROM automations_actionrisk",
    "rename a rule to another's key": (
        "UPDATE automations_rule SET slug = 'mine' WHERE id = %(rule)s"
    ),
    "change the audit trail": "UPDATE backoffice_auditentry SET actor_label = 'Nobody'",
    "empty the audit trail": "TRUNCATE backoffice_auditentry CASCADE",
    "forge a link of the chain": (
        "INSERT INTO backoffice_auditlink (position, entry_id, sha256, sealed_at)"
        " SELECT 999999, id, repeat('0', 64), now() FROM backoffice_auditentry LIMIT 1"
    ),
    "lose what waits to be sealed": "DELETE FROM backoffice_auditpending",
}  # fmt: skip

# --- what guards the tables -----------------------------------------------------------------------

SWITCHES = {
    "become the owner": "SET ROLE countersign_owner",
    "become the superuser": "SET SESSION AUTHORIZATION postgres",
    "make oneself a superuser": "ALTER ROLE CURRENT_USER SUPERUSER",
    "make a role of one's own": "CREATE ROLE helper SUPERUSER",
    "grant oneself the table": "ALTER TABLE automations_approval OWNER TO CURRENT_USER",
    "act as a replica, past the triggers": "SET session_replication_role = replica",
    "switch the triggers off": "ALTER TABLE automations_document DISABLE TRIGGER ALL",
    "drop a trigger": "DROP TRIGGER automations_document_guard ON automations_document",
    "drop a constraint": (
        "ALTER TABLE automations_activation DROP CONSTRAINT activation_ends_after_start"
    ),
    "add a rule that rewrites": (
        "CREATE RULE yes AS ON UPDATE TO automations_document DO INSTEAD NOTHING"
    ),
    "replace a guard": (
        "CREATE OR REPLACE FUNCTION automations_has_role(p_user bigint, p_role text)"
        " RETURNS boolean LANGUAGE sql AS 'SELECT true'"
    ),
    "move a guard's path": (
        "ALTER FUNCTION automations_decide_document(bigint, text, bigint, text, text, text, jsonb)"
        " SET search_path = pg_temp"
    ),
    "shadow a table": "CREATE TEMPORARY TABLE automations_documenteditor (document_id bigint)",
    "shadow a function": (
        "CREATE FUNCTION pg_temp.automations_has_role(bigint, text) RETURNS boolean LANGUAGE sql"
        " AS 'SELECT true'"
    ),
    "shadow a schema": "CREATE SCHEMA countersign_app",
    "make a function with the owner's rights": (
        "CREATE FUNCTION public.lever() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"
    ),
    "read the server's files": "SELECT pg_read_file('/etc/hostname')",
    "run a programme": "COPY automations_approval FROM PROGRAM 'true'",
    "write the catalogue": "UPDATE pg_proc SET prosrc = 'SELECT true'",
    "rewind a sequence": "SELECT setval('automations_document_id_seq', 1)",
}

# --- the guarded functions, with forged arguments -------------------------------------------------

DECIDE = (
    "SELECT automations_decide_document(%(document)s, {sha}, {who}, {role}, {verdict}, '', '{{}}')"
)


def decide(sha: str = "%(sha)s", who: str = "%(judge)s", role: str = "'finance'",
           verdict: str = "'approve'") -> str:  # fmt: skip
    return DECIDE.format(sha=sha, who=who, role=role, verdict=verdict)


CALLS = {
    "approve as the author": decide(who="%(author)s"),
    "approve as an editor of the right role": decide(who="%(editor)s"),
    "approve as the administrator": decide(who="%(boss)s", role="'administrator'"),
    "claim a role one does not hold": decide(who="%(clerk)s"),
    "decide in a role that does not suit": decide(who="%(clerk)s", role="'operations'"),
    "decide in no role": decide(role="NULL"),
    "decide as nobody": decide(who="NULL"),
    "decide as somebody who is not there": decide(who="0"),
    "approve whatever it says": decide(sha="NULL"),
    "approve another hash": decide(sha="repeat('0', 64)"),
    "give a verdict that there is not": decide(verdict="'approved'"),
    "give no verdict": decide(verdict="NULL"),
    "put it in force unapproved": (
        "SELECT automations_activate_document(%(document)s, %(judge)s, NULL)"
    ),
    "put in force what is not there": "SELECT automations_activate_document(0, %(judge)s, NULL)",
    "end a first look that nobody waits for": (
        "SELECT automations_end_first_look(0, %(judge)s, 'finance')"
    ),
    "start again what is not stopped": "SELECT automations_start_again(0, %(judge)s, 'finance')",
    "tighten a rule": (
        "SELECT automations_tighten_document(%(key)s, %(document)s, '{}', %(sha)s, '', %(judge)s)"
    ),
    "bootstrap oneself": "SELECT backoffice_bootstrap_role(%(author)s, 'finance', 'Needed.')",
    "apply a grant past its second person": "SELECT backoffice_apply_role(1)",
    "ask for one's own role": "SELECT backoffice_ask_role(%(boss)s, 'finance', %(boss)s)",
    "ask for a role without being an administrator": (
        "SELECT backoffice_ask_role(%(clerk)s, 'finance', %(author)s)"
    ),
    "ask for a role that there is not": (
        "SELECT backoffice_ask_role(%(clerk)s, 'owner', %(boss)s)"
    ),
}  # fmt: skip

SUBMIT = (
    "SELECT automations_submit_document({kind}, {key}, {rule}, text, {pins}, {sha}, risk, 'Forged',"
    " {author}, %(author)s, {revision}) FROM automations_document WHERE id = %(document)s"
)


def submit(**changes: str) -> str:
    given = {"kind": "kind", "key": "key", "rule": "rule_id", "pins": "pins", "sha": "sha256",
             "author": "author_id", "revision": "draft_revision"}  # fmt: skip
    return SUBMIT.format(**{**given, **changes})


CALLS |= {
    "submit under a kind that nobody guards": submit(kind="'policy'"),
    "submit a rule as no rule's": submit(rule="NULL"),
    "submit under another key": submit(key="'another'"),
    "submit in another's name": submit(author="%(clerk)s"),
    "submit of a later revision": submit(revision="2147483647"),
    "submit of no revision": submit(revision="NULL"),
    "submit without what it depends on": submit(pins="'{}'"),
    "submit without a hash": submit(sha="NULL"),
}

# --- pages ----------------------------------------------------------------------------------------


def _post(user: str, address: str, **values: str) -> Way:
    """Send a form as somebody; the page must not say that it was done."""

    def way(scene: Scene) -> None:
        url = address.format(document=scene.document.pk, slug=scene.rule.slug)
        given = {"sha256": scene.document.sha256, "comment": "Fine.", **values}
        answer = scene.client(getattr(scene, user)).post(url, given)
        assert answer.status_code in (403, 404, 409, 422), answer.status_code

    return way


APPROVE = "/approvals/{document}/approve/"
PAGES = {
    "the author approves on the page": _post("author", APPROVE),
    "an editor approves on the page": _post("editor", APPROVE),
    "the administrator approves on the page": _post("boss", APPROVE),
    "someone of operations approves money": _post("clerk", APPROVE),
    "the right person approves another hash": _post("judge", APPROVE, sha256="0" * 64),
    "the administrator gives themself finance": _post(
        "boss", "/settings/users/boss/_/role/", role="finance"
    ),
    "the author gives a colleague finance": _post(
        "author", "/settings/users/clerk/_/role/", role="finance"
    ),
    "the author makes an account": _post("author", "/settings/users/new/", role="finance"),
}

# --- services, in an order that nobody foresaw ----------------------------------------------------


def approve(scene: Scene, who: User, document: Document | None = None) -> None:
    document = document or scene.document
    approvals.approve(document.pk, sha256=document.sha256, actor=scene.as_(who))


def _agreed(scene: Scene) -> None:
    approvals.approve(
        scene.document.pk, sha256=scene.document.sha256, actor=scene.as_(scene.judge),
        activate_now=False,
    )  # fmt: skip


def _edit(scene: Scene, who: User) -> None:
    revision = Draft.objects.get(rule=scene.rule).revision
    body = money(when={"all": []}) if revision % 2 else money(latency="batch")
    drafts.save_draft(scene.rule.pk, body=body, revision=revision, actor=scene.as_(who))


def _edit_after_approval(scene: Scene) -> None:
    _agreed(scene)
    _edit(scene, scene.author)
    approvals.activate(scene.document.pk, actor=scene.as_(scene.author))


def _resubmit_after_approval(scene: Scene) -> None:
    _agreed(scene)
    again = resubmit(scene)
    assert again.sha256 == scene.document.sha256
    approvals.activate(again.pk, actor=scene.as_(scene.author))


def _let_another_submit(scene: Scene) -> None:
    _edit(scene, scene.editor)
    revision = Draft.objects.get(rule=scene.rule).revision
    again = rules.submit_rule(
        scene.rule.pk, revision=revision, why="Mine.", actor=scene.as_(scene.clerk)
    )
    approve(scene, scene.editor, again)


def _undo_ones_edit(scene: Scene) -> None:
    _edit(scene, scene.judge)
    revision = Draft.objects.get(rule=scene.rule).revision
    drafts.undo_draft(scene.rule.pk, revision=revision, actor=scene.as_(scene.author))
    approve(scene, scene.judge, resubmit(scene))


def _restore_what_one_wrote(scene: Scene) -> None:
    """The editor's work is changed by another and goes live, then is brought back for them."""
    _agreed(scene)
    approvals.activate(scene.document.pk, actor=scene.as_(scene.author))
    _edit(scene, scene.author)
    second = resubmit(scene)
    approve(scene, scene.judge, second)
    revision = Draft.objects.get(rule=scene.rule).revision
    drafts.restore_version(scene.document.pk, revision=revision, actor=scene.as_(scene.clerk))
    again = rules.submit_rule(
        scene.rule.pk, revision=revision + 1, why="Back.", actor=scene.as_(scene.clerk)
    )
    approve(scene, scene.editor, again)


def _copy_as_a_new_rule(scene: Scene) -> None:
    _agreed(scene)
    body = money(missing_data="skip")
    copy = rules.create_rule(
        name="Copy", domain="orders", body=body, fallback="By hand.", actor=scene.as_(scene.author)
    )
    again = rules.submit_rule(copy.pk, revision=1, why="Same.", actor=scene.as_(scene.author))
    approvals.activate(again.pk, actor=scene.as_(scene.author))


def _approve_twice(scene: Scene) -> None:
    approvals.reject(
        scene.document.pk, sha256=scene.document.sha256, comment="No.",
        actor=scene.as_(scene.judge),
    )  # fmt: skip
    approve(scene, scene.judge)


def _by_a_closed_account(scene: Scene) -> None:
    User.objects.filter(pk=scene.judge.pk).update(is_active=False)
    approve(scene, scene.judge)


def _after_the_approver_left(scene: Scene) -> None:
    _agreed(scene)
    User.objects.filter(pk=scene.judge.pk).update(is_active=False)
    approvals.activate(scene.document.pk, actor=scene.as_(scene.author))


def _after_the_approver_changed_role(scene: Scene) -> None:
    _agreed(scene)
    staff.change_role([scene.judge.pk], "auditor", actor=scene.as_(scene.boss))
    approvals.activate(scene.document.pk, actor=scene.as_(scene.author))


def _start_what_one_asked_to_start(scene: Scene) -> None:
    stop = stops.stop_rule(scene.rule.pk, reason="Wrong.", actor=scene.as_(scene.judge))
    stops.ask_start(stop.pk, actor=scene.as_(scene.judge))
    stops.start_again(stop.pk, queued="release", actor=scene.as_(scene.judge))


def _start_all_as_operations(scene: Scene) -> None:
    stop = stops.stop_rule(None, reason="Wrong.", actor=scene.as_(scene.author))
    stops.ask_start(stop.pk, actor=scene.as_(scene.author))
    stops.start_again(stop.pk, queued="release", actor=scene.as_(scene.clerk))


def _withdraw_what_acts(scene: Scene) -> None:
    _agreed(scene)
    approvals.activate(scene.document.pk, actor=scene.as_(scene.author))
    rules.withdraw_document(scene.document.pk, why="No.", actor=scene.as_(scene.clerk))


def _give(scene: Scene, who: User, role: str, asked_by: User) -> User:
    """One asks for a role, and someone of finance who knows nothing of it agrees."""
    (grant,) = staff.change_role([who.pk], role, actor=scene.as_(asked_by))
    staff.agree_to_role(grant.pk, actor=scene.as_(scene.judge))
    return who


def _boss_edits(scene: Scene) -> Document:
    _edit(scene, scene.boss)
    return resubmit(scene)


def _make_an_approver(scene: Scene) -> None:
    puppet = _give(scene, make.staff("auditor", "puppet"), "finance", scene.boss)
    approve(scene, puppet, _boss_edits(scene))


def _make_an_approver_by_another(scene: Scene) -> None:
    deputy = _give(scene, make.staff("auditor", "deputy"), "administrator", scene.boss)
    puppet = _give(scene, make.staff("auditor", "puppet"), "finance", deputy)
    approve(scene, puppet, _boss_edits(scene))


def _make_an_approver_who_starts_again(scene: Scene) -> None:
    puppet = _give(scene, make.staff("auditor", "puppet"), "finance", scene.boss)
    stop = stops.stop_rule(scene.rule.pk, reason="Wrong.", actor=scene.as_(scene.clerk))
    stops.ask_start(stop.pk, actor=scene.as_(scene.boss))
    stops.start_again(stop.pk, queued="release", actor=scene.as_(puppet))


def _agree_to_what_one_asked(scene: Scene) -> None:
    (grant,) = staff.change_role([scene.clerk.pk], "finance", actor=scene.as_(scene.boss))
    staff.agree_to_role(grant.pk, actor=scene.as_(scene.boss))


def _agree_to_ones_own(scene: Scene) -> None:
    (grant,) = staff.change_role([scene.judge.pk], "administrator", actor=scene.as_(scene.boss))
    staff.agree_to_role(grant.pk, actor=scene.as_(scene.judge))


def _make_a_member_who_approves_before_anyone_agrees(scene: Scene) -> None:
    member, _ = staff.add_member(
        username="new",
        first_name="",
        last_name="",
        email="",
        role="finance",
        actor=scene.as_(scene.boss),
    )
    approve(scene, member)


def _make_light_of_it(scene: Scene) -> None:
    """Submitted past the service as a harmless rule, for a colleague to approve."""
    scene.sql(SUBMIT_LIGHTLY)
    light = Document.objects.latest("pk")
    assert light.state == "submitted"
    scene.sql(decide(who="%(clerk)s", role="'operations'").replace("%(document)s", str(light.pk)))


def _edit_past_the_history(scene: Scene) -> None:
    scene.sql(
        'UPDATE automations_draft SET body = body || \'{"latency": "batch"}\''
        " WHERE rule_id = %(rule)s"
    )
    resubmit(scene)


SUBMIT_LIGHTLY = submit().replace("risk,", "'none',")

SERVICES: dict[str, Way] = {
    "make an approver of one's own": _make_an_approver,
    "make an approver through another account": _make_an_approver_by_another,
    "make somebody who starts it again": _make_an_approver_who_starts_again,
    "agree to the role one asked for": _agree_to_what_one_asked,
    "agree to one's own role": _agree_to_ones_own,
    "approve as a new member": _make_a_member_who_approves_before_anyone_agrees,
    "call money harmless": _make_light_of_it,
    "edit past the history": _edit_past_the_history,
    "edit after the approval, then put the old version in force": _edit_after_approval,
    "submit the same again and use the old approval": _resubmit_after_approval,
    "let another submit what one edited": _let_another_submit,
    "have one's edit undone, then approve": _undo_ones_edit,
    "approve what one wrote once it is restored": _restore_what_one_wrote,
    "use an approval for a copy": _copy_as_a_new_rule,
    "say yes after a no": _approve_twice,
    "approve with a closed account": _by_a_closed_account,
    "use the approval of somebody who left": _after_the_approver_left,
    "use the approval of somebody who lost the role": _after_the_approver_changed_role,
    "start again what one asked for": _start_what_one_asked_to_start,
    "start everything as operations": _start_all_as_operations,
    "withdraw what is in force": _withdraw_what_acts,
}

# --- the trial ------------------------------------------------------------------------------------


def _by_sql(statement: str) -> Way:
    def way(scene: Scene) -> None:
        scene.sql(statement)

    return way


def ways() -> Iterator[tuple[str, Way, bool]]:
    """Each with whether it must leave all that counts as it was."""
    for name, statement in {**WRITES, **SWITCHES, **CALLS}.items():
        yield name, _by_sql(statement), True
    for name, way in PAGES.items():
        yield name, way, True
    for name, way in SERVICES.items():
        yield name, way, False


WAYS = list(ways())
STILL = [pytest.param(way, id=name) for name, way, still in WAYS if still]
MOVING = [pytest.param(way, id=name) for name, way, still in WAYS if not still]


@pytest.fixture(scope="module")
def lasting(template_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    """One scene for all ways that must leave everything as it was."""
    database = clone(template_database)
    with django_db_blocker.unblock():
        with serving(database.name):
            refusals.connect()
            yield set_scene()
            refusals.disconnect()
            connection.close()
        drop(database.name)


def try_way(way: Way, scene: Scene) -> None:
    known = refused_so_far()
    with contextlib.nullcontext() if way in PAGES.values() else pytest.raises(SAYS_NO):
        way(scene)
    connection.close()  # whatever was set for the session
    assert unapproved_in_force() == []
    assert refused_so_far() > known


def test_there_are_more_than_sixty_ways() -> None:
    assert len({name for name, _, _ in WAYS}) == len(WAYS) > 60


@pytest.mark.requirement("R14")
@pytest.mark.parametrize("way", STILL)
def test_no_way_leads_round_the_approval_and_each_is_on_record(lasting: Scene, way: Way) -> None:
    before = state_of(lasting)
    try_way(way, lasting)
    assert state_of(lasting) == before


@pytest.mark.requirement("R14")
@pytest.mark.parametrize("way", MOVING)
def test_no_order_of_steps_leads_round_the_approval(committed_db: Database, way: Way) -> None:
    try_way(way, set_scene())

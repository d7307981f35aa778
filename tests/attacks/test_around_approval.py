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
from tests.attacks.around_sql import CALLS, SWITCHES, WRITES, decide, submit
from tests.automations import factories as make
from tests.bed.databases import Database, clone, drop, serving

Way = Callable[[Scene], object]
SAYS_NO = (DatabaseError, AutomationError, StaffError)

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

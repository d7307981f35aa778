"""Ways round the approval through the services, in an order that nobody foresaw."""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone

from automations.models.documents import Document
from automations.models.policies import Emergency
from automations.models.rules import Draft
from automations.services import approvals, drafts, emergencies, rules, stops, tuning
from backoffice import staff, standing_in
from backoffice.models import User
from tests.attacks.around import Scene, money, resubmit
from tests.attacks.around_sql import decide, submit
from tests.automations import factories as make
from tests.bed.evidence import gather

Way = Callable[[Scene], object]


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


def _before_anything_is_counted(scene: Scene) -> None:
    make.arrive(make.make_parcels(3), history=True)
    approve(scene, scene.judge, resubmit(scene))


def _on_a_count_of_other_content(scene: Scene) -> None:
    make.arrive(make.make_parcels(3), history=True)
    gather(resubmit(scene))
    _edit(scene, scene.author)
    approve(scene, scene.judge, resubmit(scene))


def _on_a_count_beside_what_is_live_no_more(scene: Scene) -> None:
    make.arrive(make.make_parcels(3), history=True)
    gather(resubmit(scene))
    waits = Document.objects.latest("pk")
    approve(scene, scene.judge, waits)
    drafts.save_draft(
        scene.rule.pk, body=money(missing_data="hold"), actor=scene.as_(scene.author),
        revision=Draft.objects.get(rule=scene.rule).revision,
    )  # fmt: skip
    approve(scene, scene.judge, resubmit(scene))


def _lend(scene: Scene, who: User, to: User, agreed_by: User | None) -> None:
    today = timezone.localdate()
    row = standing_in.name_deputy(
        who.pk, deputy=to, first=today, last=today, why="Away.", actor=scene.as_(who)
    )
    if agreed_by is not None:
        standing_in.agree(row.pk, actor=scene.as_(agreed_by))


def _as_a_deputy_before_anyone_agrees(scene: Scene) -> None:
    _lend(scene, scene.judge, scene.clerk, None)
    approve(scene, scene.clerk)


def _as_the_deputy_of_an_editor(scene: Scene) -> None:
    _lend(scene, scene.editor, scene.clerk, scene.boss)
    approve(scene, scene.clerk)


def _as_a_deputy_whom_the_author_of_the_version_agreed_to(scene: Scene) -> None:
    """The administrator edits, and agrees to who stands in for finance."""
    _lend(scene, scene.judge, scene.clerk, scene.boss)
    approve(scene, scene.clerk, _boss_edits(scene))


def _emergency(scene: Scene, asks: User, agrees: User, document: Document | None = None) -> None:
    waits = document or scene.document
    found = emergencies.ask(waits.pk, sha256=waits.sha256, why="Now.", actor=scene.as_(asks))
    emergencies.agree(found.pk, sha256=waits.sha256, actor=scene.as_(agrees))


def _an_emergency_of_ones_own(scene: Scene) -> None:
    _emergency(scene, scene.clerk, scene.clerk)


def _an_emergency_agreed_to_by_its_author(scene: Scene) -> None:
    _emergency(scene, scene.clerk, scene.author)


def _an_emergency_with_a_puppet(scene: Scene) -> None:
    puppet = _give(scene, make.staff("auditor", "puppet"), "support", scene.boss)
    _emergency(scene, scene.boss, puppet)


def _a_second_emergency_before_the_first_is_reviewed(scene: Scene) -> None:
    _emergency(scene, scene.clerk, scene.boss)
    first = Emergency.objects.get()
    emergencies.end(first.pk, actor=scene.as_(scene.clerk))
    _emergency(scene, scene.clerk, scene.boss)


def _review_ones_own_emergency(scene: Scene) -> None:
    _emergency(scene, scene.clerk, scene.judge)
    first = Emergency.objects.get()
    emergencies.end(first.pk, actor=scene.as_(scene.clerk))
    emergencies.review(first.pk, was_right=True, note="Fine.", actor=scene.as_(scene.judge))


def _tune_without_a_range(scene: Scene) -> None:
    _agreed(scene)
    approvals.activate(scene.document.pk, actor=scene.as_(scene.author))
    tuning.tune(
        scene.rule.pk, live_id=scene.document.pk, name="amount", value="9", why="More.",
        actor=scene.as_(scene.author),
    )  # fmt: skip


SUBMIT_LIGHTLY = submit().replace("risk,", "'none',")

SERVICES: dict[str, Way] = {
    "approve before anything is counted": _before_anything_is_counted,
    "approve on a count of other content": _on_a_count_of_other_content,
    "approve on a count beside what is live no more": _on_a_count_beside_what_is_live_no_more,
    "approve as a deputy whom nobody agreed to": _as_a_deputy_before_anyone_agrees,
    "approve as the deputy of an editor": _as_the_deputy_of_an_editor,
    "approve as a deputy whom an editor agreed to": (
        _as_a_deputy_whom_the_author_of_the_version_agreed_to
    ),
    "call an emergency alone": _an_emergency_of_ones_own,
    "call an emergency with its author": _an_emergency_agreed_to_by_its_author,
    "call an emergency with somebody one made": _an_emergency_with_a_puppet,
    "call emergencies one after the other": _a_second_emergency_before_the_first_is_reviewed,
    "review an emergency that one agreed to": _review_ones_own_emergency,
    "tune what has no range": _tune_without_a_range,
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

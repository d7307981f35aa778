"""What a leaver has to do with rules, in another's hands: rules, cases, what waits for a verdict.

What is in force stays in force. Each rule is due for a review, as someone else answers for it now.
"""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from automations.models.documents import Approval, Document
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.services import handing, rules
from backoffice import leaving, notices
from backoffice.actors import Actor
from backoffice.leaving import Belonging
from backoffice.models import User


def rules_of(user: User) -> QuerySet[Rule]:
    """The rules a person answers for."""
    return Rule.objects.filter(owner=user, retired_at=None)


def cases_of(user: User) -> QuerySet[Failure]:
    """The cases that wait for a person."""
    return Failure.objects.filter(owner=user).exclude(state=Failure.State.RESOLVED)


def waiting_of(user: User) -> QuerySet[Document]:
    """What a person submitted or wrote and nobody has put in force: it waits, or was sent back."""
    open_states = [Document.State.SUBMITTED, Document.State.CHANGES]
    mine = Document.objects.filter(state__in=open_states, submitted_by=user)
    return mine.exclude(rule=None).select_related("rule")


def unused_of(user: User) -> QuerySet[Document]:
    """What a person approved and nobody has put in force: their yes ends with their account."""
    given = Approval.objects.filter(approver=user, verdict=Approval.Verdict.APPROVE)
    found = Document.objects.never_in_force().filter(state=Document.State.APPROVED)
    return found.filter(pk__in=given.values("document")).select_related("rule", "submitted_by")


def _rules(leaver: User, to: User, actor: Actor) -> int:
    moved = []
    today = timezone.localdate()
    for rule in rules_of(leaver):
        due = min(rule.review_on, today) if rule.review_on else today
        told = rules.describe_rule(
            rule.pk, version=rule.version, actor=actor, owner_id=to.pk, review_on=due
        )
        # Of somebody who is still here, a rule in force waits for a second person.
        if told.owner_id == to.pk:
            moved.append(rule)
    if moved:
        text = f"{leaver} has left. {_named(moved)} is yours now; each is due for a review."
        link = f"{reverse('rule_list')}?view=mine"
        notices.notify([to], text, link, key=f"left:{leaver.pk}:{to.pk}:{moved[0].version}")
    return len(moved)


def _named(moved: list[Rule]) -> str:
    if len(moved) == 1:
        return f"“{moved[0].name}”"
    return f"“{moved[0].name}” with {len(moved) - 1} more of their rules"


def _cases(leaver: User, to: User, actor: Actor) -> int:
    moved = list(cases_of(leaver))
    for case in moved:
        handing.hand_over(
            case.pk, version=case.version, note=f"{leaver} has left.", actor=actor, to=to
        )
    return len(moved)


def _waiting(leaver: User, to: User, actor: Actor) -> int:
    """Nobody can be made its author: the receiver is told, and edits it if it comes back."""
    found = list(waiting_of(leaver))
    for document in found:
        text = f"{leaver} has left. {_version(document)}, which they submitted, is yours to follow."
        _tell([to], document, text, "left-waiting")
    return len(found)


def _unused(leaver: User, to: User, actor: Actor) -> int:
    found = list(unused_of(leaver))
    for document in found:
        text = f"{leaver} has left, so their yes to {_version(document)} counts no longer."
        people = {document.submitted_by, to}
        _tell(people, document, f"{text} Submit it again.", "left-unused")
    return len(found)


def _version(document: Document) -> str:
    name = document.rule.name if document.rule else document.key
    return f"“{name}” v{document.version}"


def _tell(people: set[User] | list[User], document: Document, text: str, what: str) -> None:
    link = reverse("approval_detail", args=[document.pk])
    notices.notify(people, text, link, key=f"{what}:{document.pk}")


def register() -> None:
    """Tell the house what of rules belongs to people; once, when the app is ready."""
    leaving.register(Belonging("rule", "rules", lambda user: rules_of(user).count(), _rules))
    leaving.register(Belonging("open case", "open cases", lambda u: cases_of(u).count(), _cases))
    leaving.register(
        Belonging(
            "version that waits for a verdict",
            "versions that wait for a verdict",
            lambda user: waiting_of(user).count(),
            _waiting,
        )
    )
    leaving.register(
        Belonging(
            "approval not used yet",
            "approvals not used yet",
            lambda user: unused_of(user).count(),
            _unused,
        )
    )

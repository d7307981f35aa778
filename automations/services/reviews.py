"""The yearly review of rules in force: which are due, who may say that they stay, and the verdicts.

PostgreSQL decides who may (`automations_review_rule`); this says it in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from automations.actions import Risk
from automations.models.documents import Activation, Document, DocumentEditor
from automations.models.reviews import RuleReview
from automations.models.rules import Rule
from automations.queries import reviews as queries
from automations.services import doors, rules
from automations.services.approving import SUITABLE
from automations.services.errors import NotPossible, Refused
from backoffice import audit, notices
from backoffice.actors import Actor
from backoffice.models import User

Verdict = RuleReview.Verdict
# As `automations_review_rule` counts it.
OWNED_FOR = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Due:
    """One rule whose review is due. `why_not` None: this person may say that it stays.

    `asked` is the change that a review asked for and that is not in force yet; None: none.
    """

    rule: Rule
    document: Document
    due_on: date
    why_not: str | None
    asked: RuleReview | None = None


def walk(user: User) -> list[Due]:
    """The rules whose review is due, in the order this person goes through them.

    First those they may keep, by what they risk and how long they are due; last those that wait for
    a change. In a handful of queries, however many there are.
    """
    found = list(queries.due_now().select_related("owner"))
    live = {
        each.rule_id: each
        for each in Activation.objects.in_force().filter(rule__in=found).select_related("document")
    }
    edited = set(
        DocumentEditor.objects.filter(
            user=user, document__in=[each.document_id for each in live.values()]
        ).values_list("document_id", flat=True)
    )
    owned = owned_lately(user, found)
    held = set(user.groups.values_list("name", flat=True))
    asked = queries.changes_asked_for(list(live))
    due = [
        Due(
            rule,
            live[rule.pk].document,
            rule.due_on,
            _why_not(rule, live[rule.pk].document, user, held, edited, owned),
            _open(asked.get(rule.pk), live[rule.pk]),
        )
        for rule in found
        if rule.pk in live
    ]
    return sorted(due, key=_order)


def _open(asked: RuleReview | None, live: Activation) -> RuleReview | None:
    """The change that was asked for, until a newer version is in force."""
    return asked if asked is not None and asked.at > live.from_at else None


def _order(due: Due) -> tuple[bool, bool, int, date, str]:
    risk = -rules.RISKS.index(Risk(due.document.risk))
    return due.asked is not None, due.why_not is not None, risk, due.due_on, due.rule.name


def owned_lately(user: User, among: Sequence[Rule]) -> set[int]:
    """Which of these rules the person owned within the last year, by number."""
    since = timezone.now() - OWNED_FOR
    theirs = Rule.history.filter(owner=user, id__in=[rule.pk for rule in among])
    return set(theirs.filter(history_date__gt=since).values_list("id", flat=True))


def _why_not(
    rule: Rule, document: Document, user: User, held: set[str], edited: set[int], owned: set[int]
) -> str | None:
    if rule.owner_id == user.pk:
        return "You own this rule, so someone else has to say that it stays."
    if document.pk in edited:
        return "You edited or submitted this version, so someone else has to say that it stays."
    if rule.pk in owned:
        return "You owned this rule within the last year, so someone else has to say that it stays."
    if not held & set(SUITABLE[document.risk]):
        return f"Someone of {' or '.join(SUITABLE[document.risk])} has to say that it stays."
    return None


def why_not(rule: Rule, document: Document, user: User) -> str | None:
    """Why this person can't say that a rule stays; None when they can."""
    held = set(user.groups.values_list("name", flat=True))
    edited = DocumentEditor.objects.filter(document=document, user=user)
    known = set(edited.values_list("document_id", flat=True))
    return _why_not(rule, document, user, held, known, owned_lately(user, [rule]))


@audit.traces_refusals("rules.refused", "automations.rule", Refused, NotPossible)
@transaction.atomic
def keep(
    rule_id: int,
    *,
    document_id: int,
    sha256: str,
    next_on: date,
    note: str,
    figures: Mapping[str, Any],
    actor: Actor,
) -> RuleReview:
    """Say that a rule stays as it is, until its next review; raises Refused.

    `document_id` and `sha256` are of the version that was looked at, `figures` what was shown.
    """
    review = _review(rule_id, document_id, sha256, Verdict.KEEP, note, next_on, figures, actor)
    rule = Rule.objects.select_for_update(no_key=True).get(pk=rule_id)
    rules.describe_rule(rule_id, version=rule.version, actor=actor, review_on=next_on)
    return review


@audit.traces_refusals("rules.refused", "automations.rule", Refused, NotPossible)
@transaction.atomic
def ask_change(
    rule_id: int,
    *,
    document_id: int,
    sha256: str,
    note: str,
    figures: Mapping[str, Any],
    actor: Actor,
) -> RuleReview:
    """Ask for a change of a rule; its owner is told, and what is live stays. Raises Refused."""
    review = _review(rule_id, document_id, sha256, Verdict.CHANGE, note, None, figures, actor)
    rule = Rule.objects.select_related("owner").get(pk=rule_id)
    if rule.owner is not None and rule.owner_id != actor.user_id:
        text = f"The review of “{rule.name}” asks for a change: {note}"
        link = reverse("rule_detail", args=[rule.slug])
        notices.notify([rule.owner], text, link, key=f"review:{review.pk}")
    return review


@audit.traces_refusals("rules.refused", "automations.rule", Refused, NotPossible)
@transaction.atomic
def retire(
    rule_id: int,
    *,
    document_id: int,
    sha256: str,
    note: str,
    figures: Mapping[str, Any],
    actor: Actor,
) -> RuleReview:
    """End a rule for good, by one person; raises Refused."""
    review = _review(rule_id, document_id, sha256, Verdict.RETIRE, note, None, figures, actor)
    rule = Rule.objects.get(pk=rule_id)
    rules.retire_rule(rule_id, version=rule.version, why=note, actor=actor)
    return review


def _review(
    rule_id: int,
    document_id: int,
    sha256: str,
    verdict: RuleReview.Verdict,
    note: str,
    next_on: date | None,
    figures: Mapping[str, Any],
    actor: Actor,
) -> RuleReview:
    reviewer = doors.person_id(actor)
    made = doors.call(
        "review_rule",
        rule_id,
        document_id,
        sha256,
        reviewer,
        _role(document_id, reviewer),
        verdict.value,
        note,
        next_on,
        doors.as_json(figures),
    )
    return RuleReview.objects.get(pk=made)


def _role(document_id: int, user_id: int) -> str:
    risk = Document.objects.values_list("risk", flat=True).get(pk=document_id)
    held = set(User.objects.get(pk=user_id).groups.values_list("name", flat=True))
    return next((role for role in SUITABLE[risk] if role in held), "")


def in_a_year() -> date:
    """When a rule that is kept today is looked at next, unless someone says sooner."""
    return timezone.localdate() + queries.YEAR - queries.LEEWAY

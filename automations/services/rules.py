"""A rule's life in its owner's hands: created, described, submitted, retired."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from automations.actions import Risk, actions
from automations.conditions.problems import Problem
from automations.engine import schedule
from automations.engine.emergencies import acting as acting_emergency
from automations.models.documents import Document
from automations.models.rules import Draft, DraftRevision, Rule
from automations.rules.canonical import canonical, content_hash, contracts_of
from automations.rules.document import Do, Every, RuleDocument, walk_steps
from automations.rules.parsing import parse_document, read_document
from automations.rules.validating import validate_document
from automations.services import announcing, backtests, doors, emergencies, owners
from automations.services.errors import Invalid, NotPossible, Refused, Stale
from automations.triggers import triggers
from backoffice import audit, calendars
from backoffice.actors import Actor
from backoffice.models import User

# What a start names its trigger or its scan by.
STARTS = ("on", "for", "manual")
# Pages stand at these addresses.
RESERVED = ("stop", "templates", "inventory", "review", "import", "export")
# What an approver is shown unless they ask for less.
EVIDENCE_DAYS = 90
RISKS = [Risk.NONE, Risk.CUSTOMER, Risk.MONEY]
DESCRIBED = (
    "name",
    "purpose",
    "domain",
    "owner_id",
    "fallback",
    "review_on",
    "position",
    "expected_per_day_min",
    "expected_per_day_max",
    "minutes_saved",
)


def _free_slug(name: str) -> str:
    base = slugify(name)[:70] or "rule"
    taken = {*RESERVED, *Rule.objects.filter(slug__startswith=base).values_list("slug", flat=True)}
    if base not in taken:
        return base
    return next(f"{base}-{n}" for n in range(2, len(taken) + 3) if f"{base}-{n}" not in taken)


def _trigger_of(body: Any) -> str:
    """The trigger or scan that a draft names; empty while it names none."""
    start = body.get("trigger") if isinstance(body, dict) else None
    keys = [start.get(name) for name in STARTS] if isinstance(start, dict) else []
    return next((key for key in keys if isinstance(key, str)), "")


@transaction.atomic
def create_rule(
    *,
    name: str,
    domain: str,
    body: Any,
    actor: Actor,
    owner: User | None = None,
    purpose: str = "",
    fallback: str = "",
    review_on: date | None = None,
    slug: str = "",
    note: str = "",
) -> Rule:
    """Make a rule with its first draft, which may still have problems. `owner` None: the maker.

    `slug` empty: a free one from its name; raises IntegrityError for one that is taken.
    """
    person = doors.person_id(actor)
    rule = Rule.objects.create(
        slug=slug or _free_slug(name),
        name=name,
        domain=domain,
        purpose=purpose,
        fallback=fallback,
        review_on=review_on,
        owner_id=owner.pk if owner else person,
        created_by_id=person,
        trigger=_trigger_of(body)[:80],
    )
    Draft.objects.create(rule=rule, body=body, updated_by_id=person)
    DraftRevision.objects.create(rule=rule, number=1, body=body, editor_id=person, note=note)
    audit.record("rules.created", "automations.rule", rule.pk, actor=actor, slug=rule.slug)
    return rule


@audit.traces_refusals("rules.refused", "automations.rule", Refused)
@transaction.atomic
def describe_rule(rule_id: int, *, version: int, actor: Actor, **changes: Any) -> Rule:
    """Change what people read about a rule (see DESCRIBED), never what it does.

    Another owner of a rule in force is only asked for: `agree_to_owner` makes it so. Raises Stale,
    and Refused for a review of a rule in force that would come later.
    """
    rule = Rule.objects.select_for_update(no_key=True).get(pk=rule_id)
    if rule.version != version:
        raise Stale("Someone changed this rule meanwhile. Look at it before you save.")
    unknown = set(changes) - set(DESCRIBED)
    if unknown:
        raise NotPossible(f"{', '.join(sorted(unknown))} can't be changed here.")
    if owners.takes_two(rule, changes.get("owner_id")):
        owners.ask_owner(rule, changes.pop("owner_id"), actor=actor)
        if not changes:
            return rule
    told: dict[str, Any] = {"fields": sorted(changes)}
    if changes.get("owner_id", rule.owner_id) != rule.owner_id:
        told |= {"owner": changes["owner_id"], "owner_before": rule.owner_id}
    for name, value in changes.items():
        setattr(rule, name, value)
    rule.version += 1
    with doors.refusals():
        rule.save(update_fields=[*changes, "version"])
    if "position" in changes:
        doors.call("touch_epoch")
    audit.record("rules.described", "automations.rule", rule.pk, actor=actor, **told)
    return rule


def risk_of(document: RuleDocument) -> Risk:
    """The highest risk of its actions; an unknown action counts as money."""
    found = [Risk.NONE]
    for _, step in walk_steps(document.steps):
        if isinstance(step, Do):
            action = actions.get(step.do)
            found.append(action.risk if action else Risk.MONEY)
    return max(found, key=RISKS.index)


def problems_of(rule: Rule, body: Any) -> Sequence[Problem]:
    """What stands between this draft and its submission, notes included."""
    found = list(validate_document(body))
    if rule.owner is None:
        found.append(Problem("owner", "A rule needs an owner."))
    if not rule.fallback.strip():
        found.append(Problem("fallback", "Write what people do when this rule fails."))
    if not any(problem.blocks for problem in found):
        document = parse_document(body)
        found.extend(_calendar_missing(document))
        found.extend(_permissions_missing(rule, document))
    return found


def _calendar_missing(document: RuleDocument) -> list[Problem]:
    start = document.trigger
    if not isinstance(start, Every) or start.calendar is None:
        return []
    if start.calendar not in calendars.load([start.calendar]):
        return [Problem("trigger.calendar", f"There is no calendar “{start.calendar}”.")]
    if not schedule.upcoming(start, 1):
        words = "This schedule never comes round on an open day of its calendar."
        return [Problem("trigger.calendar", words)]
    return []


def _permissions_missing(rule: Rule, document: RuleDocument) -> list[Problem]:
    owner, found = rule.owner, []
    for path, step in walk_steps(document.steps):
        action = actions.get(step.do) if isinstance(step, Do) else None
        if action and owner and not owner.has_perm(action.permission):
            words = f"{owner} may not do “{action.label}”, so a rule of theirs may not either."
            found.append(Problem(f"{path}.do", words))
    return found


@audit.traces_refusals("rules.refused", "automations.rule", Refused)
@transaction.atomic
def submit_rule(rule_id: int, *, revision: int, why: str, actor: Actor) -> Document:
    """Freeze the draft as the next version and ask for approval.

    Replaces a candidate that still waits. Raises Stale, Invalid with the problems, or Refused.
    """
    rule = Rule.objects.select_related("owner").get(pk=rule_id)
    draft = Draft.objects.select_for_update(no_key=True).get(rule_id=rule_id)
    if draft.revision != revision:
        raise Stale("The draft changed after you looked at it. Look again, then submit.")
    found = [problem for problem in problems_of(rule, draft.body) if problem.blocks]
    if found:
        raise Invalid(found)
    document = parse_document(draft.body)
    text, contracts = canonical(document), contracts_of(document, triggers, actions)
    document_id = doors.call(
        "submit_document",
        "rule",
        rule.slug,
        rule.pk,
        text,
        [f"{name}={contracts[name]}" for name in sorted(contracts)],
        content_hash(text, [], contracts),
        risk_of(document).value,
        why,
        draft.updated_by_id,
        doors.person_id(actor),
        draft.revision,
    )
    submitted = Document.objects.select_related("rule", "submitted_by").get(pk=document_id)
    _gather_evidence(submitted, actor)
    announcing.submitted(submitted)
    return submitted


def _gather_evidence(document: Document, actor: Actor) -> None:
    """Begin what the approver will want to see."""
    if read_document(document.text).trigger_key is None:
        return
    known = backtests.evidence_for(document, EVIDENCE_DAYS)
    if known is None:
        backtests.ask_for_document(document, days=EVIDENCE_DAYS, actor=actor)


@audit.traces_refusals("rules.refused", "automations.document", Refused)
@transaction.atomic
def withdraw_document(document_id: int, *, why: str, actor: Actor) -> None:
    """Take a candidate back; raises Refused when it is in force or decided."""
    doors.call("withdraw_document", document_id, doors.person_id(actor), why)


@audit.traces_refusals("rules.refused", "automations.rule", Refused)
@transaction.atomic
def retire_rule(rule_id: int, *, version: int, why: str, actor: Actor) -> Rule:
    """End a rule for good: nothing of it matches any more; its history stays."""
    rule = Rule.objects.select_for_update(no_key=True).get(pk=rule_id)
    if rule.version != version:
        raise Stale("Someone changed this rule meanwhile. Look at it before you retire it.")
    if rule.retired_at is not None:
        raise Refused("This rule is retired already.")
    if (acting := acting_emergency(rule_id)) is not None:
        emergencies.end(acting, actor=actor)
    doors.call("end_activation", rule_id, doors.person_id(actor), why)
    rule.retired_at = timezone.now()
    rule.version += 1
    rule.save(update_fields=["retired_at", "version"])
    audit.record("rules.retired", "automations.rule", rule.pk, actor=actor, why=why)
    return rule

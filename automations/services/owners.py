"""Who owns a rule in force: asked for by one person, agreed to by another."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse

from automations.models.rules import Rule
from automations.services import doors
from automations.services.errors import NotPossible, Refused
from backoffice import audit, notices
from backoffice.actors import Actor
from backoffice.models import User

RULE = "automations.rule"


def takes_two(rule: Rule, owner_id: int | None) -> bool:
    """Whether this owner needs a second person: PostgreSQL refuses it by one, in these cases."""
    if owner_id is None or owner_id == rule.owner_id:
        return False
    if rule.owner is not None and not rule.owner.is_active:
        return False
    return bool(doors.call("agreed_to", rule.pk))


def ask_owner(rule: Rule, owner_id: int, *, actor: Actor) -> None:
    """Ask that somebody own a rule in force, and tell who can agree; raises Refused."""
    asker = doors.person_id(actor)
    doors.call("ask_owner", rule.pk, owner_id, asker)
    to = User.objects.get(pk=owner_id)
    text = f"{actor.label} asks that {to} own “{rule.name}”. A second person has to agree."
    people = [each for each in (to, rule.owner) if each is not None and each.pk != asker]
    key = f"owner:{rule.pk}:{owner_id}:{rule.version}"
    notices.notify(people, text, reverse("rule_detail", args=[rule.slug]), key=key)


@audit.traces_refusals("rules.refused", RULE, Refused, NotPossible)
@transaction.atomic
def agree_to_owner(rule_id: int, *, owner_id: int, actor: Actor) -> Rule:
    """Agree, as the second person, to who will own a rule; raises Refused.

    `owner_id` is whom the person saw.
    """
    doors.call("change_owner", rule_id, owner_id, doors.person_id(actor))
    return Rule.objects.select_related("owner").get(pk=rule_id)


@transaction.atomic
def keep_owner(rule_id: int, *, actor: Actor) -> Rule:
    """Leave it with the owner it has; one person may."""
    rule = Rule.objects.select_for_update(no_key=True, of=("self",)).get(pk=rule_id)
    if rule.next_owner_id is None:
        raise NotPossible("No other owner is asked for.")
    asked, rule.next_owner_id, rule.next_owner_by_id = rule.next_owner_id, None, None
    rule.save(update_fields=["next_owner", "next_owner_by"])
    audit.record("rules.owner_kept", RULE, rule.pk, actor=actor, owner=asked)
    return rule

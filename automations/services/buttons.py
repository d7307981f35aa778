"""A person's button: a live manual rule started for one record, once however often it is pressed.

A press is known by the rule, the record and the press before it, as the form saw it. So a double
click, a resubmit and a second tab that was opened beside the first all mean the same press.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.db import transaction

from automations.conditions.explaining import Explained
from automations.conditions.rechecking import Seen
from automations.engine import addressed, telling
from automations.engine.addressed import About
from automations.engine.compiled import Compiled
from automations.engine.in_force import Moment, moment
from automations.models.events import Event
from automations.models.rules import Rule
from automations.models.runs import run_id
from automations.models.schedules import PRESS, press_key
from automations.rules.document import Manual
from automations.services.errors import NotPossible, Refused, Stale
from automations.simulation.records import Standing, as_it_stands
from automations.triggers import Scan
from backoffice import subjects, timeline
from backoffice.actors import person
from backoffice.models import User

RUN = "automations.run"


@dataclass(frozen=True, slots=True)
class Button:
    """A live manual rule on one kind of record, for one person.

    `refusal` says why they may not press it, empty when they may.
    """

    rule: Rule
    compiled: Compiled
    refusal: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What pressing would start now. `refusal` is empty when it would start something."""

    told: Explained
    standing: Standing
    at: datetime
    refusal: str


@dataclass(frozen=True, slots=True)
class Pressed:
    """A press that is on record. `is_new` False: it was pressed already, and nothing was added."""

    event_id: int
    run_id: int
    is_new: bool


def buttons_for(label: str, user: User) -> list[Button]:
    """The live manual rules of a kind of record, by position; those refused to the person too."""
    at = moment()
    known = {
        active.rule_id: active.compiled
        for actives in at.rules.by_rule.values()
        for active in actives
        if not active.shadow
        and isinstance(active.compiled.document.trigger, Manual)
        and active.compiled.source.key == label
    }
    rules = Rule.objects.filter(pk__in=known).select_related("owner")
    return [
        Button(rule, known[rule.pk], _refusal(rule.pk, known[rule.pk], user, at))
        for rule in rules.order_by("position", "name")
    ]


def _refusal(rule_id: int, compiled: Compiled, user: User, at: Moment) -> str:
    if at.stopped.holds(rule_id):
        return "It is stopped."
    subject = subjects.get(compiled.source.subject)
    if not user.has_perm(subject.view_permission):
        return f"You may not see this {subject.noun}."
    for action in compiled.actions.values():
        if not user.has_perm(action.permission):
            return f"You may not do “{action.label}”, which it does."
    return ""


def button_for(label: str, rule_id: int, user: User) -> Button:
    """One of them; raises NotPossible when it is no button any more."""
    for button in buttons_for(label, user):
        if button.rule.pk == rule_id:
            return button
    raise NotPossible("This rule has no button here any more.")


def presses_of(label: str, subject_id: int, rule_ids: Sequence[int]) -> dict[int, Event]:
    """The last press of each rule on a record, by rule."""
    pressed = Event.objects.filter(
        subject=label, subject_id=subject_id, rule_id__in=rule_ids, key__startswith=PRESS
    )
    return {event.rule_id or 0: event for event in pressed.order_by("id")}


def judge(button: Button, subject_id: int) -> Verdict:
    """What the rule's conditions say of the record now; raises NotPossible when it is gone."""
    compiled, now = button.compiled, moment().now
    standing = as_it_stands(cast(Scan, compiled.source), subject_id)
    if standing is None:
        raise NotPossible("No rule can be started here: it is gone, or imported history.")
    told = compiled.explain(Seen(standing.facts, standing.lists, now))
    return Verdict(told, standing, now, _why_not(compiled, told))


def _why_not(compiled: Compiled, told: Explained) -> str:
    if told.verdict == "no":
        return "Its conditions are not met, so it would do nothing."
    if told.verdict == "unknown" and compiled.document.missing_data == "skip":
        return telling.unknown(told)
    return ""


@transaction.atomic
def press(label: str, rule_id: int, subject_id: int, *, after: int, user: User) -> Pressed:
    """Start the rule for the record, as this person.

    `after` is the press before it that the form was shown, 0 for none: the same again is the same
    press. Raises Refused when they may not, Stale when someone pressed it meanwhile, NotPossible
    when it would start nothing.
    """
    button = button_for(label, rule_id, user)
    key = press_key(rule_id, subject_id, after)
    # Read before the press itself is looked for: whatever comes between the two is then seen there.
    last = presses_of(label, subject_id, [rule_id]).get(rule_id)
    if (known := Event.objects.filter(key=key).first()) is not None:
        return Pressed(known.pk, run_id(known.pk, rule_id), is_new=False)
    if button.refusal:
        raise Refused(button.refusal)
    if (last.pk if last else 0) != after:
        raise Stale("Someone started it meanwhile. Look at what it did before you start it again.")
    verdict = judge(button, subject_id)
    if verdict.refusal:
        raise NotPossible(verdict.refusal)
    return _write(button, verdict.standing, key, user)


def _write(button: Button, standing: Standing, key: str, user: User) -> Pressed:
    rule, actor = button.rule, person(user)
    about = About(key, standing.subject_id, standing.version, standing.facts, standing.lists)
    written = addressed.record(button.compiled.source, rule.pk, [about], actor)
    if not written:  # pressed at the same moment in another tab
        known = Event.objects.get(key=key)
        return Pressed(known.pk, run_id(known.pk, rule.pk), is_new=False)
    pressed = Pressed(written[0], run_id(written[0], rule.pk), is_new=True)
    label = button.compiled.source.subject
    entry = timeline.Happened(
        label,
        standing.subject_id,
        f"Started the rule “{rule.name}”",
        actor,
        link=(RUN, pressed.run_id),
    )
    timeline.record([entry])
    return pressed

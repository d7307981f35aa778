"""The filters of the list of runs. Runs carry ids alone, so most look elsewhere for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from automations.models.documents import Document
from automations.models.events import Event
from automations.models.figures import Overrun
from automations.models.rules import RULE_SPAN, Rule
from automations.models.runs import Run
from automations.triggers import scans, triggers
from backoffice import subjects
from backoffice.actors import ActorKind
from backoffice.workbench.filters import Age, Choice, FilterError, Key, Moment, Text, yes_no

ACTORS = {
    ActorKind.PERSON: "a person",
    ActorKind.RULE: "a rule",
    ActorKind.OUTSIDE: "an outside system",
    ActorKind.IMPORT: "an import",
    ActorKind.SYSTEM: "Countersign",
}


def noun(label: str) -> str:
    """What a kind of subject is called; its label where no app knows it any more."""
    try:
        return subjects.get(label).noun
    except KeyError:
        return label


def rule_options() -> list[tuple[str, str]]:
    return [
        (slug, name) for slug, name in Rule.objects.order_by("name").values_list("slug", "name")
    ]


def trigger_options() -> list[tuple[str, str]]:
    found = [(trigger.key, trigger.label) for trigger in triggers]
    return [*found, *((scan.key, f"{scan.label}: schedule or button") for scan in scans)]


def subject_options() -> list[tuple[str, str]]:
    return [
        (label, noun(label)) for label in sorted({known.subject for known in (*triggers, *scans)})
    ]


@dataclass(frozen=True, kw_only=True)
class OfRule(Choice):
    """Runs of some rules, by slug."""

    def condition(self, values: Sequence[str]) -> Q:
        super().condition(values)
        ids = list(Rule.objects.filter(slug__in=values).values_list("pk", flat=True))
        return Q(rule_id__in=ids)


@dataclass(frozen=True, kw_only=True)
class OnTrigger(Choice):
    """Runs of the rules that start on some triggers."""

    def condition(self, values: Sequence[str]) -> Q:
        super().condition(values)
        ids = list(Rule.objects.filter(trigger__in=values).values_list("pk", flat=True))
        return Q(rule_id__in=ids)


@dataclass(frozen=True, kw_only=True)
class SetOffBy(Choice):
    """Runs whose event was caused by a kind of actor."""

    def condition(self, values: Sequence[str]) -> Q:
        super().condition(values)
        return Q(event_id__in=Event.objects.filter(actor_kind__in=values).values("pk"))


def _number(label: str, value: str) -> int:
    if not value.isdecimal() or len(value) > 12:
        raise FilterError(f"{label} can't be “{value}”.")
    return int(value)


@dataclass(frozen=True, kw_only=True)
class OfEvent(Text):
    """Runs of one event, along their key."""

    def condition(self, values: Sequence[str]) -> Q:
        found = Q()
        for value in values:
            first = _number(self.label, value) * RULE_SPAN
            found |= Q(pk__gte=first, pk__lt=first + RULE_SPAN)
            found |= Q(pk__lte=-first, pk__gt=-first - RULE_SPAN)  # shadows
        return found


@dataclass(frozen=True, kw_only=True)
class OfVersion(Text):
    """Runs of a version of their rule."""

    def condition(self, values: Sequence[str]) -> Q:
        numbers = [_number(self.label, value.removeprefix("v")) for value in values]
        return Q(document_id__in=Document.objects.filter(version__in=numbers).values("pk"))


@dataclass(frozen=True, kw_only=True)
class Overran(Choice):
    """Runs that took too long, by what at."""

    def condition(self, values: Sequence[str]) -> Q:
        super().condition(values)
        return Q(pk__in=Overrun.objects.filter(kind__in=values).values("run_id"))


@dataclass(frozen=True, kw_only=True)
class LateNoticed(Moment):
    """Runs that began late, by when that was noticed."""

    def condition(self, values: Sequence[str]) -> Q:
        late = Overrun.objects.filter(super().condition(values), kind=Overrun.Kind.START)
        return Q(pk__in=late.values("run_id"))


RUN_FILTERS = (
    OfRule(key="rule", label="Rule", options=rule_options, pinned=True),
    Choice(key="state", label="State", options=Run.State.choices, pinned=True),
    OnTrigger(key="trigger", label="Starts on", options=trigger_options, pinned=True),
    Choice(key="about", label="About", options=subject_options, field="subject"),
    SetOffBy(
        key="actor", label="Set off by", options=[(kind.value, ACTORS[kind]) for kind in ActorKind]
    ),
    yes_no("shadow", "In shadow", Q(shadow=True)),
    Age(key="age", label="Age", field="created_at"),
    Moment(key="began", label="Started", field="created_at"),
    Moment(key="finished", label="Ended", field="finished_at"),
    OfEvent(key="event", label="Event’s number"),
    OfVersion(key="version", label="Version of the rule"),
    Key(key="record", label="Record’s id", field="subject_id"),
    Text(key="ended", label="How it ended", field="outcome"),
    Text(key="lane", label="Connector", field="lane", lookup="exact"),
    Overran(key="overran", label="Took too long", options=Overrun.Kind.choices),
    LateNoticed(key="late", label="Late, noticed", field="noticed_at"),
)

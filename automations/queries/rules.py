"""Rules as lists and pages show them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from django.contrib.auth.models import Permission
from django.db.models import (
    Count,
    Exists,
    F,
    FilteredRelation,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from automations.models.documents import Activation, Approval, Document, Stop
from automations.models.failures import Failure
from automations.models.rules import RULE_SPAN, Draft, DraftRevision, Rule
from automations.models.runs import Run
from automations.models.schedules import ScheduleSlot
from automations.queries.events import first_since
from backoffice.models import User

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


class RuleRow(TypedDict):
    """What a rule's row shows beside its own fields.

    `live_…` None: not in force; `last_slot_at` None: it has not come round yet;
    `shadow_version` None: none runs in shadow; `candidate_…` of a version that waits, None:
    none waits; `last_fired_at` None: never.
    """

    live_document_id: int | None
    live_version: int | None
    live_since: datetime | None
    live_text: str | None
    last_slot_at: datetime | None
    is_stopped: bool
    shadow_version: int | None
    candidate_state: str | None
    candidate_id: int | None
    last_fired_at: datetime | None
    runs_24h: int
    runs_7d: int
    open_cases: int


CANDIDATE = [Document.State.SUBMITTED, Document.State.CHANGES, Document.State.APPROVED]
IN_FORCE = Q(activations__until_at=None, activations__mode=Activation.Mode.LIVE)


def last_fired() -> Subquery:
    """When a rule last began a run that acts, for rows of rules."""
    runs = Run.objects.filter(rule_id=OuterRef("pk"), pk__gt=0)
    return Subquery(runs.order_by("-id").values("created_at")[:1])


def recent_runs() -> QuerySet[Run]:
    """The runs of the last seven days that act, for rows of rules."""
    week = first_since(timezone.now() - timedelta(days=7))
    # Along the index of a rule's runs, whose keys begin with the event's id; shadows' are negative.
    return Run.objects.filter(rule_id=OuterRef("pk"), pk__gte=max(1, week * RULE_SPAN)).order_by()


def of_a_day(recent: QuerySet[Run]) -> QuerySet[Run]:
    """Those of these runs that began in the last 24 hours, whatever became of them."""
    return recent.filter(created_at__gte=timezone.now() - timedelta(days=1))


def how_many(runs: QuerySet[Run]) -> Coalesce:
    """The number of these runs, for rows of rules."""
    counted = runs.values("rule_id").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def rule_list() -> QuerySet[WithAnnotations[Rule, RuleRow]]:
    """All rules as RuleRow describes them, by trigger and position."""
    recent = recent_runs()
    cases = Failure.objects.filter(rule=OuterRef("pk")).exclude(state=Failure.State.RESOLVED)
    slots = ScheduleSlot.objects.filter(rule=OuterRef("pk"), shadow=False)
    candidate = Document.objects.never_in_force().filter(rule=OuterRef("pk"), state__in=CANDIDATE)
    candidate = candidate.order_by("-version")
    shadow = Activation.objects.in_shadow().filter(rule=OuterRef("pk"))
    return (
        Rule.objects.select_related("owner")
        .annotate(live=FilteredRelation("activations", condition=IN_FORCE))
        .annotate(
            live_document_id=F("live__document_id"),
            live_version=F("live__document__version"),
            live_since=F("live__from_at"),
            live_text=F("live__document__text"),
            last_slot_at=Subquery(slots.order_by("-fire_at").values("fire_at")[:1]),
            is_stopped=Exists(Stop.objects.filter(rule=OuterRef("pk"), lifted_at=None)),
            shadow_version=Subquery(shadow.values("document__version")[:1]),
            candidate_state=Subquery(candidate.values("state")[:1]),
            candidate_id=Subquery(candidate.values("pk")[:1]),
            last_fired_at=last_fired(),
            runs_24h=how_many(of_a_day(recent)),
            runs_7d=how_many(recent),
            open_cases=Coalesce(
                Subquery(
                    cases.order_by().values("rule").annotate(n=Count("pk")).values("n"),
                    output_field=IntegerField(),
                ),
                0,
            ),
        )
        .order_by("trigger", "position", "name")
    )


def live_document(rule: Rule) -> Document | None:
    """The version in force; None when there is none."""
    opened = Activation.objects.in_force().filter(rule=rule).select_related("document").first()
    return opened.document if opened else None


def shadow_of(rule: Rule) -> Activation | None:
    """The version that runs in shadow now, as its period; None when there is none."""
    return Activation.objects.in_shadow().filter(rule=rule).select_related("document").first()


def candidate(rule: Rule) -> Document | None:
    """The version that waits for approval or for being put in force; None when there is none."""
    found = Document.objects.never_in_force().filter(rule=rule, state__in=CANDIDATE)
    return found.order_by("-version").first()


def sent_back(rule: Rule) -> Approval | None:
    """The verdict that sent the newest version back or turned it down; None where none did."""
    newest = Document.objects.filter(rule=rule).order_by("-version").first()
    if newest is None or newest.state == Document.State.SUBMITTED:
        return None
    against = [Approval.Verdict.CHANGES, Approval.Verdict.REJECT]
    found = newest.approvals.select_related("approver", "document").order_by("-at").first()
    return found if found is not None and found.verdict in against else None


def versions(rule: Rule) -> QuerySet[Document]:
    """Every submitted version, newest first, with its people and verdicts."""
    return (
        Document.objects.filter(rule=rule)
        .select_related("author", "submitted_by", "existing", "rule")
        .prefetch_related("approvals__approver", "activations__activated_by")
        .order_by("-version")
    )


def draft_of(rule: Rule) -> Draft:
    """The rule's draft."""
    return Draft.objects.select_related("updated_by").get(rule=rule)


def revisions(rule: Rule) -> QuerySet[DraftRevision]:
    """What was saved of the draft, newest first."""
    return DraftRevision.objects.filter(rule=rule).select_related("editor").order_by("-number")


def open_stop(rule: Rule | None) -> Stop | None:
    """The stop of a rule (None: of all rules) that is in force; None when there is none."""
    found = Stop.objects.filter(rule=rule, lane="", lifted_at=None)
    return found.select_related("stopped_by", "asked_by").first()


def open_stops() -> QuerySet[Stop]:
    """Everything that is stopped now, and who asked to start it again."""
    return (
        Stop.objects.filter(lifted_at=None)
        .select_related("rule", "stopped_by", "asked_by")
        .order_by("-stopped_at")
    )


def owners() -> QuerySet[User]:
    """Who may own a rule: active staff who may change one."""
    may = Permission.objects.filter(codename="change_rule", content_type__app_label="automations")
    return (
        User.objects.filter(is_active=True)
        .filter(Q(groups__permissions__in=may) | Q(user_permissions__in=may))
        .distinct()
        .order_by("first_name", "last_name", "username")
    )

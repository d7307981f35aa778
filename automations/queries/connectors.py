"""Systems outside as screens show them: health, queues, secrets and calls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from django.db.models import (
    Count,
    Exists,
    F,
    IntegerField,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce, TruncMinute
from django.utils import timezone

from automations.models.connectors import SCOPE, CallLog, ConnectorAccount, ConnectorState, Secret
from automations.models.documents import Activation, Document, Stop
from automations.models.runs import Effect, Run
from automations.queries.rules import CANDIDATE

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


class AccountRow(TypedDict):
    """What an account's row shows beside its own fields; `live_version` None: nothing acts."""

    breaker: str
    opened_at: datetime | None
    last_ok_at: datetime | None
    is_stopped: bool
    live_version: int | None
    candidate_id: int | None
    queued: int
    parked: int
    calling: int
    doubtful: int
    calls_24h: int
    failed_24h: int


NOT_WELL = [CallLog.Outcome.DOWN, CallLog.Outcome.DOUBT, CallLog.Outcome.LATER, CallLog.Outcome.BUG]


def _count(rows: QuerySet[Run] | QuerySet[Effect], by: str = "lane") -> Coalesce:
    counted = rows.order_by().values(by).annotate(n=Count("*")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def _calls(**wanted: object) -> Coalesce:
    since = timezone.now() - timedelta(days=1)
    rows = CallLog.objects.filter(account=OuterRef("pk"), at__gte=since, **wanted)
    counted = rows.order_by().values("account").annotate(n=Count("*")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def account_list() -> QuerySet[WithAnnotations[ConnectorAccount, AccountRow]]:
    """All accounts as AccountRow describes them, by name."""
    runs = Run.objects.filter(lane=OuterRef("key"))
    live = Activation.objects.in_force().filter(kind=SCOPE, key=OuterRef("key"))
    candidate = Document.objects.never_in_force().filter(
        kind=SCOPE, key=OuterRef("key"), state__in=CANDIDATE
    )
    return (
        ConnectorAccount.objects.select_related("owner")
        .annotate(
            breaker=F("state__breaker"),
            opened_at=F("state__opened_at"),
            last_ok_at=F("state__last_ok_at"),
            is_stopped=Exists(Stop.objects.filter(lane=OuterRef("key"), lifted_at=None)),
            live_version=Subquery(live.values("document__version")[:1]),
            candidate_id=Subquery(candidate.order_by("-version").values("pk")[:1]),
            queued=_count(runs.filter(state__in=[Run.State.DUE, Run.State.WAITING])),
            parked=_count(runs.filter(state=Run.State.PARKED)),
            calling=_count(runs.filter(state=Run.State.CALLING)),
            doubtful=_count(
                Effect.objects.filter(lane=OuterRef("key"), state=Effect.State.IN_DOUBT)
            ),
            calls_24h=_calls(sent=True),
            failed_24h=_calls(outcome__in=NOT_WELL),
        )
        .order_by("name")
    )


def how_many_down() -> int:
    """Accounts that do not answer now."""
    return ConnectorState.objects.exclude(breaker=ConnectorState.Breaker.CLOSED).count()


def open_stop(key: str) -> Stop | None:
    """The stop of a connector that is in force; None when there is none."""
    found = Stop.objects.filter(lane=key, lifted_at=None)
    return found.select_related("stopped_by", "asked_by").first()


def candidate(key: str) -> Document | None:
    """The scope that waits for approval or for being put in force; None when there is none."""
    found = Document.objects.never_in_force().filter(kind=SCOPE, key=key, state__in=CANDIDATE)
    return found.order_by("-version").first()


def scopes(key: str) -> QuerySet[Document]:
    """Every submitted scope, newest first, with its people and verdicts."""
    return (
        Document.objects.filter(kind=SCOPE, key=key)
        .select_related("submitted_by")
        .prefetch_related("approvals__approver", "activations")
        .order_by("-version")
    )


class SecretRow(TypedDict):
    """`last_used_at` None: never."""

    last_used_at: datetime | None


def secrets_of(account: ConnectorAccount) -> QuerySet[WithAnnotations[Secret, SecretRow]]:
    """An account's secrets, live ones first, newest first; never their values."""
    used = CallLog.objects.filter(secret_id=OuterRef("pk")).order_by("-id")
    return (
        Secret.objects.filter(account=account)
        .defer("sealed")
        .select_related("created_by", "retired_by")
        .annotate(last_used_at=Subquery(used.values("at")[:1]))
        .order_by(F("retired_at").desc(nulls_first=True), "name", "-created_at")
    )


def parked_runs(key: str, limit: int) -> list[Run]:
    """The runs that wait for a connector, oldest first."""
    found = Run.objects.filter(
        lane=key, state=Run.State.PARKED, parked_for=Run.Parked.CONNECTOR
    ).order_by("run_after", "id")
    return list(found[:limit])


def last_errors(account: ConnectorAccount, limit: int = 5) -> list[CallLog]:
    """The latest calls that went wrong."""
    found = CallLog.objects.filter(account=account, outcome__in=NOT_WELL).order_by("-id")
    return list(found[:limit])


def calls_of_run(run_id: int) -> QuerySet[CallLog]:
    """What was called for a run, oldest first."""
    return CallLog.objects.filter(run_id=run_id).select_related("account").order_by("id")


def figures(account: ConnectorAccount, days: int = 30) -> dict[str, object]:
    """How an account was used lately: what an approver of its scope looks at."""
    since = timezone.now() - timedelta(days=days)
    calls = CallLog.objects.filter(account=account, at__gte=since)
    counted = calls.aggregate(
        calls=Count("pk", filter=Q(sent=True)),
        throttled=Count("pk", filter=Q(outcome=CallLog.Outcome.THROTTLED)),
        failed=Count("pk", filter=Q(outcome__in=NOT_WELL)),
        slowest_ms=Max("took_ms"),
    )
    busiest = (
        calls.filter(sent=True)
        .annotate(minute=TruncMinute("at"))
        .values("minute")
        .annotate(n=Count("pk"))
        .order_by("-n")
        .values_list("n", flat=True)
        .first()
    )
    return {"days": days, **counted, "busiest_minute": busiest or 0}

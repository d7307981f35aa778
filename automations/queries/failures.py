"""Cases as the queue shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Count, Max, Min, QuerySet, Sum
from django.db.models.expressions import RawSQL

from automations.models.failures import Failure, FailureAction
from backoffice import subjects


def inbox() -> QuerySet[Failure]:
    """What someone has to look at, by priority and due time; snoozed ones are left out."""
    return (
        Failure.objects.filter(state__in=[Failure.State.OPEN, Failure.State.RETRYING])
        .select_related("rule", "owner")
        .order_by("priority", "due_at", "id")
    )


@dataclass(frozen=True, slots=True)
class Cause:
    """Open cases of one cause. Money is summed by currency."""

    cause: str
    words: str
    error: str
    cases: int
    oldest: datetime
    due: datetime
    priority: int
    at_stake: dict[str, Decimal]


def causes() -> list[Cause]:
    """Open cases grouped by cause, the largest group first."""
    waiting = Failure.objects.filter(state=Failure.State.OPEN).order_by()
    groups = waiting.values("cause").annotate(
        words=Max("cause_words"),
        errors=Max("error"),
        cases=Count("pk"),
        oldest=Min("opened_at"),
        due=Min("due_at"),
        worst=Min("priority"),
    )
    money: dict[str, dict[str, Decimal]] = {}
    for row in (
        waiting.exclude(at_stake=None)
        .values("cause", "at_stake_currency")
        .annotate(total=Sum("at_stake"))
    ):
        money.setdefault(row["cause"], {})[row["at_stake_currency"]] = row["total"]
    found = [
        Cause(
            row["cause"],
            row["words"],
            row["errors"],
            row["cases"],
            row["oldest"],
            row["due"],
            row["worst"],
            money.get(row["cause"], {}),
        )
        for row in groups
    ]
    return sorted(found, key=lambda group: (-group.cases, group.priority, group.words))


# Counted along an index; the words of the few that are left are looked up one by one.
COMMONEST = """
SELECT c.cause, (SELECT cause_words FROM automations_failure f WHERE f.cause = c.cause LIMIT 1), c.n
FROM (SELECT cause, count(*) AS n FROM automations_failure WHERE state = 'open'
    GROUP BY cause ORDER BY 2 DESC, 1 LIMIT %s) c ORDER BY c.n DESC, c.cause
"""


def commonest_causes(limit: int = 30) -> list[tuple[str, str, int]]:
    """The causes of most open cases: each with its words and how many there are."""
    with connection.cursor() as cursor:
        cursor.execute(COMMONEST, [limit])
        return [(cause, words, number) for cause, words, number in cursor.fetchall()]


def frozen_set(cause: str) -> list[tuple[int, int]]:
    """The open cases of a cause as (id, version): what a bulk verb is asked to work on."""
    found = Failure.objects.filter(cause=cause, state=Failure.State.OPEN)
    return list(found.order_by("id").values_list("pk", "version"))


def versions_of(ids: Iterable[int]) -> dict[int, int]:
    """The versions of cases as they are now, by id."""
    return dict(_by_ids(ids).values_list("pk", "version"))


def sums_of(ids: Iterable[int]) -> dict[str, Decimal]:
    """The money that cases put at stake together, by currency."""
    rows = _by_ids(ids).exclude(at_stake=None).order_by().values("at_stake_currency")
    return {row["at_stake_currency"]: row["sum"] for row in rows.annotate(sum=Sum("at_stake"))}


def _by_ids(ids: Iterable[int]) -> QuerySet[Failure]:
    """One argument, however many they are."""
    return Failure.objects.filter(pk__in=RawSQL("SELECT unnest(%s::bigint[])", [list(ids)]))


def case_log(failure: Failure) -> QuerySet[FailureAction]:
    """What was done about a case, oldest first."""
    return failure.log.select_related("user").order_by("id")


def changed_since(failures: Iterable[Failure]) -> dict[int, bool]:
    """Whether each case's subject changed after it failed; a subject that is gone has changed."""
    rows = [case for case in failures if case.subject and case.subject_version is not None]
    now: dict[tuple[str, int | None], int] = {}
    for label in {case.subject for case in rows}:
        ids = {case.subject_id for case in rows if case.subject == label}
        found = subjects.get(label).model._default_manager.filter(pk__in=ids)
        now.update(((label, pk), version) for pk, version in found.values_list("pk", "version"))
    return {
        case.pk: now.get((case.subject, case.subject_id)) != case.subject_version for case in rows
    }


# The first button is what helps, which is not always retry.
_RECOMMENDED = {
    Failure.Error.REJECTED: "edit",
    Failure.Error.BUG: "by_hand",
    Failure.Error.RETRIES: "retry",
    Failure.Error.CRASH: "by_hand",
    Failure.Error.MISSING: "retry",
    Failure.Error.LOOP: "end",
    Failure.Error.DOUBT: "by_hand",
    Failure.Error.DOWN: "by_hand",
    Failure.Error.STALE: "end",
    Failure.Error.UNANSWERED: "retry",
    Failure.Error.QUESTION: "answer",
    Failure.Error.UNSURE: "confirm",
    Failure.Error.LIMIT: "release",
    Failure.Error.FIRST_LOOK: "release",
    Failure.Error.DOMAIN: "solve",
}
# What would fail again says so.
WOULD_FAIL_AGAIN = (Failure.Error.REJECTED, Failure.Error.BUG, Failure.Error.CRASH)


def recommended(failure: Failure, *, changed: bool = False) -> str:
    """The verb to offer first: retry, edit, by_hand, end, answer, confirm, release or solve.

    `changed`: the subject changed since, so that what was refused may pass now.
    """
    error = Failure.Error(failure.error)
    if changed and error == Failure.Error.REJECTED:
        return "retry"
    return _RECOMMENDED.get(error, "")


def cases_of_subject(label: str, subject_id: int) -> QuerySet[Failure]:
    """One record's cases, open ones first."""
    return (
        Failure.objects.filter(subject=label, subject_id=subject_id)
        .select_related("rule", "owner")
        .order_by("resolved_at", "-id")
    )

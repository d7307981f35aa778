"""The inventory of rules: what each is for, how it does beside its own past, and what is wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    DecimalField,
    Exists,
    ExpressionWrapper,
    F,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)

from automations.models.failures import Failure
from automations.models.inventory import RuleStanding
from automations.models.rules import Rule
from automations.queries.reviews import with_due
from automations.queries.rules import how_many, last_fired, of_a_day, recent_runs, rule_list
from backoffice.models import User

# A usual day is the median of so many, and known after a week.
HISTORY_DAYS = 28
LEAST_DAYS = 7
# Not fired for so long is stale; a button, which people press when they need it, gets longer.
STALE_DAYS = 30
UNPRESSED = 90
# Fewer runs a day than these are never noisy.
FEW_RUNS = 10
# What one run saves where its rule does not say.
MINUTES = Decimal(2)

OWNERLESS = Q(owner=None) | Q(owner__is_active=False)
FLAGS = {
    "stale": Q(standing__is_stale=True),
    "silent": Q(standing__is_silent=True),
    "noisy": Q(standing__is_noisy=True),
    "ownerless": OWNERLESS & Q(is_live=True),
    "overdue": Q(is_due=True),
}
IN_TROUBLE = FLAGS["stale"] | FLAGS["silent"] | FLAGS["noisy"]
FLAGGED = IN_TROUBLE | FLAGS["ownerless"] | FLAGS["overdue"]
_MINUTES = Case(When(minutes_saved=0, then=Value(MINUTES)), default=F("minutes_saved"))


def inventory(user: User) -> QuerySet[Any]:
    """Every rule that is not retired, with what filters and sorting ask."""
    cases = Failure.objects.filter(rule=OuterRef("pk")).exclude(state=Failure.State.RESOLVED)
    found: QuerySet[Any] = with_due(Rule.objects.filter(retired_at=None)).annotate(
        is_mine=ExpressionWrapper(Q(owner_id=user.pk), output_field=BooleanField()),
        has_cases=Exists(cases),
        last_fired_at=last_fired(),
        runs_24h=how_many(of_a_day(recent_runs())),
        minutes_month=ExpressionWrapper(
            F("standing__done_month") * _MINUTES,
            output_field=DecimalField(max_digits=14, decimal_places=2),
        ),
    )
    return found


def with_cells(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The rows of one page, with what their cells show: state and runs as on the rule's page."""
    rows_of = rule_list().filter(pk__in=rows.values("pk"))
    shown: QuerySet[Any] = with_due(rows_of).select_related("owner", "standing")
    return shown


def standing_of(rule: Rule) -> RuleStanding | None:
    """How a rule does; None where nobody has looked yet."""
    return RuleStanding.objects.filter(rule=rule).first()


def saved(rule: Rule, standing: RuleStanding | None) -> timedelta | None:
    """The hand work that a rule's runs of 30 days saved; None: nobody has looked yet."""
    if standing is None:
        return None
    return timedelta(minutes=float(standing.done_month * (rule.minutes_saved or MINUTES)))


def saved_by_all(rows: QuerySet[Any]) -> timedelta:
    """The hand work that these rules' runs of 30 days saved."""
    total = rows.aggregate(total=Sum("minutes_month"))["total"]
    return timedelta(minutes=float(total or 0))


def looked_at() -> datetime | None:
    """When the rules were last looked at; None: not yet."""
    found: datetime | None = RuleStanding.objects.aggregate(at=Max("at"))["at"]
    return found

"""When rules are due for review. One in force is looked at within a year, whatever date it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import (
    BooleanField,
    DateField,
    Exists,
    F,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.expressions import CombinedExpression, ExpressionWrapper
from django.db.models.functions import Cast, Greatest, Least
from django.utils import timezone

from automations.models.documents import Activation
from automations.models.reviews import RuleReview
from automations.models.rules import Rule
from backoffice.models import User

# At the longest; PostgreSQL holds it (`automations_review_due`).
YEAR = timedelta(days=366)
# Who reviews stands in a time zone, PostgreSQL in UTC.
LEEWAY = timedelta(days=1)
# What was reviewed lately counts as one round of the walk.
ROUND = timedelta(days=30)

# Each owner of a rule that is due, and each person who could say that it stays.
WAITING = """
WITH due AS (
    SELECT r.id, r.owner_id, d.id AS document_id, d.risk
    FROM automations_activation a JOIN automations_document d ON d.id = a.document_id
    JOIN automations_rule r ON r.id = a.rule_id
    WHERE a.mode = 'live' AND a.until_at IS NULL AND r.retired_at IS NULL
        AND automations_review_due(r.id, r.review_on) <= %s
)
SELECT who.id, count(DISTINCT who.rule_id) FROM (
    SELECT owner_id AS id, id AS rule_id FROM due
    UNION ALL
    SELECT m.user_id, due.id FROM due JOIN auth_group g ON automations_role_suits(due.risk, g.name)
    JOIN backoffice_user_groups m ON m.group_id = g.id
    WHERE m.user_id IS DISTINCT FROM due.owner_id AND NOT EXISTS (
        SELECT FROM automations_documenteditor e
        WHERE e.document_id = due.document_id AND e.user_id = m.user_id)) who
WHERE who.id IS NOT NULL GROUP BY 1
"""


def with_due(rows: QuerySet[Rule]) -> QuerySet[Any]:
    """Rules with `is_live`, `due_on` and `is_due`: in force, and its review is due today."""
    live = Activation.objects.in_force().filter(rule=OuterRef("pk"))
    kept = RuleReview.objects.filter(rule=OuterRef("pk"), verdict=RuleReview.Verdict.KEEP)
    last = Subquery(kept.order_by().values("rule").annotate(last=Max("at")).values("last"))
    year: CombinedExpression = Greatest(F("standing__live_since"), last) + YEAR
    return rows.annotate(
        is_live=Exists(live), due_on=Least("review_on", Cast(year, DateField()))
    ).annotate(
        is_due=ExpressionWrapper(
            Q(is_live=True, due_on__isnull=False, due_on__lte=timezone.localdate()),
            output_field=BooleanField(),
        )
    )


def due_now() -> QuerySet[Any]:
    """Rules in force whose review is due."""
    return with_due(Rule.objects.filter(retired_at=None)).filter(is_due=True)


def changes_asked_for(rule_ids: Iterable[int | None]) -> dict[int, RuleReview]:
    """The newest review of each of these rules, where it asks for a change."""
    newest = (
        RuleReview.objects.filter(rule__in=list(rule_ids))
        .select_related("reviewer")
        .order_by("rule_id", "-at", "-pk")
        .distinct("rule_id")
    )
    return {each.rule_id: each for each in newest if each.verdict == RuleReview.Verdict.CHANGE}


def reviews_of(rule: Rule) -> QuerySet[RuleReview]:
    """What reviews said of a rule, newest first."""
    found = RuleReview.objects.filter(rule=rule).select_related("reviewer", "document")
    return found.order_by("-at", "-pk")


def reviewed_lately() -> int:
    """How many rules the round under way has gone through."""
    since = timezone.now() - ROUND
    done = RuleReview.objects.filter(at__gte=since)
    return done.values("rule").distinct().count()


def waiting_for_everyone() -> Sequence[tuple[User, int]]:
    """Everyone whom due reviews wait for, with how many: owners, and who could keep the rule."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [timezone.localdate()])
        counted = dict(cursor.fetchall())
    people = User.objects.filter(pk__in=counted, is_active=True).order_by("pk")
    return [(user, counted[user.pk]) for user in people]

"""Cases that nobody has dealt with in time: raised, and told to more and more people.

Past its due time a case's priority goes up by one and its owner is told; after twice the time it
had, everyone with the owner's role is. Each step is taken once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from django.db import transaction
from django.urls import reverse

from automations.engine import database
from automations.models.failures import Failure, FailureAction
from automations.models.rules import Rule
from backoffice import notices
from backoffice.models import User

AT_ONCE = 500
WORKS = "automations.work_failure"

# A question has its own end (automations.engine.questions). What is put aside, or being retried,
# is waited for on purpose.
LATE = """
WITH l AS MATERIALIZED (
    SELECT id, escalated + 1 AS step FROM automations_failure
    WHERE state = 'open' AND error <> 'question' AND escalated < 2
        AND due_at <= statement_timestamp()
        AND (escalated = 0 OR due_at + (due_at - opened_at) <= statement_timestamp())
    ORDER BY due_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE automations_failure f SET escalated = l.step, version = version + 1,
    priority = greatest(priority - CASE WHEN l.step = 1 THEN 1 ELSE 0 END, 1)
FROM l WHERE f.id = l.id RETURNING f.id, l.step
"""
SAYS = {
    1: "Past its due time. The priority went up, and its owner was told.",
    2: "Past twice its time. Everyone with the owner's role was told.",
}


@transaction.atomic
def escalate() -> int:
    """Take the next step of what is late; answers how many cases it raised."""
    steps = {row[0]: row[1] for row in database.fetch(LATE, AT_ONCE)}
    cases = list(Failure.objects.filter(pk__in=steps).select_related("owner").order_by("pk"))
    FailureAction.objects.bulk_create(
        FailureAction(failure=case, verb="escalated", text=SAYS[steps[case.pk]]) for case in cases
    )
    told: dict[tuple[int, tuple[int, ...], str], list[Failure]] = defaultdict(list)
    to_tell = Recipients(cases)
    for case in cases:
        step = steps[case.pk]
        people = to_tell.owner(case) if step == 1 else to_tell.everyone(case)
        told[step, tuple(sorted(people)), case.cause].append(case)
    for (step, ids, _), group in told.items():
        _tell(step, ids, group)
    return len(cases)


def _tell(step: int, people: Sequence[int], group: Sequence[Failure]) -> None:
    """One notice for the cases of one cause, however many they are."""
    first = group[0]
    if len(group) == 1:
        key = f"late:{step}:{first.pk}:{first.version}"
        text = f"Case {first.pk} is late: {first.cause_words}"
        link = reverse("failure_detail", args=[first.pk])
    else:
        key = f"late-many:{step}:{first.pk}:{first.version}"
        text = f"{len(group):,} cases are late: {first.cause_words}"
        query = urlencode({"view": "open", "cause": first.cause, "overdue": "yes"})
        link = f"{reverse('failure_list')}?{query}"
    notices.notify(User.objects.filter(pk__in=people), text, link, key=key)


class Recipients:
    """Whom to tell of cases, with each group of people read once."""

    def __init__(self, cases: Iterable[Failure]) -> None:
        self._roles: dict[str, set[int]] = {}
        self._groups: dict[int, set[int]] = {}
        rules = {case.rule_id for case in cases if case.owner_id is None and case.rule_id}
        self._rule_owners = dict(
            Rule.objects.filter(pk__in=rules, owner__is_active=True).values_list("pk", "owner_id")
        )

    def owner(self, case: Failure) -> set[int]:
        """Its owner; without one the role it was handed to, else the owner of its rule."""
        if case.owner is not None and case.owner.is_active:
            return {case.owner.pk}
        if case.team:
            return self._of_role(case.team)
        owner = self._rule_owners.get(case.rule_id or 0)
        return {owner} if owner else self._workers()

    def everyone(self, case: Failure) -> set[int]:
        """Everyone with a role of its owner; of a case that is nobody's, whoever works on cases."""
        if case.owner is None:
            return self._of_role(case.team) if case.team else self._workers()
        if case.owner.pk not in self._groups:
            roles = case.owner.groups.all()
            people = User.objects.filter(groups__in=roles, is_active=True)
            self._groups[case.owner.pk] = set(people.values_list("pk", flat=True))
        return self._groups[case.owner.pk] or self._workers()

    def _of_role(self, role: str) -> set[int]:
        if role not in self._roles:
            people = User.objects.filter(groups__name=role, is_active=True)
            self._roles[role] = set(people.values_list("pk", flat=True))
        return self._roles[role]

    def _workers(self) -> set[int]:
        if "" not in self._roles:
            self._roles[""] = {user.pk for user in notices.holders(WORKS)}
        return self._roles[""]

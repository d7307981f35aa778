"""Cases as the test of a rule's next version: a cause that returns shows what to change."""

from __future__ import annotations

from django.db import transaction

from automations.models.failures import Failure
from automations.models.rules import RULE_SPAN, Rule
from automations.models.trials import RuleTest
from automations.services import doors
from automations.services.errors import NotPossible
from backoffice import audit
from backoffice.actors import Actor

# So many of a cause say what is wrong; more would say the same.
MOST = 20


@transaction.atomic
def add_cause(failure_id: int, *, actor: Actor) -> Rule:
    """Have a rule tried on the cases of one of its causes: this one, and the newest open ones.

    Answers the rule. Raises NotPossible for a case that no run of a rule stands behind.
    """
    case = Failure.objects.select_related("rule").get(pk=failure_id)
    if case.rule is None or case.run_id is None:
        raise NotPossible(
            "No run of a rule stands behind this case, so there is no rule to change."
        )
    if case.rule.retired_at is not None:
        raise NotPossible("This rule is retired.")
    alike = Failure.objects.filter(cause=case.cause, rule=case.rule, run_id__isnull=False)
    others = alike.exclude(state=Failure.State.RESOLVED).exclude(pk=case.pk)
    wanted = [case, *others.order_by("-pk")[: MOST - 1]]
    person = doors.person_id(actor)
    RuleTest.objects.bulk_create(
        [
            RuleTest(
                rule=case.rule,
                failure=each,
                event_id=abs(each.run_id or 0) // RULE_SPAN,
                added_by_id=person,
            )
            for each in wanted
        ],
        ignore_conflicts=True,
    )
    audit.record(
        "rules.tests_added",
        "automations.rule",
        case.rule.pk,
        actor=actor,
        cases=[each.pk for each in wanted],
    )
    return case.rule


@transaction.atomic
def remove_all(rule_id: int, *, actor: Actor) -> int:
    """Try a rule on no case any more; answers how many there were."""
    removed, _ = RuleTest.objects.filter(rule_id=rule_id).delete()
    if removed:
        audit.record("rules.tests_removed", "automations.rule", rule_id, actor=actor)
    return removed

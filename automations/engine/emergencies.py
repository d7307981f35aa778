"""Versions that act for an hour only: ended by the clock, and what they left undone is cancelled.

Nothing waits for this to happen: each effect asks by itself whether the hour is over.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone

from automations.engine import database
from automations.engine.failures import DUE as TIMES
from automations.engine.failures import close_cases, fingerprint, open_again
from automations.models.failures import Failure
from automations.models.policies import Emergency
from backoffice import notices
from backoffice.models import User

KIND = "emergency"
FALLBACK = (
    "Look at what the version did, run by run. Take back what was wrong, and write what you found "
    "on the version’s page. Until then this rule has no other emergency."
)
OVER = """
SELECT id FROM automations_emergency
WHERE state = 'agreed' AND ends_at <= clock_timestamp() ORDER BY id
"""
END = "SELECT automations_end_emergency(%s, NULL)"
# What is at work is left to its worker, who finds the hour over.
LEFT = """
UPDATE automations_run r SET state = 'cancelled', ends_on = NULL, parked_for = '',
    finished_at = statement_timestamp(),
    outcome = 'The emergency was over before this step.'
WHERE r.id = ANY(ARRAY(
    SELECT o.id FROM automations_emergency e JOIN automations_run o
        ON o.rule_id = e.rule_id AND o.document_id = e.document_id
    WHERE e.state = 'ended' AND e.ended_at > statement_timestamp() - interval '7 days'
        AND o.state IN ('due', 'waiting', 'parked') AND NOT o.shadow
        AND NOT EXISTS (SELECT 1 FROM automations_activation v
            WHERE v.document_id = e.document_id AND v.until_at IS NULL AND v.mode <> 'shadow')
    FOR UPDATE OF o SKIP LOCKED))
"""


def end_due() -> int:
    """End what is over, cancel what it left, and ask for the review; answers how many it ended."""
    ended = 0
    for (emergency_id,) in database.fetch(OVER):
        with transaction.atomic():
            try:
                with transaction.atomic():
                    database.fetch(END, emergency_id)
            except DatabaseError as error:
                if getattr(error.__cause__, "sqlstate", None) != "CS001":
                    raise
                continue  # somebody was faster
            ask_for_review(emergency_id)
            ended += 1
    cancel_left()
    return ended


def cancel_left() -> int:
    """Cancel the runs that stand at a step of a version whose hour is over; answers how many."""
    return database.write(LEFT)


def acting(rule_id: int | None) -> int | None:
    """The emergency in which a rule acts now; None when there is none."""
    found = Emergency.objects.filter(rule_id=rule_id or 0, state=Emergency.State.AGREED)
    return found.values_list("pk", flat=True).first()


def ask_for_review(emergency_id: int) -> None:
    """Tell those who look at the case that it is over and waits for their review."""
    found = Emergency.objects.select_related("rule", "document").get(pk=emergency_id)
    case = Failure.objects.filter(kind=KIND, key=str(emergency_id)).first()
    team = case.team if case is not None else ""
    people = User.objects.filter(groups__name=team, is_active=True) if team else []
    text = f"The emergency of “{found.rule.name}” is over. What it did waits for your review."
    link = reverse("approval_detail", args=[found.document_id])
    notices.notify(people, text, link, key=f"emergency-over:{emergency_id}", mail=True)


def open_case(found: Emergency, team: str) -> None:
    """Open the case in which what an emergency did is reviewed, by people of one role."""
    now = timezone.now()
    rule, document = found.rule, found.document
    says = f"“{rule.name}” v{document.version} acts in an emergency, unapproved: {found.why}"
    case = Failure(
        kind=KIND,
        key=str(found.pk),
        error=Failure.Error.DOMAIN,
        cause=fingerprint(KIND, str(rule.pk)),
        cause_words=f"An emergency of “{rule.name}” waits for its review"[:300],
        says=says,
        rule_id=rule.pk,
        document_id=document.pk,
        fallback=FALLBACK,
        team=team,
        priority=Failure.Priority.HIGH,
        opened_at=now,
        due_at=now + timedelta(hours=1) + TIMES[Failure.Priority.NORMAL],
    )
    open_again([case])


def close_case(emergency_id: int, says: str) -> None:
    """Close it: someone has reviewed what was done."""
    close_cases(KIND, [str(emergency_id)], says)

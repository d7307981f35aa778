"""Cases that were put aside, and when they come back: at a time, or as soon as they are worse."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from automations.engine import database
from automations.models.failures import Failure, FailureAction
from backoffice.counting import counted

# So many more cases of its cause, or this share, is worse; the same share more money is.
MORE_CASES = 3
SHARE = 0.5

OF_CAUSE = """
SELECT count(*), coalesce(sum(at_stake) FILTER (WHERE at_stake_currency = %s), 0)
FROM automations_failure WHERE cause = %s AND state <> 'resolved'
"""
OVER = """
UPDATE automations_failure SET state = 'open', snoozed_until = NULL, snoozed_while = NULL,
    version = version + 1
WHERE state = 'snoozed' AND snoozed_until <= statement_timestamp()
"""
# What failed again is open already (automations.engine.failures).
WORSE = """
WITH watched AS (
    SELECT id, cause, at_stake_currency AS currency, (snoozed_while->>'alike')::int AS alike,
        (snoozed_while->>'at_stake')::numeric AS stake
    FROM automations_failure WHERE state = 'snoozed' AND snoozed_while IS NOT NULL
), cases AS (
    SELECT cause, count(*) AS alike FROM automations_failure
    WHERE cause IN (SELECT cause FROM watched) AND state <> 'resolved' GROUP BY cause
), money AS (
    SELECT cause, at_stake_currency AS currency, sum(at_stake) AS stake FROM automations_failure
    WHERE cause IN (SELECT cause FROM watched) AND state <> 'resolved' AND at_stake IS NOT NULL
    GROUP BY cause, at_stake_currency
)
UPDATE automations_failure f SET state = 'open', snoozed_until = NULL, snoozed_while = NULL,
    version = version + 1
FROM watched w JOIN cases c ON c.cause = w.cause
    LEFT JOIN money m ON m.cause = w.cause AND m.currency = w.currency
WHERE f.id = w.id AND f.state = 'snoozed' AND (
    c.alike >= w.alike + greatest(%s, floor(w.alike * %s))
    OR (w.stake > 0 AND m.stake > w.stake * (1 + %s)))
RETURNING f.id, c.alike - w.alike
"""


def as_it_is(failure: Failure) -> dict[str, Any]:
    """How bad a case is now, to be compared with later."""
    alike, stake = database.fetch(OF_CAUSE, failure.at_stake_currency, failure.cause)[0]
    return {"times": failure.times, "alike": alike, "at_stake": str(stake)}


@transaction.atomic
def wake() -> int:
    """Bring back what was put aside and is due, or worse; answers how many."""
    woken = database.write(OVER)
    worse = database.fetch(WORSE, MORE_CASES, SHARE, SHARE)
    FailureAction.objects.bulk_create(
        FailureAction(
            failure_id=row[0],
            verb="worse",
            text=f"{counted(row[1], 'more case')} of its cause."
            if row[1] > 0
            else "More money is at stake.",
        )
        for row in worse
    )
    return woken + len(worse)

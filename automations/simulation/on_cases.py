"""A version on the events of known cases: would it do now what could not be done then?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automations.conditions.operands import ConditionInvalid
from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.models.trials import RuleTest
from automations.rules.parsing import DocumentInvalid
from automations.simulation.trial import Trial, try_on


@dataclass(frozen=True, slots=True)
class OnCase:
    """One case: what stopped it then, and what the version would do with its event.

    `verdict`: handled, stops (a step still refuses its input), passes (it would not match),
    unknown (it can't be judged), gone (the event or its trigger is not there). `now` says it in
    words. `trial` None: it could not be tried.
    """

    case: Failure
    event: Event | None
    verdict: str
    now: str
    trial: Trial | None = None

    @property
    def handled(self) -> bool:
        """Whether this case would not come again as it came."""
        return self.verdict in ("handled", "passes")


def on_cases(rule: Rule, body: Any) -> list[OnCase]:
    """What a version would do with the events of the rule's cases, the newest first."""
    rows = RuleTest.objects.filter(rule=rule).select_related("failure").order_by("-pk")
    tests = list(rows)
    events = Event.objects.in_bulk([test.event_id for test in tests])
    return [_judged(test.failure, events.get(test.event_id), body) for test in tests]


def _judged(case: Failure, event: Event | None, body: Any) -> OnCase:
    if event is None:
        return OnCase(case, None, "gone", "Its event is not stored any more.")
    try:
        trial = try_on(body, event)
    except (DocumentInvalid, ConditionInvalid, KeyError):
        return OnCase(case, event, "gone", "This version can’t be tried on it.")
    if trial.verdict == "no":
        return OnCase(case, event, "passes", "It would leave it alone.", trial)
    if trial.verdict != "yes":
        return OnCase(case, event, "unknown", "It can’t be judged: data is missing.", trial)
    trouble = next((step.problem for step in trial.steps if step.problem), "")
    if trouble:
        return OnCase(case, event, "stops", trouble, trial)
    done = "; ".join(step.words for step in trial.steps if step.action)
    return OnCase(case, event, "handled", done or "It would do nothing.", trial)

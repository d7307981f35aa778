"""What people say about a case in doubt: ask the other side, it happened, it did not."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from automations.forms.cases import WhyForm
from automations.forms.connectors import HappenedForm
from automations.models.failures import Failure
from automations.services import doubts
from automations.services.errors import AutomationError
from automations.views import case_acts as cases


@require_POST
def doubt_check(request: HttpRequest, pk: int) -> HttpResponse:
    """Have the other side asked now."""
    cases.working(request, pk)
    try:
        doubts.check_now(pk, version=cases.seen(request), actor=cases.actor_of(request))
    except AutomationError as error:
        return cases.refused(request, pk, error)
    return cases.done(request, pk, "It is being looked up")


@cases.both
def doubt_happened(request: HttpRequest, pk: int) -> HttpResponse:
    """Record that it happened."""
    cases.working(request, pk)

    def act(values: dict[str, Any]) -> Failure:
        return doubts.it_happened(
            pk,
            version=cases.seen(request),
            reference=values["reference"],
            text=values["text"],
            actor=cases.actor_of(request),
        )

    return cases.ask(
        request,
        pk,
        HappenedForm(request.POST or None),
        act,
        f"Case {pk}: it happened",
        title="It happened",
        text="It counts as done, and the run goes on after it.",
        word="It happened",
    )


@cases.both
def doubt_did_not(request: HttpRequest, pk: int) -> HttpResponse:
    """Record that it did not happen, and try it again."""
    cases.working(request, pk)

    def act(values: dict[str, Any]) -> Failure:
        return doubts.it_did_not(
            pk,
            version=cases.seen(request),
            reason=values["reason"],
            actor=cases.actor_of(request),
        )

    return cases.ask(
        request,
        pk,
        WhyForm(request.POST or None),
        act,
        f"Case {pk} is tried again",
        title="It did not happen",
        text="Be sure: it is sent again at once, under the same reference.",
        word="It did not: try again",
        button_class="danger-solid",
    )

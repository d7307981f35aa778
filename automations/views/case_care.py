"""Whose a case is, how soon it matters, and what is said about it: nothing here touches a run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from automations.forms.cases import (
    AssignForm,
    CommentForm,
    HandOverForm,
    PriorityForm,
    SnoozeForm,
    moment_of,
)
from automations.models.failures import Failure
from automations.services import failures, handing
from automations.services.errors import AutomationError
from automations.views.case_acts import (
    actor_of,
    ask,
    both,
    case_or_404,
    done,
    may_view,
    press,
    refused,
    seen,
    url_of,
    working,
)
from backoffice import ui
from backoffice.models import User
from backoffice.views.me import signed_in


def _give(request: HttpRequest, pk: int, owner: User | None) -> HttpResponse:
    before = case_or_404(pk).owner_id
    try:
        case = failures.assign_case(pk, version=seen(request), owner=owner, actor=actor_of(request))
    except AutomationError as error:
        return refused(request, pk, error)
    words = f"Case {pk} is with {owner}" if owner else f"Case {pk} is back in the queue"
    url = url_of("failure_assign", pk, case.version)
    return done(request, pk, words, (url, {"owner": str(before or "")}))


def _dialog(request: HttpRequest, form: Any, title: str, word: str = "") -> HttpResponse:
    context = {
        "form": form,
        "action": request.get_full_path(),
        "title": title,
        "word": word or title,
    }
    status = 422 if form.errors else 200
    return render(request, "automations/_case_dialog.html", context, status=status)


@may_view
@both
def failure_assign(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the case to someone, or back to the queue."""
    form = AssignForm(initial={"owner": working(request, pk).owner_id})
    if request.method == "POST":
        # Giving it back to nobody posts an empty form.
        form = AssignForm(request.POST)
        if form.is_valid():
            return _give(request, pk, form.cleaned_data["owner"])
    return _dialog(request, form, "Assign")


@may_view
@require_POST
def failure_take(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the case oneself."""
    working(request, pk)
    return _give(request, pk, signed_in(request))


@may_view
@both
def failure_hand_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the case to a person or a role, with a note; the giver goes on watching."""
    working(request, pk)

    def act(values: dict[str, Any]) -> object:
        return handing.hand_over(
            pk,
            version=seen(request),
            to=values["to"],
            team=values["team"],
            note=values["note"],
            actor=actor_of(request),
        )

    return ask(
        request,
        pk,
        HandOverForm(request.POST or None),
        act,
        f"Case {pk} is handed over. You go on watching it.",
        title="Hand over",
        text="Whoever gets it sees it among what needs them. You go on watching.",
        word="Hand over",
    )


@may_view
@require_POST
def failure_watch(request: HttpRequest, pk: int) -> HttpResponse:
    """Watch the case, or watch it no longer."""
    user, case = signed_in(request), case_or_404(pk)
    if case.watches.filter(user=user).exists():
        return press(
            request,
            pk,
            lambda: handing.stop_watching(pk, user.pk),
            f"You don’t watch case {pk} any more",
        )
    return press(request, pk, lambda: handing.watch(case, user.pk), f"You watch case {pk}")


def _put_aside(
    request: HttpRequest, pk: int, until: datetime | None, *, worse: bool
) -> HttpResponse:
    try:
        case = failures.snooze_case(
            pk, version=seen(request), until=until, worse=worse, actor=actor_of(request)
        )
    except AutomationError as error:
        return refused(request, pk, error)
    words = f"Case {pk} is put aside {_until_words(until, worse=worse)}"
    return done(request, pk, words, (url_of("failure_wake", pk, case.version), {}))


def _until_words(until: datetime | None, *, worse: bool) -> str:
    if until is None:
        return "until it gets worse"
    local = timezone.localtime(until)
    words = f"until {ui.short_day(local.date())} {local:%H:%M}"
    return f"{words}, or until it gets worse" if worse else words


@may_view
@both
def failure_snooze(request: HttpRequest, pk: int) -> HttpResponse:
    """Put the case aside until a time, or until it gets worse."""
    working(request, pk)
    form = SnoozeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        return _put_aside(request, pk, moment_of(given), worse=given["worse"])
    return _dialog(request, form, "Snooze")


@may_view
@require_POST
def failure_wake(request: HttpRequest, pk: int) -> HttpResponse:
    """End the snooze."""
    working(request, pk)
    return press(
        request,
        pk,
        lambda: failures.wake_case(pk, version=seen(request), actor=actor_of(request)),
        f"Case {pk} is open again",
    )


@may_view
@both
def failure_priority(request: HttpRequest, pk: int) -> HttpResponse:
    """Say how soon the case has to be looked at."""
    case = working(request, pk)

    def act(values: dict[str, Any]) -> object:
        chosen = Failure.Priority(values["priority"])
        return failures.prioritise_case(
            pk, version=seen(request), priority=chosen, actor=actor_of(request)
        )

    return ask(
        request,
        pk,
        PriorityForm(request.POST or None, initial={"priority": case.priority}),
        act,
        f"Changed the priority of case {pk}",
        title="Priority",
        word="Set the priority",
    )


@may_view
@both
def failure_comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a note to the case."""
    working(request, pk)

    def act(values: dict[str, Any]) -> object:
        return failures.comment_case(pk, text=values["text"], actor=actor_of(request))

    return ask(
        request,
        pk,
        CommentForm(request.POST or None),
        act,
        f"Noted on case {pk}",
        title="Comment",
        word="Save the comment",
    )

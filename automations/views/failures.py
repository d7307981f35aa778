"""A case: what it shows, and what people do about it. Each verb acts once."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from automations.engine.inputs import as_json
from automations.forms.cases import (
    AssignForm,
    ByHandForm,
    CommentForm,
    SnoozeForm,
    SolvedForm,
    WhyForm,
    moment_of,
)
from automations.models.failures import Failure
from automations.services import failures
from automations.services.errors import AutomationError, Stale
from automations.simulation.again import Again, look_again, typed
from automations.views.case_page import page_of
from backoffice import actors, ui
from backoffice.actors import Actor
from backoffice.models import User
from backoffice.versions import whole
from backoffice.views.me import signed_in
from backoffice.workbench import respond

may_view = permission_required("automations.view_failure", raise_exception=True)
may_work = permission_required("automations.work_failure", raise_exception=True)
both = require_http_methods(["GET", "HEAD", "POST"])

Act = Callable[[dict[str, Any]], Failure | None]
Undo = tuple[str, dict[str, str]] | None


def _case(pk: int) -> Failure:
    rows = Failure.objects.select_related("rule", "owner", "resolved_by")
    return get_object_or_404(rows, pk=pk)


@may_view
@require_GET
def failure_part(request: HttpRequest, pk: int) -> HttpResponse:
    """The case in the right pane of the inbox, and as it is read again after each act."""
    context = {**page_of(_case(pk), signed_in(request)), "in_pane": True}
    return render(request, "automations/_case.html", context)


@may_view
@require_GET
def failure_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The case on a page of its own."""
    return render(
        request, "automations/failure_detail.html", page_of(_case(pk), signed_in(request))
    )


# --- answers ------------------------------------------------------------------------------------


def _seen(request: HttpRequest) -> int:
    """The version the button showed; a link without one is nobody's button."""
    shown = whole(request.GET.get("version", "") or request.POST.get("version", ""))
    if shown is None:
        raise Http404
    return shown


def _url(name: str, pk: int, version: int) -> str:
    return f"{reverse(name, args=[pk])}?version={version}"


def _done(request: HttpRequest, pk: int, text: str, undo: Undo = None) -> HttpResponse:
    """The toast; list and case are read again where they stand."""
    if not request.headers.get("HX-Request"):
        return respond.go(request, reverse("failure_detail", args=[pk]), text)
    response = respond.toast(text, undo=undo)
    events = json.loads(response["HX-Trigger"])
    response["HX-Trigger"] = json.dumps({**events, "record:changed": {}})
    return response


def _refused(request: HttpRequest, pk: int, error: AutomationError) -> HttpResponse:
    """A button pressed on what is not so any more: nothing was done, and the newest is shown."""
    status = 409 if isinstance(error, Stale) else 422
    if not request.headers.get("HX-Request"):
        url = reverse("failure_detail", args=[pk])
        return render(request, "409.html", {"message": str(error), "url": url}, status=status)
    detail = {"text": str(error), "level": "bad"}
    response = HttpResponse(status=status)
    response["HX-Reswap"] = "none"
    response["HX-Trigger"] = json.dumps(
        {"toast": detail, "record:changed": {}, "list:refresh": {}, "dialog:close": {}}
    )
    return response


def _ask(
    request: HttpRequest, pk: int, form: forms.Form, act: Act, said: str, **shown: Any
) -> HttpResponse:
    """The verb's dialog, or the verb: a refusal stands above the form, a stale page is told so."""
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                act(form.cleaned_data)
            except Stale as error:
                return _refused(request, pk, error)
            except AutomationError as error:
                form.add_error(None, str(error))
            else:
                return _done(request, pk, said)
    context = {"form": form, "action": request.get_full_path(), **shown}
    template = shown.get("template", "automations/_case_dialog.html")
    return render(request, template, context, status=status)


def _actor(request: HttpRequest) -> Actor:
    return actors.person(signed_in(request))


# For verbs that live in modules of their own.
seen, done, refused, ask, actor_of = _seen, _done, _refused, _ask, _actor


# --- verbs --------------------------------------------------------------------------------------


@may_work
@require_POST
def failure_retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Try the failed step again with what it was given."""
    case = _case(pk)
    try:
        failures.retry_case(case.pk, version=_seen(request), actor=_actor(request))
    except AutomationError as error:
        return _refused(request, pk, error)
    return _done(request, pk, f"Case {pk} is being retried")


def _edit_form(again: Again, data: Any) -> forms.Form:
    return again.action.form(data, initial=typed(again.given))


def _values(form: forms.Form, again: Again) -> dict[str, Any]:
    """What was typed as a step's record keeps it; what was not touched stays as it was."""
    values: dict[str, Any] = {}
    for name, value in as_json(form.cleaned_data).items():
        plain = value if isinstance(value, dict | list | bool | int) else _text(value)
        before = again.given.get(name)
        if before is None and plain in ("", None, []):
            continue
        values[name] = before if str(plain) == str(before) else plain
    return values


def _text(value: object) -> str:
    return "" if value is None else str(value)


@may_work
@both
def failure_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Try the failed step again with other input; what it was given stands beside each field."""
    case = _case(pk)
    again = look_again(case)
    if again is None:
        return _refused(request, pk, Stale("No run of this case is standing still any more."))
    form = _edit_form(again, request.POST or None)

    def act(values: dict[str, Any]) -> Failure:
        return failures.edit_and_retry(
            case.pk, version=_seen(request), values=_values(form, again), actor=_actor(request)
        )

    return _ask(
        request,
        pk,
        form,
        act,
        f"Case {pk} is being retried with other input",
        template="automations/_case_edit.html",
        title="Edit and retry",
        word="Retry with this",
        again=again,
        fields=[(field, again.given.get(field.name)) for field in form],
    )


@may_work
@both
def failure_skip(request: HttpRequest, pk: int) -> HttpResponse:
    """Leave the failed step out."""

    def act(values: dict[str, Any]) -> Failure:
        return failures.skip_step(
            pk, version=_seen(request), reason=values["reason"], actor=_actor(request)
        )

    again = look_again(_case(pk))
    return _ask(
        request,
        pk,
        WhyForm(request.POST or None),
        act,
        f"Skipped the step of case {pk}",
        title="Skip the step",
        text=f"The run goes on without it: {again.words}." if again else "",
        word="Skip the step",
    )


@may_work
@both
def failure_by_hand(request: HttpRequest, pk: int) -> HttpResponse:
    """Record that a person did the step elsewhere."""

    def act(values: dict[str, Any]) -> Failure:
        return failures.done_by_hand(
            pk,
            version=_seen(request),
            reference=values["reference"],
            text=values["text"],
            actor=_actor(request),
        )

    again = look_again(_case(pk))
    return _ask(
        request,
        pk,
        ByHandForm(request.POST or None),
        act,
        f"Case {pk} was done by hand",
        title="Done by hand",
        text=f"It counts as done, and the run goes on after it: {again.words}." if again else "",
        word="Mark done by hand",
    )


@may_work
@both
def failure_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the run up."""

    def act(values: dict[str, Any]) -> Failure:
        return failures.end_run(
            pk, version=_seen(request), reason=values["reason"], actor=_actor(request)
        )

    return _ask(
        request,
        pk,
        WhyForm(request.POST or None),
        act,
        f"Ended the run of case {pk}",
        title="End the run",
        text="What it did stays done. What is left will not be done. This can't be undone.",
        word="End the run",
        button_class="danger-solid",
    )


@may_work
@both
def failure_solve(request: HttpRequest, pk: int) -> HttpResponse:
    """Close a case that a domain reported."""

    def act(values: dict[str, Any]) -> Failure:
        return failures.solve_case(
            pk,
            version=_seen(request),
            text=values["text"],
            reference=values["reference"],
            actor=_actor(request),
        )

    return _ask(
        request,
        pk,
        SolvedForm(request.POST or None),
        act,
        f"Case {pk} is solved",
        title="Solved",
        word="Close the case",
    )


def _give(request: HttpRequest, pk: int, owner: User | None) -> HttpResponse:
    before = _case(pk).owner_id
    try:
        case = failures.assign_case(pk, version=_seen(request), owner=owner, actor=_actor(request))
    except AutomationError as error:
        return _refused(request, pk, error)
    words = f"Case {pk} is with {owner}" if owner else f"Case {pk} is back in the queue"
    url = _url("failure_assign", pk, case.version)
    return _done(request, pk, words, (url, {"owner": str(before or "")}))


@may_work
@both
def failure_assign(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the case to someone, or back to the queue."""
    form = AssignForm(request.POST or None, initial={"owner": _case(pk).owner_id})
    if request.method == "POST":
        # Giving it back to nobody posts an empty form.
        form = AssignForm(request.POST)
        if form.is_valid():
            return _give(request, pk, form.cleaned_data["owner"])
    status = 422 if form.errors else 200
    context = {
        "form": form,
        "action": request.get_full_path(),
        "title": "Assign",
        "word": "Assign",
    }
    return render(request, "automations/_case_dialog.html", context, status=status)


@may_work
@require_POST
def failure_take(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the case oneself."""
    return _give(request, pk, signed_in(request))


def _put_aside(request: HttpRequest, pk: int, until: datetime) -> HttpResponse:
    try:
        case = failures.snooze_case(pk, version=_seen(request), until=until, actor=_actor(request))
    except AutomationError as error:
        return _refused(request, pk, error)
    local = timezone.localtime(until)
    words = f"Case {pk} is put aside until {ui.short_day(local.date())} {local:%H:%M}"
    return _done(request, pk, words, (_url("failure_wake", pk, case.version), {}))


@may_work
@both
def failure_snooze(request: HttpRequest, pk: int) -> HttpResponse:
    """Put the case aside until a time, or until it fails again."""
    form = SnoozeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _put_aside(request, pk, moment_of(form.cleaned_data))
    context = {
        "form": form,
        "action": request.get_full_path(),
        "title": "Snooze",
        "word": "Snooze",
    }
    status = 422 if form.errors else 200
    return render(request, "automations/_case_dialog.html", context, status=status)


@may_work
@require_POST
def failure_wake(request: HttpRequest, pk: int) -> HttpResponse:
    """End the snooze."""
    try:
        failures.wake_case(pk, version=_seen(request), actor=_actor(request))
    except AutomationError as error:
        return _refused(request, pk, error)
    return _done(request, pk, f"Case {pk} is open again")


@may_work
@both
def failure_comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a note to the case."""
    _case(pk)

    def act(values: dict[str, Any]) -> None:
        failures.comment_case(pk, text=values["text"], actor=_actor(request))

    return _ask(
        request,
        pk,
        CommentForm(request.POST or None),
        act,
        f"Noted on case {pk}",
        title="Comment",
        word="Save the comment",
    )

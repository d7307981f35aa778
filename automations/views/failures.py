"""A case's pages, and what people do about the run behind it. Each verb acts once."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from automations.cases import cases as kinds
from automations.engine.inputs import as_json
from automations.forms.cases import ByHandForm, SolvedForm, WhyForm
from automations.models.failures import Failure
from automations.services import failures
from automations.services.errors import Stale
from automations.simulation.again import Again, look_again, typed
from automations.views.case_acts import (
    actor_of,
    ask,
    both,
    case_or_404,
    may_view,
    press,
    refused,
    seen,
    working,
)
from automations.views.case_page import page_of
from backoffice.views.me import signed_in


@may_view
@require_GET
def failure_part(request: HttpRequest, pk: int) -> HttpResponse:
    """The case in the right pane of the inbox, and as it is read again after each act."""
    context = {**page_of(case_or_404(pk), signed_in(request)), "in_pane": True}
    response = render(request, "automations/_case.html", context)
    still = context["is_retrying"] or (context["doubt"] and context["doubt"].is_looked_up)
    # The pane waited for the engine, and its row with it: the list is read again with the news.
    if request.GET.get("was") == "waiting" and not still:
        response["HX-Trigger"] = json.dumps({"list:refresh": {}})
    return response


@may_view
@require_GET
def failure_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The case on a page of its own."""
    return render(
        request, "automations/failure_detail.html", page_of(case_or_404(pk), signed_in(request))
    )


@may_view
@require_GET
def failure_of(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """To the case about something of a domain, known there by a name and an id."""
    known = Failure.objects.filter(kind__in=[kind.key for kind in kinds])
    case = get_object_or_404(known, key=f"{name}:{pk}")
    return redirect("failure_detail", case.pk)


@may_view
@require_POST
def failure_retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Try the failed step again with what it was given."""
    case = working(request, pk)
    return press(
        request,
        pk,
        lambda: failures.retry_case(case.pk, version=seen(request), actor=actor_of(request)),
        f"Case {pk} is being retried",
    )


def values_of(form: forms.Form, again: Again) -> dict[str, Any]:
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


def edit_form(again: Again, data: Any) -> forms.Form:
    """The action's own form, filled in with what the step was given."""
    return again.action.form(data, initial=typed(again.given))


def shown_again(again: Again, form: forms.Form) -> dict[str, Any]:
    """What the dialog of an edit shows: each field beside what it was."""
    return {
        "template": "automations/_case_edit.html",
        "again": again,
        "fields": [(field, again.given.get(field.name)) for field in form],
    }


NOT_STANDING = "No run of this case is standing still any more."


@may_view
@both
def failure_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Try the failed step again with other input; what it was given stands beside each field."""
    case = working(request, pk)
    again = look_again(case)
    if again is None:
        return refused(request, pk, Stale(NOT_STANDING))
    form = edit_form(again, request.POST or None)

    def act(values: dict[str, Any]) -> object:
        given = values_of(form, again)
        return failures.edit_and_retry(
            pk, version=seen(request), values=given, actor=actor_of(request)
        )

    return ask(
        request,
        pk,
        form,
        act,
        f"Case {pk} is being retried with other input",
        title="Edit and retry",
        word="Retry with this",
        **shown_again(again, form),
    )


@may_view
@both
def failure_skip(request: HttpRequest, pk: int) -> HttpResponse:
    """Leave the failed step out."""

    def act(values: dict[str, Any]) -> object:
        return failures.skip_step(
            pk, version=seen(request), reason=values["reason"], actor=actor_of(request)
        )

    again = look_again(working(request, pk))
    return ask(
        request,
        pk,
        WhyForm(request.POST or None),
        act,
        f"Skipped the step of case {pk}",
        title="Skip the step",
        text=f"The run goes on without it: {again.words}." if again else "",
        word="Skip the step",
    )


@may_view
@both
def failure_by_hand(request: HttpRequest, pk: int) -> HttpResponse:
    """Record that a person did the step elsewhere."""

    def act(values: dict[str, Any]) -> object:
        return failures.done_by_hand(
            pk,
            version=seen(request),
            reference=values["reference"],
            text=values["text"],
            actor=actor_of(request),
        )

    again = look_again(working(request, pk))
    return ask(
        request,
        pk,
        ByHandForm(request.POST or None),
        act,
        f"Case {pk} was done by hand",
        title="Done by hand",
        text=f"It counts as done, and the run goes on after it: {again.words}." if again else "",
        word="Mark done by hand",
    )


@may_view
@both
def failure_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the run up."""
    working(request, pk)

    def act(values: dict[str, Any]) -> object:
        return failures.end_run(
            pk, version=seen(request), reason=values["reason"], actor=actor_of(request)
        )

    return ask(
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


@may_view
@both
def failure_solve(request: HttpRequest, pk: int) -> HttpResponse:
    """Close a case that no run stands behind."""
    working(request, pk)

    def act(values: dict[str, Any]) -> object:
        return failures.solve_case(
            pk,
            version=seen(request),
            text=values["text"],
            reference=values["reference"],
            actor=actor_of(request),
        )

    return ask(
        request,
        pk,
        SolvedForm(request.POST or None),
        act,
        f"Case {pk} is solved",
        title="Solved",
        word="Close the case",
    )

"""Answers to what runs wait for: a question, a draft, a limit, a first look."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from automations.forms.cases import WhyForm, YesForm
from automations.models.failures import Failure
from automations.services import answers
from automations.services.errors import NotPossible, Stale
from automations.services.handing import is_theirs, may_answer
from automations.simulation.again import look_again
from automations.simulation.parked import deeds
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
from automations.views.case_kinds import kept_back
from automations.views.failures import NOT_STANDING, edit_form, shown_again, values_of
from backoffice.views.me import signed_in

DEEDS = 5


def _answer(request: HttpRequest, pk: int, form: forms.Form, *, yes: bool) -> HttpResponse:
    case = case_or_404(pk)
    if not may_answer(signed_in(request), case):
        raise PermissionDenied

    def act(values: dict[str, Any]) -> object:
        text = values.get("text") or values.get("reason") or ""
        return answers.answer_question(
            pk, version=seen(request), yes=yes, text=text, actor=actor_of(request)
        )

    goes_on = "The run goes on." if yes else "The run ends here. What it did stays done."
    return ask(
        request,
        pk,
        form,
        act,
        f"Answered case {pk}: {'yes' if yes else 'no'}",
        title="Yes" if yes else "No",
        text=f"{case.says} {goes_on}",
        word="Say yes" if yes else "Say no",
        button_class="primary" if yes else "danger-solid",
    )


@may_view
@both
def failure_yes(request: HttpRequest, pk: int) -> HttpResponse:
    """Agree, for the role that is asked."""
    return _answer(request, pk, YesForm(request.POST or None), yes=True)


@may_view
@both
def failure_no(request: HttpRequest, pk: int) -> HttpResponse:
    """Refuse, with a reason."""
    return _answer(request, pk, WhyForm(request.POST or None), yes=False)


@may_view
@require_POST
def failure_confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Let an action do what it drafted."""
    again = look_again(working(request, pk))
    if again is None:
        return refused(request, pk, Stale(NOT_STANDING))
    return press(
        request,
        pk,
        lambda: answers.confirm_draft(
            pk, version=seen(request), values=again.given, actor=actor_of(request)
        ),
        f"Case {pk}: the draft is done as it stands",
    )


@may_view
@both
def failure_correct(request: HttpRequest, pk: int) -> HttpResponse:
    """Let an action do what a person made of its draft."""
    again = look_again(working(request, pk))
    if again is None:
        return refused(request, pk, Stale(NOT_STANDING))
    form = edit_form(again, request.POST or None)

    def act(values: dict[str, Any]) -> object:
        given = values_of(form, again)
        return answers.confirm_draft(
            pk, version=seen(request), values=given, actor=actor_of(request)
        )

    return ask(
        request,
        pk,
        form,
        act,
        f"Case {pk}: what you corrected is done",
        title="Correct the draft",
        word="Do this",
        **shown_again(again, form),
    )


def _deciding(request: HttpRequest, pk: int) -> Failure:
    """Whoever works on cases, and the reviewer a first look belongs to."""
    user, case = signed_in(request), case_or_404(pk)
    if not (user.has_perm("automations.work_failure") or is_theirs(user, case)):
        raise PermissionDenied
    return case


@may_view
@both
def failure_release(request: HttpRequest, pk: int) -> HttpResponse:
    """Let runs go on that a limit or a first look keeps back; more than one asks to be sure."""
    case = _deciding(request, pk)
    if case.error not in answers.PARKED or case.rule is None:
        return refused(request, pk, NotPossible("No run waits for this case."))
    shown = kept_back(case, signed_in(request), None)
    # One run that became several since the page was shown is asked about as well.
    if request.method != "POST" or (shown["kept"].runs > 1 and "sure" not in request.POST):
        return _ask_to_release(request, case, shown)
    looks_right = case.error == Failure.Error.FIRST_LOOK
    said = "Looks right: the version goes on" if looks_right else "The runs go on"
    return press(
        request,
        pk,
        lambda: answers.release_parked(pk, version=seen(request), actor=actor_of(request)),
        said,
    )


def _ask_to_release(request: HttpRequest, case: Failure, shown: dict[str, Any]) -> HttpResponse:
    """How many would go on, what they would do, and the money they are about."""
    found = deeds(case.rule_id or 0, answers.PARKED[Failure.Error(case.error)])
    context = {
        **shown,
        "case": case,
        "deeds": found[:DEEDS],
        "more_runs": sum(deed.runs for deed in found[DEEDS:]),
        "action": f"{request.path}?version={seen(request)}",
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "automations/_case_release.html", context, status=status)


@may_view
@both
def failure_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Leave runs undone that a limit or a first look keeps back."""
    _deciding(request, pk)

    def act(values: dict[str, Any]) -> object:
        return answers.cancel_parked(
            pk, version=seen(request), reason=values["reason"], actor=actor_of(request)
        )

    return ask(
        request,
        pk,
        WhyForm(request.POST or None),
        act,
        f"Case {pk}: the runs are left undone",
        title="Leave them undone",
        text="The runs that wait are not done. What came before stays. This can't be undone.",
        word="Leave them undone",
        button_class="danger-solid",
    )


@permission_required("automations.stop_rule", raise_exception=True)
@both
def failure_stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop the rule of a case at once; the case and the runs that wait stay."""
    case = case_or_404(pk)
    if case.rule is None:
        return refused(request, pk, NotPossible("No rule stands behind this case."))

    def act(values: dict[str, Any]) -> object:
        return answers.stop_from_case(
            pk, version=seen(request), reason=values["reason"], actor=actor_of(request)
        )

    return ask(
        request,
        pk,
        WhyForm(request.POST or None),
        act,
        f"Stopped “{case.rule.name}”",
        title=f"Stop “{case.rule.name}”",
        text="It stops at once, before its next effect. Starting it again takes two people.",
        word="Stop the rule",
        button_class="danger-solid",
    )

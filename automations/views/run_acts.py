"""What people do about a run: undo it, end it, try the draft on its event."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from automations.conditions.operands import ConditionInvalid
from automations.engine.undo import Undone, Verdict
from automations.forms.cases import WhyForm
from automations.models.events import Event
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.rules.parsing import DocumentInvalid
from automations.services import ending, undo
from automations.services.errors import AutomationError, Stale
from automations.simulation.trial import try_on
from automations.views.drafting import Drafting
from automations.views.unfinished import finished
from backoffice import actors
from backoffice.views.me import signed_in
from backoffice.workbench import respond

both = require_http_methods(["GET", "HEAD", "POST"])
VERDICTS = {
    Verdict.CAN: ("ok", "Can", "circle-check"),
    Verdict.CANT: ("warn", "Can’t", "ban"),
    Verdict.NOTHING: ("wait", "Nothing", "minus"),
    Verdict.UNDONE: ("wait", "Undone", "arrow-back-up"),
}


def _run(pk: int) -> Run:
    run = Run.objects.filter(pk=pk).first()
    if run is None:
        raise Http404
    return run


def undo_lines(shown: undo.Preview) -> list[dict[str, str]]:
    """A preview as lines: the verdict, the way back, and what stands against it."""
    return [
        {
            "token": VERDICTS[piece.verdict][0],
            "verdict": VERDICTS[piece.verdict][1],
            "sign": VERDICTS[piece.verdict][2],
            "words": piece.words,
            "why": piece.why,
        }
        for piece in shown.pieces
    ]


def _refused(request: HttpRequest, pk: int, error: AutomationError) -> HttpResponse:
    context = {"message": str(error), "url": reverse("run_detail", args=[pk])}
    status = 409 if isinstance(error, Stale) else 422
    return render(request, "automations/_run_refused.html", context, status=status)


@permission_required("automations.undo_run", raise_exception=True)
@both
def run_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take back what a run did, as the preview showed it, with a reason."""
    run, user = _run(pk), signed_in(request)
    mark = request.GET.get("mark", "") or request.POST.get("mark", "")
    form = WhyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            undone = undo.undo_run(
                pk, reason=form.cleaned_data["reason"], mark=mark, actor=actors.person(user)
            )
        except Stale as error:
            return _refused(request, pk, error)
        except AutomationError as error:
            form.add_error(None, str(error))
        else:
            return respond.go(request, reverse("run_detail", args=[pk]), _said(undone))
    shown = undo.preview(run, user)
    context = {
        "form": form,
        "run": run,
        "mark": mark or shown.mark,
        "undo": shown,
        "lines": undo_lines(shown),
        "action": reverse("run_undo", args=[pk]),
    }
    return render(
        request, "automations/_run_undo_dialog.html", context, status=422 if form.errors else 200
    )


def _said(undone: Undone) -> str:
    words = f"Undone: {' '.join(undone.done)}"
    return f"{words} Not undone: {'; '.join(undone.refused)}" if undone.refused else words


@permission_required("automations.work_failure", raise_exception=True)
@both
def run_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a run up; what it did stays done."""
    run = _run(pk)
    form = WhyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            actor = actors.person(signed_in(request))
            ending.end_run(pk, reason=form.cleaned_data["reason"], actor=actor)
        except AutomationError as error:
            form.add_error(None, str(error))
        else:
            return respond.go(request, reverse("run_detail", args=[pk]), "The run is ended.")
    context = {
        "form": form,
        "title": f"End run {run.number}",
        "text": "What it did stays done. What is left will not be done. This can't be undone.",
        "word": "End the run",
        "button_class": "danger-solid",
        "action": request.get_full_path(),
    }
    status = 422 if form.errors else 200
    return render(request, "automations/_case_dialog.html", context, status=status)


@permission_required("automations.view_rule", raise_exception=True)
@require_GET
def run_try(request: HttpRequest, pk: int) -> HttpResponse:
    """The rule's draft on the event of this run: explained, every effect listed, none taken."""
    run = _run(pk)
    rule, event = Rule.objects.get(pk=run.rule_id), Event.objects.get(pk=run.event_id)
    context: dict[str, Any] = {"run": run, "rule": rule, "event": event}
    body, _ = finished(Drafting.of(rule.slug))
    try:
        context["trial"] = try_on(body, event)
    except (DocumentInvalid, ConditionInvalid, KeyError):
        context["unreadable"] = True
    return render(request, "automations/_run_try.html", context)

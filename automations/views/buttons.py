"""A record's page: the rules a person can start for it, and what became of the last start."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from automations.conditions.words import lowered
from automations.models.events import Event
from automations.models.runs import Run, run_id, run_number
from automations.rules.words import StepWords
from automations.services import buttons
from automations.services.buttons import Button, Verdict
from automations.services.errors import AutomationError, NotPossible, Stale
from automations.simulation.trial import tried
from automations.views.drafting import signed_in
from automations.views.phrases import told
from automations.views.run_list import STATES
from automations.views.trace import VERDICTS, clauses
from backoffice import subjects
from backoffice.models import User
from backoffice.workbench import respond

# So long the page waits for a start to come to an end before it leaves asking to the person.
WATCHED = timedelta(minutes=2)
# What is on its way, rather than waiting for a time or a person.
UNDER_WAY = (Run.State.DUE, Run.State.CALLING)


def button_name(label: str) -> str:
    """The name of the address of a subject's buttons: `buttons_orders_order`."""
    return f"buttons_{label.replace('.', '_')}"


def press_name(label: str) -> str:
    return f"press_{label.replace('.', '_')}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A button with its last press. `run` None: not pressed, or not matched yet."""

    button: Button
    event: Event | None
    run: Run | None
    who: User | None
    url: str

    @property
    def is_new(self) -> bool:
        """Whether its end is still to be waited for on the page."""
        if self.event is None or self.event.recorded_at < timezone.now() - WATCHED:
            return False
        return self.run is None or self.run.state in UNDER_WAY

    @property
    def number(self) -> str:
        return run_number(self.run.pk) if self.run else ""

    @property
    def state(self) -> tuple[str, str, str]:
        """Token, words and sign of the last press."""
        if self.run is None:
            return "info", "Starting", "player-play"
        token, sign = STATES[self.run.state]
        return token, self.run.get_state_display(), sign


def _may_see(request: HttpRequest, label: str) -> User:
    user = signed_in(request)
    if not user.has_perm(subjects.get(label).view_permission):
        raise PermissionDenied
    return user


def _shown(label: str, pk: int, user: User) -> list[Shown]:
    found = buttons.buttons_for(label, user)
    pressed = buttons.presses_of(label, pk, [button.rule.pk for button in found])
    keys = {rule_id: run_id(event.pk, rule_id) for rule_id, event in pressed.items()}
    runs = Run.objects.in_bulk(keys.values())
    people = User.objects.in_bulk({event.actor_user_id for event in pressed.values()} - {None})
    return [
        Shown(
            button,
            event := pressed.get(button.rule.pk),
            runs.get(keys.get(button.rule.pk, 0)),
            people.get(event.actor_user_id or 0) if event else None,
            reverse(press_name(label), args=[pk, button.rule.slug]),
        )
        for button in found
    ]


@require_GET
def buttons_panel(request: HttpRequest, pk: int, *, label: str) -> HttpResponse:
    """The part of the page; nothing at all where no rule has a button."""
    user = _may_see(request, label)
    shown = _shown(label, pk, user)
    if not shown:
        return HttpResponse("")
    waits = any(each.is_new for each in shown)
    context = {
        "shown": shown,
        "waits": waits,
        "address": request.path,
        "part": f"part-{button_name(label)}",
    }
    response = render(request, "automations/_buttons.html", context)
    if "waited" in request.GET and not waits:
        # What the rule did stands on the page's other parts, too.
        response["HX-Trigger"] = json.dumps({"record:changed": {}})
    return response


@require_http_methods(["GET", "POST"])
def press_dialog(request: HttpRequest, pk: int, slug: str, *, label: str) -> HttpResponse:
    """What the rule would do to this record, as it stands now; and doing it."""
    user = _may_see(request, label)
    button = _button(label, slug, user)
    refusal, status = button.refusal, 200
    if request.method == "POST":
        try:
            after = int(request.POST.get("after", ""))
        except ValueError:
            return HttpResponse(status=400)
        try:
            pressed = buttons.press(label, button.rule.pk, pk, after=after, user=user)
        except AutomationError as error:
            refusal, status = str(error), 409 if isinstance(error, Stale) else 422
        else:
            return _done(request, label, pk, button, pressed)
    return _ask(request, label, pk, button, refusal, status)


def _button(label: str, slug: str, user: User) -> Button:
    for button in buttons.buttons_for(label, user):
        if button.rule.slug == slug:
            return button
    raise Http404


def _done(
    request: HttpRequest, label: str, pk: int, button: Button, pressed: buttons.Pressed
) -> HttpResponse:
    words = f"Started “{button.rule.name}”."
    if not pressed.is_new:
        words = f"“{button.rule.name}” was started already: nothing was done twice."
    if not request.headers.get("HX-Request"):
        subject = subjects.get(label)
        return respond.go(request, subject.url(subject.numbers([pk]).get(pk, "")), words)
    response = respond.toast(words)
    events = json.loads(response["HX-Trigger"])
    response["HX-Trigger"] = json.dumps({**events, "record:changed": {}})
    return response


def _ask(
    request: HttpRequest, label: str, pk: int, button: Button, refusal: str, status: int
) -> HttpResponse:
    verdict: Verdict | None = None
    try:
        verdict = buttons.judge(button, pk)
        refusal = refusal or verdict.refusal
    except NotPossible as error:
        refusal = refusal or str(error)
    subject = subjects.get(label)
    last = buttons.presses_of(label, pk, [button.rule.pk]).get(button.rule.pk)
    context: dict[str, Any] = {
        "button": button,
        "noun": subject.noun,
        "number": subject.numbers([pk]).get(pk, ""),
        "told": told(button.compiled.document),
        "steps": _steps(button, verdict),
        "refusal": refusal,
        "verdict": (verdict.told.verdict, *VERDICTS[verdict.told.verdict]) if verdict else None,
        "clauses": clauses(verdict.told) if verdict else [],
        "after": last.pk if last else 0,
        "last": last,
        "action": request.path,
    }
    return render(request, "automations/_press.html", context, status=status)


def _steps(button: Button, verdict: Verdict | None) -> list[tuple[StepWords, str, str]]:
    """The rule's steps, in words of this record's values where they can be told; what is wrong."""
    compiled, known = button.compiled, {}
    if verdict is not None:
        standing, at = verdict.standing, verdict.at
        trial = tried(compiled.document, compiled.catalogue, standing.facts, standing.lists, at)
        # Inside a loop a step has other words for each item: there the rule's own are told.
        known = {step.uid: step for step in trial.steps if step.action and not step.depth}
    return [
        (
            line,
            lowered(known[line.uid].words) if line.uid in known else line.words,
            known[line.uid].problem if line.uid in known else "",
        )
        for line in told(compiled.document).steps
    ]

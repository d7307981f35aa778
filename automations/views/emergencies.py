"""The emergency of a version, on its page: asked for, agreed to, ended, reviewed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from automations.forms.policies import AgreeForm, EmergencyForm, ReviewForm
from automations.models.documents import Document
from automations.models.policies import Emergency
from automations.queries.stops import load_of
from automations.services import emergencies
from automations.services.approving import SUITABLE, role_for
from automations.services.errors import AutomationError
from automations.views.drafting import signed_in
from backoffice.actors import person
from backoffice.counting import counted
from backoffice.dialogs import ask
from backoffice.models import User

both = require_http_methods(["GET", "HEAD", "POST"])
may_use = permission_required(emergencies.USE, raise_exception=True)


def context_of(document: Document, user: User) -> dict[str, Any]:
    """What the page of a version says of its emergencies and offers this person."""
    found = document.emergencies.select_related("asked_by", "agreed_by", "ended_by", "reviewed_by")
    known = list(found.order_by("-pk")[:5])
    newest = known[0] if known else None
    uses = user.has_perm(emergencies.USE)
    waits = document.kind == "rule" and document.state == Document.State.SUBMITTED
    worked = document.editors.filter(user=user).exists()
    state = newest.state if newest else ""
    reviews = newest is not None and state == "ended" and newest.reviewed_at is None
    hands = (newest.asked_by_id, newest.agreed_by_id) if newest else ()
    return {
        "emergencies": known,
        "emergency": newest,
        "may_ask_emergency": uses and waits and state not in ("asked", "agreed") and not reviews,
        "may_agree_emergency": uses
        and waits
        and state == "asked"
        and newest is not None
        and newest.asked_by_id != user.pk
        and not worked,
        "may_end_emergency": uses and state == "agreed",
        "may_review_emergency": reviews
        and user.pk not in hands
        and not worked
        and role_for(user, document.risk) is not None,
        "review_waits": reviews,
        "reviewers": " or ".join(SUITABLE[document.risk]),
    }


def _back(document_id: int) -> str:
    return reverse("approval_detail", args=[document_id])


@may_use
@both
def emergency_ask(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask that a version acts now, for an hour."""
    document = get_object_or_404(Document.objects.exclude(rule=None), pk=pk)

    def act(values: dict[str, Any]) -> str:
        actor = person(signed_in(request))
        emergencies.ask(document.pk, sha256=values["sha256"], why=values["why"], actor=actor)
        return "Asked. It acts once a second person agrees, within the hour."

    return ask(
        request,
        EmergencyForm(request.POST or None, initial={"sha256": document.sha256}),
        title=f"Emergency: version {document.version} acts for 60 minutes",
        text="Only for what can’t wait for an approval. A second person has to agree; one of you "
        "two is of operations or an administrator. Everybody sees it on every page, finance and "
        "all who could approve it are told, it ends by itself, and one of them reviews what it "
        "did.",
        word="Ask for it",
        danger=True,
        back=_back(document.pk),
        refusals=(AutomationError,),
        act=act,
    )


def _emergency(pk: int) -> Emergency:
    rows = Emergency.objects.select_related("rule", "document", "asked_by", "agreed_by")
    return get_object_or_404(rows, pk=pk)


@may_use
@both
def emergency_agree(request: HttpRequest, pk: int) -> HttpResponse:
    """Agree to it, with one's name."""
    found = _emergency(pk)

    def act(values: dict[str, Any]) -> str:
        actor = person(signed_in(request))
        begun = emergencies.agree(found.pk, sha256=values["sha256"], actor=actor)
        return f"It acts until {begun.ends_at:%H:%M} UTC"

    return ask(
        request,
        AgreeForm(request.POST or None, initial={"sha256": found.document.sha256}),
        title=f"{found.rule.name}: version {found.document.version} acts now",
        text=f"{found.asked_by} asks for it: {found.why} It acts for 60 minutes in place of what "
        "is live, and your name stands beside it.",
        word="Agree: let it act",
        danger=True,
        back=_back(found.document_id),
        refusals=(AutomationError,),
        act=act,
    )


@may_use
@both
def emergency_end(request: HttpRequest, pk: int) -> HttpResponse:
    """End it before its hour is over."""
    found = _emergency(pk)
    open_runs = load_of(found.rule).total

    def act(values: dict[str, Any]) -> str:
        emergencies.end(found.pk, actor=person(signed_in(request)))
        return "Ended. What is live acts again."

    return ask(
        request,
        forms.Form(request.POST or None),
        title=f"End the emergency of {found.rule.name}",
        text=f"It takes no effect from now on, and what is live acts again. The rule has "
        f"{counted(open_runs, 'open run')}; those of this version are cancelled where they stand.",
        word="End it",
        back=_back(found.document_id),
        refusals=(AutomationError,),
        act=act,
    )


@permission_required("automations.approve_document", raise_exception=True)
@both
def emergency_review(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what one found of what it did."""
    found = _emergency(pk)

    def act(values: dict[str, Any]) -> str:
        emergencies.review(
            found.pk,
            was_right=values["was_right"] == "yes",
            note=values["note"],
            actor=person(signed_in(request)),
        )
        return "Reviewed"

    return ask(
        request,
        ReviewForm(request.POST or None),
        title=f"Review the emergency of {found.rule.name}",
        text=f"{found.asked_by} and {found.agreed_by} let version {found.document.version} act: "
        f"{found.why} Look at its runs first, and take back what was wrong.",
        word="Keep the review",
        back=_back(found.document_id),
        refusals=(AutomationError,),
        act=act,
    )

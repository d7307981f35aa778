"""How many have to agree to a version, by risk; and taking a version back before anybody has."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from automations.forms.policies import QuorumForm
from automations.forms.rules import WhyForm
from automations.models.documents import Document
from automations.models.policies import ApprovalPolicy
from automations.services import policies, rules
from automations.services.approving import SUITABLE
from automations.services.errors import AutomationError
from automations.tables import RISK_PILLS, RISKS
from automations.views.drafting import signed_in
from backoffice.actors import person
from backoffice.dialogs import ask

WHAT = {
    "money": "It refunds, pays or books, or it calls a system that does.",
    "customer": "It writes to customers, or changes what they are sent.",
    "none": "It tags, holds, assigns or tells staff.",
}
may_change = permission_required("automations.change_approvalpolicy", raise_exception=True)


@permission_required("automations.view_approvalpolicy", raise_exception=True)
@require_GET
def approval_policy(request: HttpRequest) -> HttpResponse:
    """Who decides on which risk, and how many of them."""
    known = {each.risk: each for each in ApprovalPolicy.objects.select_related("asked_by")}
    user = signed_in(request)
    rows = [
        {
            "policy": known[risk],
            "pill": RISK_PILLS[risk],
            "what": WHAT[risk],
            "deciders": " or ".join(SUITABLE[risk]),
            "may_agree": known[risk].wanted and known[risk].asked_by_id != user.pk,
        }
        for risk, _ in RISKS
    ]
    context = {"rows": rows, "is_finance": user.groups.filter(name="finance").exists()}
    return render(request, "automations/approval_policy.html", context)


@may_change
@require_http_methods(["GET", "HEAD", "POST"])
def approval_policy_change(request: HttpRequest, risk: str) -> HttpResponse:
    """Have more people agree from now on, or ask that fewer do."""
    policy = get_object_or_404(ApprovalPolicy, pk=risk)

    def act(values: dict[str, Any]) -> str:
        actor, number = person(signed_in(request)), values["approvers"]
        if policies.change(risk, number, actor=actor):
            return "Two people have to agree from now on"
        return "Asked: someone else has to agree that one is enough"

    return ask(
        request,
        QuorumForm(request.POST or None, initial={"approvers": policy.approvers}),
        title="How many have to agree",
        text="Two holds at once, for what waits already too. One again takes another of finance "
        "or an administrator.",
        word="Change",
        back=reverse("approval_policy"),
        refusals=(AutomationError,),
        act=act,
    )


@may_change
@require_http_methods(["GET", "HEAD", "POST"])
def approval_policy_answer(request: HttpRequest, risk: str, verdict: str) -> HttpResponse:
    """Agree that fewer people have to agree, or leave it as it is."""
    policy = get_object_or_404(ApprovalPolicy, pk=risk)
    if verdict not in ("agree", "keep"):
        raise Http404
    agrees = verdict == "agree"

    def act(values: dict[str, Any]) -> str:
        actor = person(signed_in(request))
        (policies.agree if agrees else policies.keep)(risk, actor=actor)
        return "One person has to agree from now on" if agrees else "It stays as it is"

    return ask(
        request,
        forms.Form(request.POST or None),
        title="One person instead of two" if agrees else "Leave it at two",
        text=f"{policy.asked_by} asks that one person is enough."
        if policy.asked_by
        else "Nobody asks for it any more.",
        word="Agree" if agrees else "Leave it",
        danger=agrees,
        back=reverse("approval_policy"),
        refusals=(AutomationError,),
        act=act,
    )


@permission_required("automations.submit_rule", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def approval_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a version back that waits, or that nobody has put in force."""
    document = get_object_or_404(Document.objects.exclude(rule=None), pk=pk)

    def act(values: dict[str, Any]) -> str:
        actor = person(signed_in(request))
        rules.withdraw_document(document.pk, why=values["why"], actor=actor)
        return f"Version {document.version} is taken back. The draft stays as it is."

    return ask(
        request,
        WhyForm(request.POST or None),
        title=f"Take version {document.version} back",
        text="Nobody can decide on it any more. The draft stays, and can be submitted again.",
        word="Take it back",
        back=reverse("approval_detail", args=[pk]),
        refusals=(AutomationError,),
        act=act,
    )

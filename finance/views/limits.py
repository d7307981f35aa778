"""Up to how much one person pays back alone: finance says so, more takes two."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice.actors import person
from backoffice.dialogs import ask
from backoffice.views.me import signed_in
from finance.forms import AnswerLimitForm, LimitForm
from finance.models.refund_limits import RefundLimit
from finance.services.errors import FinanceError
from finance.services.small_refunds import answer_limit, change_limit

may_change = permission_required("finance.change_refundlimit", raise_exception=True)
both = require_http_methods(["GET", "HEAD", "POST"])


@permission_required("finance.view_refundlimit", raise_exception=True)
@require_GET
def refund_limits(request: HttpRequest) -> HttpResponse:
    """The limits by currency, and what waits for a second person."""
    user = signed_in(request)
    context = {
        "limits": RefundLimit.objects.select_related("asked_by").order_by("currency"),
        "is_finance": user.groups.filter(name="finance").exists(),
        "me": user.pk,
    }
    return render(request, "finance/refund_limits.html", context)


@may_change
@both
def refund_limit_change(request: HttpRequest) -> HttpResponse:
    """Lower a limit at once, or ask that one person may pay back more alone."""
    known = RefundLimit.objects.filter(currency=request.GET.get("currency", "")).first()

    def act(values: dict[str, Any]) -> str:
        once, day = values["amount"], values["a_day"]
        actor = person(signed_in(request))
        if change_limit(once.currency, once.amount, day.amount, actor=actor):
            return f"One person pays back up to {once} from now on"
        return "Asked: someone else has to agree to the higher limit"

    initial = {"amount": known.money, "a_day": known.money_a_day} if known else {}
    return ask(
        request,
        LimitForm(request.POST or None, initial=initial),
        title="What one person pays back alone",
        text="Less holds at once. More takes another of finance or an administrator. Over it, "
        "someone else of finance approves each refund.",
        word="Change",
        back=reverse("refund_limits"),
        refusals=(FinanceError,),
        act=act,
    )


@may_change
@both
def refund_limit_answer(request: HttpRequest, currency: str, verdict: str) -> HttpResponse:
    """Agree to a higher limit, or leave it as it is."""
    limit = get_object_or_404(RefundLimit.objects.select_related("asked_by"), pk=currency)
    if verdict not in ("agree", "keep"):
        raise Http404
    agrees = verdict == "agree"

    def act(values: dict[str, Any]) -> str:
        once, day = values["amount"], values["a_day"]
        actor = person(signed_in(request))
        answer_limit(currency, once.amount, day.amount, agrees=agrees, actor=actor)
        return f"One person pays back up to {once} from now on" if agrees else "It stays as it is"

    once, day = limit.wanted_money, limit.wanted_money_a_day
    text = f"{limit.asked_by} asks for {once} at once and {day} in 24 hours, not {limit.money}."
    return ask(
        request,
        AnswerLimitForm(request.POST or None, initial={"amount": once, "a_day": day}),
        title="A higher limit" if agrees else "Leave the limit as it is",
        text=text if once else "Nobody asks for it any more.",
        word="Agree" if agrees else "Leave it",
        danger=agrees,
        back=reverse("refund_limits"),
        refusals=(FinanceError,),
        act=act,
    )

"""Promotions: their pages, their terms, and the two people that a start takes."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask, seen_version
from backoffice.models import User
from backoffice.versions import StaleVersion, whole
from backoffice.views.me import signed_in
from backoffice.workbench import respond
from orders.forms.promotions import NoteForm, PromotionForm, WhyForm, typed
from orders.models.promotions import Promotion, PromotionChange, Redemption
from orders.queries.promotions import money_given, state_of, why_over, with_uses
from orders.services.errors import OrderError, PromotionError
from orders.services.promoting import LABEL
from orders.services.promotion_sample import DAYS, MOST, sample
from orders.services.promotion_words import difference, in_words, limits, when
from orders.services.promotions import (
    Terms,
    agree_promotion,
    as_promotion,
    ask_start,
    draft_promotion,
    edit_promotion,
    refuse_promotion,
    stop_promotion,
    terms_of,
)
from orders.tables.promotions import STATE
from orders.views.carriers import trail

both = require_http_methods(["GET", "HEAD", "POST"])
REFUSALS = (OrderError,)
# Orders and changes that the page lists.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class ShownChange:
    """Something that was asked for, what it would change, and whether the viewer may agree."""

    row: PromotionChange
    lines: list[tuple[str, str, str]]
    may_agree: bool


def _changes(promotion: Promotion, viewer: User) -> list[ShownChange]:
    rows = promotion.changes.select_related("asked_by", "decided_by").order_by("-pk")[:SHOWN]
    decides = viewer.has_perm("orders.agree_promotion")
    return [
        ShownChange(
            row,
            difference(row.before, row.terms),
            decides and row.state == PromotionChange.State.ASKED and row.asked_by_id != viewer.pk,
        )
        for row in rows
    ]


def _page(promotion: Promotion) -> str:
    return reverse("promotion_detail", args=[promotion.key])


@permission_required("orders.view_promotion", raise_exception=True)
@require_GET
def promotion_detail(request: HttpRequest, key: str) -> HttpResponse:
    """A promotion: its rule in words, how often it was used and by which orders."""
    promotion = get_object_or_404(with_uses(Promotion.objects.all()), key=key)
    used = Redemption.objects.filter(promotion=promotion).select_related("order", "release")
    changes = _changes(promotion, signed_in(request))
    context = {
        "subject": LABEL,
        "record": promotion,
        "number": promotion.name,
        "list_url": reverse("promotion_list"),
        "list_title": "Promotions",
        "state": STATE[state_of(promotion)],
        "over": why_over(promotion),
        "rule": in_words(promotion),
        "limits": limits(promotion),
        "when": when(promotion),
        "given": money_given(promotion),
        "redemptions": used.order_by("-pk")[:SHOWN],
        "waiting": next(
            (each for each in changes if each.row.state == PromotionChange.State.ASKED), None
        ),
        "changes": changes,
        "entries": trail(LABEL, promotion.pk),
    }
    return render(request, "orders/promotion_detail.html", context)


def _form(request: HttpRequest, promotion: Promotion | None) -> PromotionForm:
    if request.method == "POST":
        return PromotionForm(request.POST)
    if promotion is not None:
        return PromotionForm(initial=typed(terms_of(promotion)))
    zone = signed_in(request).time_zone
    now = timezone.now().astimezone(ZoneInfo(zone)).replace(tzinfo=None, second=0, microsecond=0)
    return PromotionForm(initial={"time_zone": zone, "starts_at": now})


def _edit(request: HttpRequest, promotion: Promotion | None) -> HttpResponse:
    form = _form(request, promotion)
    status, tried = HTTPStatus.OK, None
    if request.method == "POST":
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if form.is_valid():
            try:
                if "sample" in request.POST:
                    tried, status = sample(as_promotion(form.terms())), HTTPStatus.OK
                else:
                    saved, said = _save(request, promotion, form.terms(), form.cleaned_data["why"])
                    return respond.go(request, _page(saved), said)
            except PromotionError as error:
                form.add_error(error.field or None, str(error))
            except StaleVersion as error:
                form.add_error(None, str(error))
                status = HTTPStatus.CONFLICT
    context = {
        "promotion": promotion,
        "form": form,
        "sample": tried,
        "days": DAYS,
        "most": MOST,
        "takes_two": promotion is not None and promotion.change_id is not None,
    }
    return render(request, "orders/promotion_edit.html", context, status=status)


def _save(
    request: HttpRequest, promotion: Promotion | None, terms: Terms, why: str
) -> tuple[Promotion, str]:
    """The promotion that was written, and what its page then says."""
    actor = actors.person(signed_in(request))
    if promotion is None:
        made = draft_promotion(terms, actor=actor)
        return made, f"“{made}” is drafted. Ask for its start when it is right."
    version = whole(request.POST.get("version", ""))
    waits = edit_promotion(promotion.pk, terms, why=why, version=version, actor=actor)
    if waits is not None:
        return promotion, "Asked for. It takes effect when somebody of finance agrees."
    return promotion, f"“{promotion}” is changed"


@permission_required("orders.add_promotion", raise_exception=True)
@both
def promotion_new(request: HttpRequest) -> HttpResponse:
    """A new promotion, as a draft."""
    return _edit(request, None)


@permission_required("orders.change_promotion", raise_exception=True)
@both
def promotion_edit(request: HttpRequest, key: str) -> HttpResponse:
    """Change a promotion's terms, or ask for it."""
    return _edit(request, get_object_or_404(Promotion, key=key))


@permission_required("orders.change_promotion", raise_exception=True)
@both
def promotion_start(request: HttpRequest, key: str) -> HttpResponse:
    """Ask that a promotion starts."""
    promotion = get_object_or_404(Promotion, key=key)

    def act(values: dict[str, Any]) -> str:
        ask_start(
            promotion.pk,
            why=values["why"],
            version=seen_version(request),
            actor=actors.person(signed_in(request)),
        )
        return "Asked for. It starts when somebody of finance agrees."

    return ask(
        request,
        WhyForm(request.POST or None),
        back=_page(promotion),
        title=f"Ask to start “{promotion}”",
        text=f"{in_words(promotion)}, {when(promotion)}. Somebody of finance has to agree.",
        word="Ask",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.stop_promotion", raise_exception=True)
@both
def promotion_stop(request: HttpRequest, key: str) -> HttpResponse:
    """Take a promotion off at once."""
    promotion = get_object_or_404(Promotion, key=key)

    def act(values: dict[str, Any]) -> str:
        stop_promotion(
            promotion.pk,
            reason=values["why"],
            version=seen_version(request),
            actor=actors.person(signed_in(request)),
        )
        return f"“{promotion}” is off"

    return ask(
        request,
        WhyForm(request.POST or None),
        back=_page(promotion),
        title=f"Stop “{promotion}”?",
        text="Orders placed from now on get nothing of it. What was given stays.",
        word="Stop",
        danger=True,
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_promotion", raise_exception=True)
@both
def promotion_decide(request: HttpRequest, pk: int, verdict: str) -> HttpResponse:
    """Agree to what somebody asked for, or turn it down; whoever asked may take it back."""
    change = get_object_or_404(PromotionChange.objects.select_related("promotion"), pk=pk)
    if verdict not in ("agree", "turn-down"):
        raise Http404
    agrees = verdict == "agree"
    if agrees and not signed_in(request).has_perm("orders.agree_promotion"):
        raise PermissionDenied
    promotion = change.promotion

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        if agrees:
            agree_promotion(pk, note=values["note"], actor=actor)
            return f"“{promotion}” is on with these terms"
        refuse_promotion(pk, note=values["note"], actor=actor)
        return "Turned down. Nothing has changed."

    told = "; ".join(f"{name}: {old} → {new}" for name, old, new in _told(change))
    return ask(
        request,
        NoteForm(request.POST or None),
        back=_page(promotion),
        title=f"{'Agree to' if agrees else 'Turn down'} “{promotion}”?",
        text=f"{change.why} · {told}" if told else change.why,
        word="Agree" if agrees else "Turn down",
        refusals=REFUSALS,
        act=act,
    )


def _told(change: PromotionChange) -> list[tuple[str, str, str]]:
    return difference(change.before, change.terms)

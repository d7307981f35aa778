"""Settings of trust: signals, the blocklist, credit of companies, what a channel checks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from orders.forms.trust import (
    BlockForm,
    ChecksForm,
    CreditForm,
    NewSignalForm,
    SignalForm,
    WhyForm,
    until,
)
from orders.models.channels import Channel
from orders.models.credit import CreditAccount
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.models.trust import BlockEntry, MarkKind, RiskSignal
from orders.queries.screening import FIRED_DAYS, JUDGED_DAYS, SignalFigures, signal_figures
from orders.services.blocklist import LABEL as ENTRY
from orders.services.blocklist import block_mark, unblock
from orders.services.channels import edit_checks
from orders.services.credit import CreditEdit, edit_credit
from orders.services.errors import OrderError
from orders.services.risk_signals import LABEL as SIGNAL
from orders.services.risk_signals import (
    SignalEdit,
    add_signal,
    agree_to_looser,
    edit_signal,
    keep_as_strict,
)
from orders.tables.trust import MODE, block_state, looks_for
from orders.views.carriers import trail

both = require_http_methods(["GET", "HEAD", "POST"])
REFUSALS = (OrderError,)
# Orders that the page of a blocklist entry lists.
SHOWN = 20


@permission_required("orders.view_risksignal", raise_exception=True)
@require_GET
def signal_detail(request: HttpRequest, key: str) -> HttpResponse:
    """A signal: what it looks for, how often it fires, and how often it was wrong."""
    signal = get_object_or_404(RiskSignal, key=key)
    context = {
        "subject": SIGNAL,
        "record": signal,
        "number": signal.name,
        "list_url": reverse("signal_list"),
        "list_title": "Fraud screening",
        "looks_for": looks_for(signal),
        "mode": MODE[RiskSignal.Mode(signal.mode)],
        "figures": signal_figures().get(key, SignalFigures()),
        "fired_days": FIRED_DAYS,
        "judged_days": JUDGED_DAYS,
        "versions": signal.history.select_related("history_user").order_by("-history_id")[:20],
        "entries": trail(SIGNAL, signal.pk),
        "wanted": _wanted(signal),
        "is_mine": signal.wanted_by_id == request.user.pk,
    }
    return render(request, "orders/signal_detail.html", context)


WORDS = {"mode": "what follows", "mark": "mark", "orders": "orders", "minutes": "minutes"}


def _wanted(signal: RiskSignal) -> list[str]:
    """What would change in a signal that somebody wants looser."""
    found = signal.wanted or {}
    changed = {k: v for k, v in found.items() if v != getattr(signal, k)}
    if "countries" in changed:
        changed["countries"] = ", ".join(changed["countries"])
    if "mode" in changed:
        changed["mode"] = RiskSignal.Mode(changed["mode"]).label
    return [f"{WORDS.get(name, name)}: {value}" for name, value in changed.items()]


@permission_required("orders.add_risksignal", raise_exception=True)
@both
def signal_new(request: HttpRequest, kind: str) -> HttpResponse:
    """Add a signal of one kind."""
    if kind not in RiskSignal.Kind.values:
        raise Http404
    chosen = RiskSignal.Kind(kind)

    def act(values: dict[str, Any]) -> str:
        edit = SignalEdit(mode=RiskSignal.Mode.MONITOR, **values)
        signal = add_signal(chosen, edit, actor=actors.person(signed_in(request)))
        return f"“{signal}” watches new orders. It holds none yet."

    return ask(
        request,
        NewSignalForm(request.POST or None, kind=chosen),
        back=reverse("signal_list"),
        title=f"New signal: {chosen.label[0].lower()}{chosen.label[1:]}",
        text="It begins in monitor: it notes what it would have held. Let it hold later.",
        word="Add",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_risksignal", raise_exception=True)
@both
def signal_edit(request: HttpRequest, key: str) -> HttpResponse:
    """Change a signal, for orders placed from then on."""
    signal = get_object_or_404(RiskSignal, key=key)
    user = signed_in(request)

    def act(values: dict[str, Any]) -> str:
        reason = values.pop("reason")
        values["mode"] = RiskSignal.Mode(values["mode"])
        changed = edit_signal(
            signal.pk,
            SignalEdit(**values),
            reason=reason,
            may_loosen=user.has_perm("orders.loosen_risksignal"),
            version=seen_version(request),
            actor=actors.person(user),
        )
        if changed.wanted is not None:
            return "Asked: another one of finance has to agree to let more orders through"
        return f"“{signal}” is changed"

    initial = {
        name: getattr(signal, name)
        for name in ("name", "mark", "orders", "minutes", "mode", "weight")
    }
    initial["countries"] = ", ".join(signal.countries)
    kind = RiskSignal.Kind(signal.kind)
    return ask(
        request,
        SignalForm(request.POST or None, initial=initial, kind=kind),
        back=reverse("signal_detail", args=[key]),
        title=f"Change “{signal}”",
        text="Acts on orders placed from now on. To let more orders through takes two of finance.",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_risksignal", raise_exception=True)
@both
def signal_looser(request: HttpRequest, key: str, verdict: str) -> HttpResponse:
    """Agree that a signal lets more orders through, or leave it as it is."""
    signal = get_object_or_404(RiskSignal.objects.select_related("wanted_by"), key=key)
    if verdict not in ("agree", "keep"):
        raise Http404
    agrees = verdict == "agree"

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        if not agrees:
            keep_as_strict(signal.pk, actor=actor)
            return f"“{signal}” stays as it is"
        version = seen_version(request)
        agree_to_looser(
            signal.pk, version=signal.version if version is None else version, actor=actor
        )
        return f"“{signal}” lets more orders through from now on"

    return ask(
        request,
        forms.Form(request.POST or None),
        back=reverse("signal_detail", args=[key]),
        title="Let more orders through" if agrees else "Leave it as it is",
        text=f"{signal.wanted_by} asks for it: {signal.wanted_why}"
        if signal.wanted_by
        else "Nobody asks for it any more.",
        word="Agree" if agrees else "Leave it",
        danger=agrees,
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.view_blockentry", raise_exception=True)
@require_GET
def block_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """An entry of the blocklist, and the orders that have its mark."""
    entry = get_object_or_404(BlockEntry, pk=pk)
    marked = Order.objects.filter(marks__kind=entry.kind, marks__value=entry.value)
    context = {
        "subject": ENTRY,
        "record": entry,
        "number": entry.value,
        "list_url": reverse("block_list"),
        "list_title": "Blocklist",
        "state": block_state(entry),
        "orders": marked.order_by("-placed_at")[:SHOWN],
        "entries": trail(ENTRY, entry.pk),
    }
    return render(request, "orders/block_detail.html", context)


@permission_required("orders.edit_blocklist", raise_exception=True)
@both
def block_new(request: HttpRequest) -> HttpResponse:
    """Put a mark on the blocklist."""

    def act(values: dict[str, Any]) -> str:
        entry = block_mark(
            MarkKind(values["kind"]),
            values["value"],
            reason=values["reason"],
            until=until(values["days"]),
            actor=actors.person(signed_in(request)),
        )
        return f"{entry.get_kind_display()} {entry.value} is on the blocklist"

    return ask(
        request,
        BlockForm(request.POST or None),
        back=reverse("block_list"),
        title="Put on the blocklist",
        text="Orders placed from now on are looked at.",
        word="Put on the list",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.edit_blocklist", raise_exception=True)
@both
def block_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a mark off the blocklist, such as after an appeal."""
    entry = get_object_or_404(BlockEntry, pk=pk)

    def act(values: dict[str, Any]) -> str:
        reason = values["reason"][:300]
        unblock(pk, reason=reason, actor=actors.person(signed_in(request)))
        return f"{entry.value} is off the blocklist"

    return ask(
        request,
        WhyForm(request.POST or None),
        back=reverse("block_detail", args=[pk]),
        title=f"Take {entry.value} off the blocklist?",
        text="The entry stays, with who and why. Orders that are held stay so.",
        word="Take off",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_creditaccount", raise_exception=True)
@both
def customer_credit(request: HttpRequest, number: str) -> HttpResponse:
    """Say how much a company may order unpaid."""
    customer = get_object_or_404(Customer, number=number)
    account = CreditAccount.objects.filter(customer=customer).first()

    def act(values: dict[str, Any]) -> str:
        reason = values.pop("reason")
        values["resets"] = CreditAccount.Resets(values["resets"])
        edit_credit(
            customer.pk,
            CreditEdit(**values),
            reason=reason,
            version=seen_version(request),
            actor=actors.person(signed_in(request)),
        )
        return f"{customer.name or customer} may order up to {values['limit']} unpaid"

    initial = {}
    if account is not None:
        names = ("resets", "answer_hours", "is_active")
        initial = {name: getattr(account, name) for name in names}
        initial["limit"] = account.limit_money
    return ask(
        request,
        CreditForm(request.POST or None, initial=initial),
        back=reverse("customer_detail", args=[number]),
        title=f"Credit of {customer.name or customer}",
        text="Orders placed from now on that go over it wait for an approver.",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_channel", raise_exception=True)
@both
def channel_checks(request: HttpRequest, key: str) -> HttpResponse:
    """Change what a channel looks at in new orders."""
    channel = get_object_or_404(Channel, key=key)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        edit_checks(channel.pk, **values, version=seen_version(request), actor=actor)
        return f"{channel} is changed"

    initial = {name: getattr(channel, name) for name in ChecksForm.base_fields}
    return ask(
        request,
        ChecksForm(request.POST or None, initial=initial),
        back=reverse("channel_detail", args=[key]),
        title=f"Checks of {channel}",
        text="Acts on orders placed from now on.",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )

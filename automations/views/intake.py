"""One delivery, one source, and what people do about them."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods

from automations.forms.intake import ChangeSourceForm, SigningSecretForm, SourceForm, TopicForm
from automations.forms.rules import WhyForm
from automations.intake import door
from automations.intake.reading import Unreadable, outline, parse
from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.intake import Delivery, IntakeRoute, IntakeSecret, IntakeSource
from automations.models.runs import Run
from automations.queries import intake as queries
from automations.services import intake
from automations.services.errors import AutomationError
from automations.views.intake_lists import feed_label, scheme_label, source_state, state_of
from automations.views.run_filters import noun
from automations.views.run_list import subject_url
from backoffice import subjects
from backoffice.actors import person
from backoffice.dialogs import ask
from backoffice.models import AuditEntry
from backoffice.views.me import signed_in
from backoffice.workbench import respond

both = require_http_methods(["GET", "HEAD", "POST"])
may_change = permission_required("automations.change_intakesource", raise_exception=True)
may_replay = permission_required("automations.replay_delivery", raise_exception=True)
REFUSALS = (AutomationError,)
TRAIL = {
    "intake.source_made": "made it",
    "intake.source_changed": "changed it",
    "intake.source_opened": "opened it",
    "intake.source_closed": "closed it",
    "intake.secret_stored": "stored a secret",
    "intake.secret_ended": "ended a secret",
    "intake.route_set": "changed how a topic is read",
    "intake.route_removed": "let a topic feed nothing",
}


# --- deliveries ---------------------------------------------------------------------------------


def laid_out(delivery: Delivery | None) -> str:
    """A delivery's content for eyes, without what may be a person's; empty when there is none."""
    if delivery is None or delivery.body is None:
        return ""
    try:
        content = outline(parse(bytes(delivery.body)))
    except Unreadable as error:
        return f"{error} It has {len(delivery.body):,} bytes."
    return json.dumps(content, indent=2, ensure_ascii=False)


def _subject(delivery: Delivery) -> dict[str, str]:
    """The record that it is about, as people know it; empty when it became nothing."""
    if delivery.subject_id is None or delivery.subject == intake.DELIVERY:
        return {}
    number = subjects.get(delivery.subject).numbers([delivery.subject_id]).get(delivery.subject_id)
    if number is None:
        return {"words": f"{noun(delivery.subject)}, gone", "url": ""}
    return {
        "words": f"{noun(delivery.subject)} {number}",
        "url": subject_url(delivery.subject, number),
    }


@permission_required("automations.view_delivery", raise_exception=True)
@require_GET
def delivery_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One delivery: what it said, as far as may be shown, and what became of it."""
    delivery = get_object_or_404(Delivery.objects.select_related("source"), pk=pk)
    event = Event.objects.filter(pk=delivery.event_id or 0).first()
    cases = Failure.objects.filter(subject=intake.DELIVERY, subject_id=pk).order_by("-pk")
    context = {
        "delivery": delivery,
        "state": state_of(delivery),
        "feed": feed_label(delivery.feed) if delivery.feed else "",
        "about": _subject(delivery),
        "facts": sorted(event.facts.items())
        if event and delivery.subject == intake.DELIVERY
        else [],
        "runs": Run.objects.filter(event_id=event.pk).order_by("pk") if event else [],
        "case": cases.first(),
        "content": laid_out(delivery),
        "size": len(delivery.body) if delivery.body is not None else None,
        "can_replay": delivery.state in intake.AGAIN and delivery.body is not None,
        "can_drop": delivery.state not in intake.NOT_AWAY,
        "route_url": _route_url(delivery),
    }
    return render(request, "automations/delivery_detail.html", context)


def _route_url(delivery: Delivery) -> str:
    """Where the mapping that reads it is mended; empty when its topic has none."""
    routes = IntakeRoute.objects.filter(
        source=delivery.source, topic__in={delivery.topic, ""}
    ).order_by("-topic")
    route = routes.first()
    return route_url(delivery.source, route.topic, route.feed) if route is not None else ""


def route_url(source: IntakeSource, topic: str, feed: str) -> str:
    """The page on which a topic's mapping is written."""
    return f"{reverse('route_edit', args=[source.key, feed])}?{urlencode({'topic': topic})}"


@may_replay
@both
def delivery_replay(request: HttpRequest, pk: int) -> HttpResponse:
    """Have it read again, by the mapping as it is now."""
    delivery = get_object_or_404(Delivery.objects.defer("body"), pk=pk)

    def act(values: dict[str, Any]) -> str:
        if not intake.replay([delivery.pk], actor=person(signed_in(request))):
            return "It was taken already, or its content was let go."
        return "It is read again."

    return ask(
        request,
        forms.Form(request.POST if request.method == "POST" else None),
        title="Read it again",
        word="Read it again",
        text="It is read by the mapping as it is now, and then starts rules like any other.",
        back=reverse("delivery_detail", args=[delivery.pk]),
        refusals=REFUSALS,
        act=act,
    )


@may_replay
@both
def delivery_drop(request: HttpRequest, pk: int) -> HttpResponse:
    """Put it away: nothing is done about it."""
    delivery = get_object_or_404(Delivery.objects.defer("body"), pk=pk)

    def act(values: dict[str, Any]) -> str:
        intake.drop(delivery.pk, why=values["why"], actor=person(signed_in(request)))
        return "Put away."

    return ask(
        request,
        WhyForm(request.POST or None),
        title="Put it away",
        word="Put it away",
        text="No rule sees it. It is kept, and can be read again later.",
        back=reverse("delivery_detail", args=[delivery.pk]),
        refusals=REFUSALS,
        act=act,
    )


# --- sources ------------------------------------------------------------------------------------


def source_or_404(key: str) -> IntakeSource:
    return get_object_or_404(IntakeSource, key=key)


def back(source: IntakeSource) -> str:
    return reverse("source_detail", args=[source.key])


@permission_required("automations.view_intakesource", raise_exception=True)
@require_GET
def source_detail(request: HttpRequest, key: str) -> HttpResponse:
    """A source: its address, secrets, topics, and who did what to it."""
    source = get_object_or_404(queries.source_list(), key=key)
    routes = list(source.routes.select_related("changed_by").order_by("topic"))
    read = {route.topic for route in routes}
    seen = queries.topics_seen(source)
    audit = AuditEntry.objects.filter(subject=intake.SOURCE, subject_id=source.pk)
    context = {
        "source": source,
        "state": source_state(source),
        "scheme": scheme_label(source),
        "address": request.build_absolute_uri(door.address(source.key)),
        "routes": [
            {
                "route": route,
                "feed": feed_label(route.feed),
                "url": route_url(source, route.topic, route.feed),
                "lines": len(route.mapping),
            }
            for route in routes
        ],
        "unread": [] if "" in read else [(t, n) for t, n in seen if t not in read],
        "secrets": source.secrets.select_related("created_by", "ended_by").order_by("-pk"),
        "accepted": set(
            queries.accepted_secrets().filter(source=source).values_list("pk", flat=True)
        ),
        "inbox_url": f"{reverse('delivery_list')}?view=all&source={source.key}",
        "trail": [
            (entry, TRAIL.get(entry.verb, entry.verb))
            for entry in audit.order_by("-at", "-id")[:20]
        ],
    }
    return render(request, "automations/source_detail.html", context)


@permission_required("automations.add_intakesource", raise_exception=True)
@both
def source_new(request: HttpRequest) -> HttpResponse:
    """The dialog that makes a source; its secret and topics come next."""
    form = SourceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            source = intake.create_source(actor=person(signed_in(request)), **form.cleaned_data)
        except AutomationError as error:
            form.add_error(None, str(error))
        else:
            return respond.go(request, back(source), "Made. Store its secret next.")
    context = {"form": form, "action": request.path, "title": "New source", "word": "Make it"}
    status = 422 if form.errors else 200
    return render(request, "components/dialog.html", context, status=status)


@may_change
@both
def source_change(request: HttpRequest, key: str) -> HttpResponse:
    """Name, purpose, and where its own way differs."""
    source = source_or_404(key)

    def act(values: dict[str, Any]) -> str:
        intake.change_source(source.pk, actor=person(signed_in(request)), **values)
        return "Saved."

    names = (*intake.DESCRIBED, "version")
    return ask(
        request,
        ChangeSourceForm(
            request.POST or None, initial={name: getattr(source, name) for name in names}
        ),
        title=f"Change “{source}”",
        word="Save",
        back=back(source),
        refusals=REFUSALS,
        act=act,
    )


@may_change
@both
def source_switch(request: HttpRequest, key: str) -> HttpResponse:
    """Accept its deliveries, or none from now on."""
    source, opens = source_or_404(key), request.GET.get("to") == "open"
    word = "Open" if opens else "Close"

    def act(values: dict[str, Any]) -> str:
        intake.set_open(source.pk, is_open=opens, actor=person(signed_in(request)))
        return "It is open." if opens else "It is closed: what it sends is refused."

    return ask(
        request,
        forms.Form(request.POST if request.method == "POST" else None),
        title=f"{word} “{source}”",
        word=f"{word} it",
        text="What it sends under its signature is accepted."
        if opens
        else "What it sends from now on is refused with 401; most senders try again for a while.",
        danger=not opens,
        back=back(source),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("automations.add_intakesecret", raise_exception=True)
@both
def source_secret(request: HttpRequest, key: str) -> HttpResponse:
    """Store a signing secret. It is written here and shown nowhere."""
    source = source_or_404(key)

    def act(values: dict[str, Any]) -> str:
        intake.store_secret(
            source.pk,
            value=values["value"].strip(),
            overlap=values["overlap"],
            actor=person(signed_in(request)),
        )
        return "Stored. What is signed with it is accepted."

    return ask(
        request,
        SigningSecretForm(request.POST or None),
        title="Store a signing secret",
        word="Store it",
        back=back(source),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("automations.change_intakesecret", raise_exception=True)
@both
def source_secret_end(request: HttpRequest, key: str, pk: int) -> HttpResponse:
    """Accept a secret no more."""
    source = source_or_404(key)
    secret = get_object_or_404(IntakeSecret.objects.defer("sealed"), pk=pk, source=source)

    def act(values: dict[str, Any]) -> str:
        intake.end_secret(secret.pk, actor=person(signed_in(request)))
        return "Ended."

    return ask(
        request,
        forms.Form(request.POST if request.method == "POST" else None),
        title="End this secret",
        word="End it",
        text="What is signed with it is refused within two seconds.",
        danger=True,
        back=back(source),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("automations.add_intakeroute", raise_exception=True)
@both
def source_topic(request: HttpRequest, key: str) -> HttpResponse:
    """Choose a topic and what it feeds; its mapping comes next."""
    source = source_or_404(key)
    begin = {"topic": request.GET.get("topic", "")[:120]}
    form = TopicForm(request.POST or None, initial=begin)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        return respond.go(request, route_url(source, given["topic"].strip(), given["feed"]))
    context = {"form": form, "action": request.path, "title": "Read a topic", "word": "Go on"}
    status = 422 if form.errors else 200
    return render(request, "components/dialog.html", context, status=status)

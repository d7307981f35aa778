"""Where the values of a topic stand: written beside the newest message of that topic."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from automations.conditions.fields import Field
from automations.forms.intake import MappingForm, initial_of, slots
from automations.intake.mapping import Reader, Unusable, fields_of, lists_of
from automations.intake.reading import Unreadable, parse
from automations.intake.values import Unmapped
from automations.models.intake import Delivery, IntakeRoute, IntakeSource
from automations.queries import intake as queries
from automations.services import intake
from automations.services.errors import AutomationError
from automations.views.intake import REFUSALS, back, laid_out, source_or_404
from backoffice.actors import person
from backoffice.dialogs import ask
from backoffice.views.me import signed_in
from backoffice.workbench import respond

# So many items of a list show how it is read.
SHOWN = 3
both = require_http_methods(["GET", "HEAD", "POST"])
may_route = permission_required("automations.change_intakeroute", raise_exception=True)


@may_route
@both
def route_edit(request: HttpRequest, key: str, feed: str) -> HttpResponse:
    """Write where the values of a topic stand. What was held meanwhile is read again by hand."""
    source, topic = source_or_404(key), request.GET.get("topic", "")[:120]
    known = intake.feed_of(feed)
    route = IntakeRoute.objects.filter(source=source, topic=topic).first()
    begin = initial_of(route.mapping) if route is not None and route.feed == feed else {}
    form = MappingForm(known, request.POST or None, initial=begin)
    newest = queries.newest_of(source, topic)
    if request.method == "POST" and form.is_valid():
        mapping = form.mapping()
        if "try" not in request.POST and _saved(request, source, topic, feed, form, mapping):
            return respond.go(request, back(source), "Saved. It holds from the next message on.")
        if "try" in request.POST:
            _checked(form, mapping)
    shown = form.mapping() if form.is_bound and form.is_valid() else route and route.mapping
    context = {
        "source": source,
        "topic": topic,
        "feed": known,
        "route": route,
        "form": form,
        "groups": [(field, _bound(form, slot)) for field, slot in slots(known)],
        "newest": newest,
        "content": laid_out(newest),
        "gives": _gives(known, shown or {}, source, newest) if shown else {},
    }
    status = 422 if form.errors else 200
    return render(request, "automations/route_edit.html", context, status=status)


def _bound(form: MappingForm, slot: str) -> list[forms.BoundField]:
    end = slot.replace(".", "__")
    names = [f"{kind}_{end}" for kind in ("at", "minor", "values")]
    return [form[name] for name in names if name in form.fields]


def _checked(form: MappingForm, mapping: dict[str, Any]) -> None:
    try:
        Reader(form.feed, mapping)
    except Unusable as error:
        form.show(error.errors)


def _saved(
    request: HttpRequest,
    source: IntakeSource,
    topic: str,
    feed: str,
    form: MappingForm,
    mapping: dict[str, Any],
) -> bool:
    """Whether it was saved; the form says what is wrong where it was not."""
    try:
        intake.set_route(
            source.pk, topic=topic, feed=feed, mapping=mapping, actor=person(signed_in(request))
        )
    except Unusable as error:
        form.show(error.errors)
    except AutomationError as error:
        form.add_error(None, str(error))
    else:
        return True
    return False


def _gives(
    feed: Any, mapping: dict[str, Any], source: IntakeSource, newest: Delivery | None
) -> dict[str, Any]:
    """What a mapping makes of the newest message: a value a field, or why it can't be read."""
    if newest is None or newest.body is None:
        return {}
    try:
        told = Reader(feed, mapping).read(parse(bytes(newest.body)), source.key, newest.topic)
    except (Unusable, Unmapped, Unreadable) as error:
        return {"problem": str(error)}
    values = [(field.label, _shown(field, told)) for field in fields_of(feed)]
    for known in lists_of(feed):
        items = getattr(told, known.path)
        values.append((known.label, str(len(items)) if items is not None else "nothing"))
        for number, item in enumerate((items or ())[:SHOWN], 1):
            words = [
                f"{field.label} {_shown(field, item)}"
                for field in known.items.values()
                if getattr(item, field.path) is not None
            ]
            values.append((f"{known.label} {number}", ", ".join(words)))
    return {"values": values}


def _shown(field: Field, told: Any) -> str:
    value = getattr(told, field.path)
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "yes", False: "no"}[value]
    words = str(value)
    # As beside it: no address is shown.
    return f"text of {len(words)}" if "@" in words else dict(field.choices).get(words, words)


@permission_required("automations.delete_intakeroute", raise_exception=True)
@both
def route_remove(request: HttpRequest, key: str, pk: int) -> HttpResponse:
    """Let a topic feed nothing any more."""
    source = source_or_404(key)
    route = get_object_or_404(IntakeRoute, pk=pk, source=source)

    def act(values: dict[str, Any]) -> str:
        intake.remove_route(route.pk, actor=person(signed_in(request)))
        return "Messages of this topic are kept and start nothing."

    return ask(
        request,
        forms.Form(request.POST if request.method == "POST" else None),
        title=f"Stop reading {route}",
        word="Stop reading it",
        text="Its messages are kept and start nothing from now on.",
        danger=True,
        back=back(source),
        refusals=REFUSALS,
        act=act,
    )

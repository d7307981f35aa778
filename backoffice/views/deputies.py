"""Deputies on screen: named on one's own page or a colleague's, agreed to by a second person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from backoffice import actors, staff, standing_in
from backoffice.deputies import Deputy
from backoffice.dialogs import ask
from backoffice.models import User
from backoffice.staff import StaffError
from backoffice.views.persons import signed_in

both = require_http_methods(["GET", "HEAD", "POST"])
DECIDE = "backoffice.decide_rolegrant"


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of who stands in for whom, as `viewer` sees it. `last` is the last day."""

    row: Deputy
    first: date
    last: date
    state: tuple[str, str, str]
    may_agree: bool
    may_turn_down: bool
    may_end: bool


def _state(row: Deputy) -> tuple[str, str, str]:
    if row.state == Deputy.State.ASKED:
        return "wait", "Waits for a second person", "hourglass"
    if row.from_at > timezone.now():
        return "info", "Agreed", "clock"
    return "ok", "Stands in now", "user-check"


def shown(user: User, viewer: User) -> list[Shown]:
    """Who stands in for a person and for whom they do, now and later."""
    rows = Deputy.objects.open().filter(Q(person=user) | Q(deputy=user))
    decides = viewer.has_perm(DECIDE)
    found = []
    for row in rows.select_related("person", "deputy", "asked_by").order_by("from_at", "pk"):
        zone = ZoneInfo(row.person.time_zone)
        own = viewer.pk in (row.person_id, row.deputy_id)
        waits = row.state == Deputy.State.ASKED
        could = (
            staff.seconds(row.asked_by_id, row.person_id, row.deputy_id)
            if decides and waits
            else []
        )
        found.append(
            Shown(
                row,
                row.from_at.astimezone(zone).date(),
                (row.until_at.astimezone(zone) - timedelta(seconds=1)).date(),
                _state(row),
                may_agree=viewer in could,
                may_turn_down=decides and waits,
                may_end=own or decides,
            )
        )
    return found


class DeputyForm(forms.Form):
    deputy = forms.ModelChoiceField(User.objects.none(), label="Who stands in")
    first = forms.DateField(label="First day", widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))
    last = forms.DateField(label="Last day", widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))
    why = forms.CharField(label="Why", max_length=200)

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["deputy"]
        field.queryset = standing_in.candidates(person)
        self.person = person

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        first, last = values.get("first"), values.get("last")
        today = timezone.now().astimezone(ZoneInfo(self.person.time_zone)).date()
        if first and last and last < first:
            self.add_error("last", "The last day is before the first.")
        elif last and last < today:
            self.add_error("last", "This day is over.")
        return values


def _name(request: HttpRequest, person: User, back: str) -> HttpResponse:
    def act(values: dict[str, Any]) -> str:
        row = standing_in.name_deputy(person.pk, **values, actor=actors.person(signed_in(request)))
        if row.state == Deputy.State.ASKED:
            return f"Asked: someone else has to agree, as {row.deputy} gets a role by it"
        return f"{row.deputy} stands in for {row.person}"

    today = timezone.localdate()
    own = person.pk == signed_in(request).pk
    return ask(
        request,
        DeputyForm(request.POST or None, person=person, initial={"first": today, "last": today}),
        title="Name a deputy" if own else f"Name a deputy for {person}",
        text="They are told what you would be told, and decide what you could decide. Where they "
        "lack your role, an administrator or someone of finance has to agree first. They never "
        "decide on what you worked on yourself.",
        word="Name them",
        back=back,
        refusals=(StaffError,),
        act=act,
    )


@both
def me_deputy(request: HttpRequest) -> HttpResponse:
    """Name who stands in for oneself."""
    return _name(request, signed_in(request), reverse("me"))


@permission_required("backoffice.change_user", raise_exception=True)
@both
def user_deputy(request: HttpRequest, username: str) -> HttpResponse:
    """Name who stands in for somebody who is away already."""
    person = get_object_or_404(User, username=username, is_active=True)
    return _name(request, person, reverse("user_detail", args=[username]))


VERDICTS = {
    "agree": ("Agree", "Agree only if you know both: your name stands beside it."),
    "turn-down": ("Turn down", "Nobody stands in; they may ask again."),
    "end": ("End it", "They no longer stand in, from now on."),
}


@both
def deputy_decide(request: HttpRequest, pk: int, verdict: str) -> HttpResponse:
    """Agree to a deputy, turn them down, or end it early."""
    row = get_object_or_404(Deputy.objects.select_related("person", "deputy"), pk=pk)
    if verdict not in VERDICTS:
        raise Http404
    viewer = signed_in(request)
    own = viewer.pk in (row.person_id, row.deputy_id)
    if not viewer.has_perm(DECIDE) and not (own and verdict == "end"):
        raise PermissionDenied
    services = {
        "agree": standing_in.agree,
        "turn-down": standing_in.turn_down,
        "end": standing_in.end,
    }

    def act(values: dict[str, Any]) -> str:
        services[verdict](row.pk, actor=actors.person(viewer))
        return {
            "agree": f"{row.deputy} stands in for {row.person}",
            "turn-down": "Turned down",
            "end": f"{row.deputy} no longer stands in for {row.person}",
        }[verdict]

    word, text = VERDICTS[verdict]
    sees = viewer.has_perm("backoffice.view_user")
    return ask(
        request,
        forms.Form(request.POST or None),
        title=f"{row.deputy} for {row.person}",
        text=f"{row.deputy} is to stand in for {row.person}: {row.why} {text}",
        word=word,
        danger=verdict != "agree",
        back=reverse("user_detail", args=[row.person.username]) if sees else reverse("me"),
        refusals=(StaffError,),
        act=act,
    )

"""Calendars: which days are worked, and what is changed about them."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from babel import Locale
from django import forms
from django.contrib.auth.decorators import permission_required
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from holidays import country_holidays, list_supported_countries

from backoffice import actors, calendars, ui
from backoffice.dialogs import ask
from backoffice.models import AuditEntry, Calendar, CalendarWeek, User
from backoffice.views import audit as audit_view
from backoffice.views.me import signed_in
from backoffice.workbench import respond
from backoffice.workbench.bench import Empty, Workbench
from backoffice.workbench.columns import Column

both = require_http_methods(["GET", "HEAD", "POST"])
may_change = permission_required("backoffice.change_calendar", raise_exception=True)
WEEKDAYS = [
    (1, "Monday"),
    (2, "Tuesday"),
    (3, "Wednesday"),
    (4, "Thursday"),
    (5, "Friday"),
    (6, "Saturday"),
    (7, "Sunday"),
]
LONGEST = timedelta(days=366)


def week_words(days: list[int]) -> str:
    """`Monday to Friday`, `Monday, Wednesday`, or that no day is worked."""
    names = dict(WEEKDAYS)
    if len(days) > 2 and days == list(range(days[0], days[-1] + 1)):
        return f"{names[days[0]]} to {names[days[-1]]}"
    return ", ".join(names[day] for day in days) or "no day"


def all_calendars(viewer: User) -> QuerySet[Calendar]:
    return Calendar.objects.all()


def with_days(rows: QuerySet[Calendar]) -> QuerySet[Calendar]:
    return rows.prefetch_related("weeks", "days").annotate(known_until=Max("days__day"))


def _week_now(calendar: Calendar) -> str:
    today = timezone.localdate()
    past = [week for week in calendar.weeks.all() if week.from_day <= today]
    return week_words(past[-1].open_days) if past else ""


def _days_left(calendar: Calendar) -> int:
    today = timezone.localdate()
    return sum(1 for each in calendar.days.all() if each.day >= today)


CALENDARS = Workbench[Calendar](
    key="backoffice.calendars",
    title="Calendars",
    noun="calendar",
    url_name="calendar_list",
    permission="backoffice.view_calendar",
    queryset=all_calendars,
    decorate=with_days,
    row_label=str,
    row_url=lambda calendar: reverse("calendar_detail", args=[calendar.key]),
    columns=(
        Column("name", "Calendar", sort="name", main=True, wide=True),
        Column("week", "Worked", _week_now),
        Column("days", "Days to come that differ", _days_left, kind="number"),
        Column("until", "Known until", "known_until", kind="time"),
        Column("key", "Key", "key", kind="code", default=False),
    ),
    search=("name__icontains",),
    search_hint="Filter by name",
    sort=("name",),
    actions_template="backoffice/_calendar_list_actions.html",
    empty=Empty("No calendars yet.", "Without one, scheduled rules take every day as open."),
)


# --- forms ----------------------------------------------------------------------------------------


def _day(label: str, *, required: bool = True, help_text: str = "") -> forms.DateField:
    widget = forms.DateInput({"type": "date"}, "%Y-%m-%d")
    return forms.DateField(label=label, required=required, help_text=help_text, widget=widget)


class NewCalendarForm(forms.Form):
    name = forms.CharField(max_length=80, help_text="Such as United Kingdom, or Warehouse.")


class DaysForm(forms.Form):
    from_day = _day("Day")
    to_day = _day("To", required=False, help_text="For several days in a row.")
    what = forms.ChoiceField(
        label="Is",
        choices=[("closed", "closed"), ("open", "worked, whatever the week says")],
    )
    name = forms.CharField(label="Why", max_length=80, help_text="Such as Christmas Day.")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        first, last = given.get("from_day"), given.get("to_day")
        if first and last and not first <= last <= first + LONGEST:
            self.add_error("to_day", "Choose a day after the first, within a year.")
        return given

    @property
    def days(self) -> list[tuple[date, str]]:
        first = self.cleaned_data["from_day"]
        last = self.cleaned_data["to_day"] or first
        count = (last - first).days + 1
        return [(first + timedelta(days=n), self.cleaned_data["name"]) for n in range(count)]


class WeekForm(forms.Form):
    from_day = _day("From", help_text="The first day on which it holds.")
    open_days = forms.TypedMultipleChoiceField(
        label="Worked days",
        choices=WEEKDAYS,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )


@lru_cache(maxsize=1)
def _countries() -> list[tuple[str, str]]:
    """Countries and those parts of them that keep other holidays: `GB-SCT`."""
    names = Locale("en", "GB").territories
    found = []
    for code, parts in list_supported_countries().items():
        if len(code) != 2 or code not in names:
            continue
        found.append((code, names[code]))
        found += [(f"{code}-{part}", f"{names[code]}: {part}") for part in parts]
    return sorted(found, key=lambda each: each[1])


class HolidaysForm(forms.Form):
    country = forms.ChoiceField(choices=_countries)
    year = forms.TypedChoiceField(coerce=int)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        year, field = timezone.localdate().year, self.fields["year"]
        assert isinstance(field, forms.TypedChoiceField)  # noqa: S101 (declared above)
        field.choices = [(n, str(n)) for n in range(year, year + 5)]

    @property
    def days(self) -> list[tuple[date, str]]:
        """The public holidays still to come, by their English names where there are any."""
        country, _, part = self.cleaned_data["country"].partition("-")
        years = [self.cleaned_data["year"]]
        known = country_holidays(country, subdiv=part or None, years=years)
        english = [name for name in ("en_GB", "en_US") if name in known.supported_languages]
        if english:
            known = country_holidays(country, subdiv=part or None, years=years, language=english[0])
        today = timezone.localdate()
        return sorted((day, name[:80]) for day, name in known.items() if day >= today)


# --- pages ----------------------------------------------------------------------------------------


def _calendar(key: str) -> Calendar:
    return get_object_or_404(Calendar, key=key)


def _page(key: str) -> str:
    return reverse("calendar_detail", args=[key])


def _version(request: HttpRequest, calendar: Calendar) -> int:
    shown = request.GET.get("version", "")
    return int(shown) if shown.isdecimal() else calendar.version


@permission_required("backoffice.view_calendar", raise_exception=True)
@require_GET
def calendar_detail(request: HttpRequest, key: str) -> HttpResponse:
    """The week, the days that differ, who keeps to it, and who changed it."""
    calendar, today = _calendar(key), timezone.localdate()
    weeks = list(calendar.weeks.all())
    now = [week for week in weeks if week.from_day <= today][-1:]
    told = AuditEntry.objects.filter(subject=calendars.SUBJECT, subject_id=calendar.pk)
    context = {
        "subject": calendars.SUBJECT,
        "record": calendar,
        "number": calendar.name,
        "list_url": reverse("calendar_list"),
        "list_title": CALENDARS.title,
        "weeks": [(week, week_words(week.open_days), week in now) for week in _told(weeks, now)],
        "days": [each for each in calendar.days.all() if each.day >= today],
        "past": [each for each in calendar.days.order_by("-day") if each.day < today][:12],
        "today": calendars.load([key])[key].closed(today),
        "entries": [
            (ui.moment(entry.at), audit_view.who(entry), audit_view.words(entry.verb))
            for entry in told.order_by("-at")[:20]
        ],
    }
    return render(request, "backoffice/calendar_detail.html", context)


def _told(weeks: list[CalendarWeek], now: list[CalendarWeek]) -> list[CalendarWeek]:
    """What holds now and what will."""
    return [week for week in weeks if not now or week.from_day >= now[0].from_day]


@permission_required("backoffice.add_calendar", raise_exception=True)
@both
def calendar_new(request: HttpRequest) -> HttpResponse:
    """Make a calendar, worked from Monday to Friday."""
    form = NewCalendarForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            calendar = calendars.make_calendar(
                form.cleaned_data["name"],
                today=timezone.localdate(),
                actor=actors.person(signed_in(request)),
            )
        except calendars.CalendarError as error:
            form.add_error("name", str(error))
        else:
            return respond.go(request, _page(calendar.key), f"The calendar “{calendar}” is made.")
    context = {
        "form": form,
        "title": "New calendar",
        "text": "It starts with Monday to Friday. Holidays and other weeks come next.",
        "word": "Make it",
        "action": request.path,
    }
    status = 422 if form.errors else 200
    return render(request, "components/dialog.html", context, status=status)


@may_change
@both
def calendar_days(request: HttpRequest, key: str) -> HttpResponse:
    """Close days, or work them."""
    calendar = _calendar(key)
    form = DaysForm(request.POST or None)

    def act(values: dict[str, Any]) -> str:
        return _set(request, calendar, form.days, is_open=values["what"] == "open")

    return _ask(request, calendar, form, "Days that differ", "Save", act)


@may_change
@both
def calendar_holidays(request: HttpRequest, key: str) -> HttpResponse:
    """Close the public holidays of a country and a year."""
    calendar = _calendar(key)
    form = HolidaysForm(request.POST or None)

    def act(values: dict[str, Any]) -> str:
        return _set(request, calendar, form.days, is_open=False)

    return _ask(request, calendar, form, "Close the public holidays", "Close them", act)


def _set(
    request: HttpRequest, calendar: Calendar, days: list[tuple[date, str]], *, is_open: bool
) -> str:
    calendars.set_days(
        calendar.pk,
        days,
        is_open=is_open,
        version=_version(request, calendar),
        today=timezone.localdate(),
        actor=actors.person(signed_in(request)),
    )
    plural = "day is" if len(days) == 1 else "days are"
    return f"{len(days)} {plural} {'worked' if is_open else 'closed'}."


@may_change
@both
def calendar_week(request: HttpRequest, key: str) -> HttpResponse:
    """Work other days of the week, from a day on."""
    calendar = _calendar(key)
    worked = calendar.weeks.last()
    initial = {"open_days": worked.open_days if worked else list(calendars.WORKING_DAYS)}
    form = WeekForm(request.POST or None, initial=initial)

    def act(values: dict[str, Any]) -> str:
        calendars.change_week(
            calendar.pk,
            version=_version(request, calendar),
            from_day=values["from_day"],
            open_days=values["open_days"],
            today=timezone.localdate(),
            actor=actors.person(signed_in(request)),
        )
        return (
            f"From {ui.short_day(values['from_day'])}: {week_words(sorted(values['open_days']))}."
        )

    return _ask(request, calendar, form, "Another week", "Save", act)


def _ask(
    request: HttpRequest, calendar: Calendar, form: forms.Form, title: str, word: str, act: Any
) -> HttpResponse:
    return ask(
        request,
        form,
        title=f"{title}: {calendar}",
        word=word,
        back=_page(calendar.key),
        refusals=(calendars.CalendarError,),
        act=act,
    )


@may_change
@require_POST
def calendar_clear(request: HttpRequest, key: str, day: str) -> HttpResponse:
    """Let a day be what its week says again."""
    calendar = _calendar(key)
    try:
        calendars.clear_day(
            calendar.pk,
            date.fromisoformat(day),
            version=_version(request, calendar),
            today=timezone.localdate(),
            actor=actors.person(signed_in(request)),
        )
    except (ValueError, calendars.CalendarError) as error:
        return respond.toast(str(error), level="bad")
    return respond.go(request, _page(key), "That day is what its week says again.")

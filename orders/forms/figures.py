"""Which days and which channel the figures are of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django import forms
from django.http import QueryDict
from django.utils import timezone

from orders.models.channels import Channel

# Four weeks, so that each weekday counts alike.
DAYS = 28
LONGEST = 366


@dataclass(frozen=True, slots=True)
class Span:
    """Days, first and last included, of one channel; None: of all."""

    since: date
    until: date
    channel: Channel | None

    def query(self) -> dict[str, str]:
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "channel": self.channel.key if self.channel else "",
        }


class SpanForm(forms.Form):
    since = forms.DateField(label="From", widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))
    until = forms.DateField(label="To", widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))
    channel = forms.ModelChoiceField(
        label="Channel",
        queryset=Channel.objects.order_by("name"),
        to_field_name="key",
        required=False,
        empty_label="all channels",
    )


def span_of(query: QueryDict) -> Span:
    """The span an address asks for; the last four weeks where it asks for none that can be."""
    today = timezone.localdate()
    since, until, channel = today - timedelta(days=DAYS - 1), today, None
    form = SpanForm(query)
    if form.is_valid():
        given = form.cleaned_data
        channel = given["channel"]
        if given["since"] <= given["until"] <= given["since"] + timedelta(days=LONGEST):
            since, until = given["since"], given["until"]
    return Span(since, until, channel)

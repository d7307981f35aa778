"""Input of promotions: terms as people write them, each mistake at its field."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from babel.numbers import get_currency_symbol, list_currencies
from django import forms
from django.utils import timezone

from backoffice.forms import NumberField
from backoffice.money import Money
from orders.models.promotions import Promotion
from orders.queries.stores import store_options
from orders.services.promoting import clean_code
from orders.services.promotions import FIELDS, Terms

# Wide enough for any line of products that somebody would type.
_LONG = 600
_HUNDRED = Decimal(100)


class AmountsField(forms.CharField):
    """Amounts of several currencies: `5.00 GBP, 6 EUR`."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        found: dict[str, str] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            words = part.split()
            try:
                amount, currency = Decimal(words[0]), words[1].upper()
            except (IndexError, InvalidOperation):
                raise forms.ValidationError("Write it like 5.00 GBP, 6.00 EUR.") from None
            if len(words) != 2 or currency not in list_currencies():
                raise forms.ValidationError(f"“{part}” has no currency. Write it like 5.00 GBP.")
            if not amount.is_finite() or not 0 < amount < 10**10:
                raise forms.ValidationError("An amount is above zero.")
            if Money(amount, currency) != Money(amount, currency).rounded():
                symbol = get_currency_symbol(currency)
                raise forms.ValidationError(f"There are no such small amounts of {symbol}.")
            found[currency] = str(amount)
        return found

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return ", ".join(f"{amount} {currency}" for currency, amount in sorted(value.items()))


class UnitsField(forms.CharField):
    """Units of several products: `2 × MUG, 1 × BOWL`; without a number it is one."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        found: dict[str, int] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            count, _, code = part.replace("×", " x ").partition(" x ")
            if not code:
                count, code = "1", part
            if not count.strip().isdecimal() or not 0 < int(count) < 10_000:
                raise forms.ValidationError("Write it like 2 × MUG, 1 × BOWL.")
            found[code.strip()] = found.get(code.strip(), 0) + int(count)
        return found

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return ", ".join(f"{units} × {sku}" for sku, units in sorted(value.items()))


class CodesField(forms.CharField):
    """Product codes with commas between."""

    def clean(self, value: Any) -> Any:
        parts = (part.strip() for part in super().clean(value).split(","))
        return tuple(dict.fromkeys(filter(None, parts)))

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) or value is None else ", ".join(value)


class LocalTime(forms.DateTimeField):
    """A time on the clocks of the zone that the form names."""

    widget = forms.DateTimeInput({"type": "datetime-local"}, "%Y-%m-%dT%H:%M")

    def to_python(self, value: Any) -> Any:
        read = super().to_python(value)
        return timezone.make_naive(read) if isinstance(read, datetime) and read.tzinfo else read


GROUPS = (
    ("What it is", "", ("name", "kind", "code", "channels")),
    (
        "What it takes off",
        "a share or an amount",
        ("percent", "amounts", "target", "skus"),
    ),
    (
        "Which orders get it",
        "empty: all of its stores",
        ("thresholds", "bundle"),
    ),
    ("When", "", ("starts_at", "ends_at", "time_zone")),
    (
        "How often",
        "empty: as often as it fits",
        ("usage_limit", "customer_limit", "when_used_up", "stock_sku", "stock_units"),
    ),
    ("How far", "", ("is_exclusive", "cap_percent", "margin_percent", "why")),
)


class PromotionForm(forms.Form):
    """All terms of a promotion."""

    name = forms.CharField(label="Name", max_length=80)
    kind = forms.ChoiceField(label="Kind", choices=Promotion.Kind.choices)
    code = forms.RegexField(
        r"^\s*[A-Za-z0-9][A-Za-z0-9_-]*\s*$",
        label="Code",
        max_length=40,
        required=False,
        help_text="Empty: every order that fits gets it.",
        error_messages={"invalid": "A code has letters, digits, - and _, without spaces."},
    )
    percent = NumberField(
        label="Takes off, in per cent",
        required=False,
        min_value=Decimal("0.01"),
        max_value=_HUNDRED,
        decimal_places=2,
    )
    amounts = AmountsField(
        label="Or an amount",
        max_length=_LONG,
        required=False,
        help_text="By currency: 5.00 GBP, 6.00 EUR. Orders in others get nothing.",
    )
    target = forms.ChoiceField(label="Off what", choices=Promotion.Target.choices)
    skus = CodesField(
        label="Products",
        max_length=_LONG,
        required=False,
        help_text="For “some products”: their codes, commas between.",
    )
    thresholds = AmountsField(
        label="When the goods come to",
        max_length=_LONG,
        required=False,
        help_text="By currency: 50.00 GBP.",
    )
    bundle = UnitsField(
        label="When bought together",
        max_length=_LONG,
        required=False,
        help_text="For a bundle: 2 × MUG, 1 × BOWL.",
    )
    channels = forms.MultipleChoiceField(
        label="Stores",
        choices=store_options,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None: all of them.",
    )
    starts_at = LocalTime(label="Starts")
    ends_at = LocalTime(label="Ends", required=False, help_text="Empty: when it is stopped.")
    time_zone = forms.CharField(label="Time zone of both", max_length=40)
    usage_limit = forms.IntegerField(
        label="Uses in all", required=False, min_value=1, max_value=10_000_000
    )
    customer_limit = forms.IntegerField(
        label="Uses per customer",
        required=False,
        min_value=1,
        max_value=10_000,
        help_text="Guests nobody recorded then get none.",
    )
    when_used_up = forms.ChoiceField(
        label="With the code, once all uses are gone", choices=Promotion.UsedUp.choices
    )
    is_exclusive = forms.BooleanField(
        label="Given alone, never together with others", required=False
    )
    cap_percent = NumberField(
        label="All discounts of an order take at most, in per cent of its goods",
        min_value=Decimal("0.01"),
        max_value=_HUNDRED,
        decimal_places=2,
        initial=100,
    )
    margin_percent = NumberField(
        label="A line keeps at least its cost and, in per cent",
        min_value=-_HUNDRED,
        max_value=999,
        decimal_places=2,
        initial=0,
        help_text="Where the cost is known.",
    )
    stock_sku = forms.CharField(
        label="Ends with the stock of",
        max_length=60,
        required=False,
        help_text="A product's code; the units below are set aside for this promotion.",
    )
    stock_units = forms.IntegerField(
        label="Units set aside", required=False, min_value=1, max_value=10_000_000
    )
    why = forms.CharField(
        label="Why this change",
        max_length=300,
        required=False,
        help_text="Whoever has to agree reads it.",
    )

    def groups(self) -> list[tuple[str, str, list[forms.BoundField]]]:
        """The fields as they stand on the page: a heading, a quiet line, and what is under it."""
        return [(title, text, [self[name] for name in names]) for title, text, names in GROUPS]

    def clean_code(self) -> str:
        return clean_code(self.cleaned_data["code"])

    def clean_time_zone(self) -> str:
        zone: str = self.cleaned_data["time_zone"].strip()
        if zone not in available_timezones():
            raise forms.ValidationError("There is no such time zone. Write it like Europe/London.")
        return zone

    def terms(self) -> Terms:
        """What was typed, as terms; for a valid form alone."""
        given = {name: self.cleaned_data[name] for name in FIELDS}
        zone = ZoneInfo(given["time_zone"])
        for name in ("starts_at", "ends_at"):
            if given[name] is not None:
                given[name] = given[name].replace(tzinfo=zone)
        given["channels"] = tuple(given["channels"])
        return Terms(**given)


def typed(terms: Terms) -> dict[str, Any]:
    """How terms stand in the form."""
    zone = ZoneInfo(terms.time_zone)
    given = {name: getattr(terms, name) for name in FIELDS}
    for name in ("starts_at", "ends_at"):
        if given[name] is not None:
            given[name] = given[name].astimezone(zone).replace(tzinfo=None)
    return given


class WhyForm(forms.Form):
    """Why something is asked for or stopped."""

    why = forms.CharField(label="Why", max_length=300, widget=forms.Textarea({"rows": 3}))


class NoteForm(forms.Form):
    """A word to whoever asked."""

    note = forms.CharField(label="A word about it", max_length=300, required=False)

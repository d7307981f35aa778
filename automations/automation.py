"""What rules of every domain can do outside: call a web service, post to a channel, mail staff.

And what the engine itself offers: companies, for what is done once for each, and its own cases.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import QuerySet

from automations.actions import (
    Call,
    Change,
    Counts,
    ExternalAction,
    How,
    Rejected,
    Risk,
    actions,
)
from automations.connectors.accounts import live_document
from automations.connectors.http import WebService
from automations.connectors.mail import Mail
from automations.connectors.messages import Slack, Teams
from automations.connectors.scope import METHODS
from automations.connectors.targets import TargetInvalid, read_path
from automations.engine import watchdog
from automations.intake import feed, inbox
from automations.models.connectors import ConnectorAccount
from automations.models.rules import Rule
from automations.rules.document import text_of
from automations.rules.fillings import JsonField, LiteralChoice, PathField
from automations.triggers import Country, Scan, labelled, scans
from backoffice import roles
from backoffice.models import LegalEntity, User
from backoffice.money import Money

__all__ = ["Companies", "feed", "inbox", "watchdog"]

KEPT_SECONDS = 5.0
OWNER = "owner"
ROLE = "role:"
PERSON = "user:"


def accounts_of(*kinds: str) -> list[tuple[str, str]]:
    """The accounts of some kinds that have a scope in force, by name."""
    rows = ConnectorAccount.objects.filter(kind__in=kinds).order_by("name")
    return [(row.key, row.name) for row in rows if live_document(row.key) is not None]


class AccountChoice(LiteralChoice):
    """One of the accounts of some kinds: what was right stays right for a while.

    That an account can be called is asked again when it is.
    """

    def __init__(self, *kinds: str, **given: Any) -> None:
        self.kinds = kinds
        super().__init__(choices=lambda: accounts_of(*kinds), **given)

    def valid_value(self, value: Any) -> bool:
        known = (str(connection.settings_dict["NAME"]), *self.kinds, str(value))
        if _right_until.get(known, 0.0) > time.monotonic():
            return True
        right = super().valid_value(value)
        if right:
            _right_until[known] = time.monotonic() + KEPT_SECONDS
        return right


_right_until: dict[tuple[str, ...], float] = {}


def _called(params: Mapping[str, Any]) -> str:
    """An account as people call it."""
    key = str(params.get("account", ""))
    name = ConnectorAccount.objects.filter(key=key).values_list("name", flat=True).first()
    return f"“{name or key}”"


def _is_path(value: str) -> None:
    try:
        read_path(value)
    except TargetInvalid as error:
        raise ValidationError(str(error)) from error


class _Outside(ExternalAction):
    """An action whose account is a parameter that only its author chooses."""

    subject = ""
    permission = "automations.use_connectoraccount"

    def lane(self, params: Mapping[str, Any]) -> str:
        return str(params["account"])


class CallForm(forms.Form):
    # Each body differs, so it is cleaned for each call (rules.parameters).
    reusable = True

    account = AccountChoice(
        WebService.key,
        label="Service",
        help_text="Connectors whose scope is approved.",
    )
    method = LiteralChoice(
        label="Method", choices=[(name, name) for name in METHODS], initial="POST"
    )
    path = PathField(
        label="Path",
        max_length=500,
        validators=[_is_path],
        help_text="Below the service’s address: /v1/orders/{order.number}/notes.",
    )
    body = JsonField(
        label="Body",
        required=False,
        help_text="JSON. Texts may name fields: “{{ order.number }}”. "
        '{"field": "order.total"} is the value itself.',
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("method") in ("GET", "DELETE") and values.get("body"):
            self.add_error("method", f"{values['method']} takes no body: leave it empty.")
        return values


@actions.register
class CallService(_Outside):
    """Calls a web service with the effect's key as its idempotency key."""

    key = "automations.call_http"
    label = "Call a web service"
    form = CallForm
    # Nobody here knows what the other side does with it.
    risk = Risk.MONEY

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        """The same call again; what is only read changes nothing there."""
        asked = [params.get(name) for name in ("account", "method", "path")]
        if None in asked or asked[1] == "GET":
            return ()
        return (Change(f"call {asked}", How.MAKES, f"the call {asked[1]} {asked[2]}"),)

    def request(self, call: Call) -> dict[str, Any]:
        given = call.params
        asked = {"method": given["method"], "path": given["path"]}
        return {**asked, "json": json.loads(given["body"])} if given.get("body") else asked

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Call {_called(params)}: {params.get('method', '')} {params.get('path', '')}"


class MessageForm(forms.Form):
    reusable = True

    account = AccountChoice(
        Slack.key,
        Teams.key,
        label="Channel",
        help_text="Channels whose connector’s scope is approved.",
    )
    text = forms.CharField(label="Text", max_length=3_000, widget=forms.Textarea(attrs={"rows": 3}))


@actions.register
class PostMessage(_Outside):
    """Posts to a channel of staff."""

    key = "automations.post_message"
    label = "Post a message"
    form = MessageForm
    keeps = timedelta(hours=4)

    def request(self, call: Call) -> dict[str, Any]:
        return {"text": call.params["text"]}

    def counts(self, params: Mapping[str, Any], stake: Money | None) -> Counts:
        return Counts(messages=1)

    def in_words(self, params: Mapping[str, Any]) -> str:
        text = text_of(params.get("text")) or str(params.get("text", ""))
        return f"Post to {_called(params)}: “{_short(text)}”"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f"{line[:80]}…" if len(line) > 80 else line


def recipients() -> list[tuple[str, str]]:
    """Whom staff mail can go to: the rule's owner, everyone of a role, one person. No customer."""
    of_roles = [(f"{ROLE}{name}", f"Everyone of {name}") for name in roles.ROLES]
    people = User.objects.filter(is_active=True).order_by("first_name", "last_name", "pk")
    return [
        (OWNER, "The rule’s owner"),
        *of_roles,
        *[(f"{PERSON}{user.pk}", str(user)) for user in people],
    ]


def people_of(to: str, rule_id: int | None) -> list[User]:
    """The active members of staff behind a recipient, those with an address."""
    found = User.objects.filter(is_active=True).exclude(email="").order_by("pk")
    if to == OWNER:
        owner = Rule.objects.filter(pk=rule_id or 0).values_list("owner_id", flat=True)
        return list(found.filter(pk__in=owner))
    if to.startswith(ROLE):
        return list(found.filter(groups__name=to.removeprefix(ROLE)))
    return list(found.filter(pk=int(to.removeprefix(PERSON))))


def _who(to: str) -> str:
    if to.startswith(ROLE):
        return f"everyone of {to.removeprefix(ROLE)}"
    if to.startswith(PERSON):
        person = User.objects.filter(pk=int(to.removeprefix(PERSON))).first()
        return str(person or "someone who is gone")
    return "the rule’s owner"


class MailForm(forms.Form):
    reusable = True

    account = AccountChoice(
        Mail.key,
        label="Mail account",
        help_text="Mail connectors whose scope is approved.",
    )
    to = LiteralChoice(label="To", choices=recipients, initial=OWNER)
    subject = forms.CharField(label="Subject", max_length=200)
    text = forms.CharField(
        label="Text", max_length=10_000, widget=forms.Textarea(attrs={"rows": 5})
    )

    def clean_subject(self) -> str:
        subject = str(self.cleaned_data["subject"])
        if any(ord(sign) < 32 for sign in subject):
            raise ValidationError("A subject is one line.")
        return subject


@actions.register
class MailStaff(_Outside):
    """Mails members of staff, at most once; customers are reached by no other way than theirs."""

    key = "automations.mail_staff"
    label = "Mail staff"
    form = MailForm

    def request(self, call: Call) -> dict[str, Any]:
        people = people_of(call.params["to"], call.actor.rule_id)
        if not people:
            raise Rejected("Nobody of these has a mail address. Add one, or choose someone else.")
        return {
            "to": [user.email for user in people],
            "subject": call.params["subject"],
            "text": call.params["text"],
        }

    def counts(self, params: Mapping[str, Any], stake: Money | None) -> Counts:
        return Counts(messages=1)

    def in_words(self, params: Mapping[str, Any]) -> str:
        subject = text_of(params.get("subject")) or str(params.get("subject", ""))
        return f"Mail {_who(str(params.get('to', '')))}: “{_short(subject)}”"


@dataclass(frozen=True, slots=True)
class CompanyFacts:
    name: str = labelled("Name")
    country: Country = labelled("Country")
    currency: str = labelled("Currency")
    time_zone: str = labelled("Time zone", about="Such as Europe/London.")


@dataclass(frozen=True, slots=True)
class CompanyPayload:
    company: CompanyFacts = labelled("Company")


@scans.register
class Companies(Scan):
    """A rule that is about no record in particular stands here: one run per company and slot."""

    key = subject = "backoffice.legalentity"
    label = "Companies"
    example = "Once for each company of ours."
    payload_class = CompanyPayload
    columns = {
        "company.name": "name",
        "company.country": "country",
        "company.currency": "currency",
        "company.time_zone": "time_zone",
    }

    def rows(self) -> QuerySet[LegalEntity]:
        return LegalEntity.objects.all()

    def current(self, ids: Iterable[int]) -> dict[int, CompanyPayload]:
        return {
            entity.pk: CompanyPayload(
                CompanyFacts(
                    entity.name, Country(entity.country), entity.currency, entity.time_zone
                )
            )
            for entity in LegalEntity.objects.filter(pk__in=set(ids))
        }

"""An action on parcels that calls a system outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from automations.actions import Answered, Call, Counts, Done, ExternalAction, Risk
from automations.actions import actions as action_registry
from backoffice.money import Money
from tests.depot.models import Parcel


class AccountForm(forms.Form):
    account = forms.CharField(label="Account")


@action_registry.register
class CallAndCount(ExternalAction):
    """Calls a web service, and counts as a message; writes down here what came of it."""

    key = "depot.call_and_count"
    label = "Call and count"
    subject = "depot.parcel"
    form = AccountForm
    permission = "automations.change_rule"

    def lane(self, params: Mapping[str, Any]) -> str:
        return str(params["account"])

    def request(self, call: Call) -> dict[str, Any]:
        return {"method": "POST", "path": "/labels", "json": {"parcel": call.subject_id}}

    def confirmed(self, call: Call, answer: Answered) -> Done:
        parcel = Parcel.objects.get(pk=call.subject_id)
        if parcel.moods:
            raise ZeroDivisionError("moody")
        parcel.carrier = answer.reference[:20]
        parcel.version += 1
        parcel.save(update_fields=["carrier", "version"])
        return Done(f"Labelled {answer.reference}.")

    def counts(self, params: Mapping[str, Any], stake: Money | None) -> Counts:
        return Counts(messages=1)

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "call and count"


@action_registry.register
class MailSender(CallAndCount):
    """Mails whoever sent it, through a service outside."""

    key = "depot.mail_sender"
    label = "Mail the sender"
    risk = Risk.CUSTOMER

    def request(self, call: Call) -> dict[str, Any]:
        return {"method": "POST", "path": "/mails", "json": {"parcel": call.subject_id}}

    def confirmed(self, call: Call, answer: Answered) -> Done:
        return Done(f"Mailed {answer.reference}.")

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "mail the sender"

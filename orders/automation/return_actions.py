"""What rules can do to returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from automations.actions import Action, Call, Change, Done, How, Rejected, Risk, actions
from orders.automation.actions import label_of
from orders.forms.returns import RefusalForm
from orders.models.returns import ReturnOrder
from orders.services.authorising import authorise_returns
from orders.services.errors import OrderError
from orders.services.returns import refuse_returns

State = ReturnOrder.State


class NoForm(forms.Form):
    """Nothing to fill in."""


@actions.register
class AuthoriseReturn(Action):
    """Never a late one: that takes a person who may, and their reason."""

    key = "orders.authorise_return"
    label = "Authorise the return"
    subject = "orders.returnorder"
    form = NoForm
    permission = "orders.change_returnorder"
    risk = Risk.CUSTOMER
    writes = ("returned.state", "returned.authorised_at")
    announces = ("orders.return_authorised",)
    never_undone = "The customer may have been told. Refuse the return while nothing has arrived."

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return (Change("returned.state", How.SETS, "the return’s state", State.AUTHORISED.value),)

    def execute(self, call: Call) -> Done:
        known = ReturnOrder.objects.filter(pk=call.subject_id, authorised_at__isnull=False)
        if known.exists():
            return Done("Was authorised already", already=True)
        try:
            authorise_returns([call.subject_id], actor=call.actor)
        except OrderError as error:
            raise Rejected(str(error)) from error
        return Done("Authorised")

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "Authorise the return"


@actions.register
class RefuseReturn(Action):
    key = "orders.refuse_return"
    label = "Refuse the return"
    subject = "orders.returnorder"
    form = RefusalForm
    permission = "orders.change_returnorder"
    risk = Risk.CUSTOMER
    writes = ("returned.state",)
    announces = ("orders.return_refused",)
    never_undone = "A refused return stays so. Ask for the return again."

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return (Change("returned.state", How.SETS, "the return’s state", State.REFUSED.value),)

    def execute(self, call: Call) -> Done:
        if ReturnOrder.objects.filter(pk=call.subject_id, state=State.REFUSED).exists():
            return Done("Was refused already", already=True)
        refusal = ReturnOrder.Refusal(call.params["refusal"])
        try:
            refuse_returns([call.subject_id], refusal=refusal, actor=call.actor)
        except OrderError as error:
            raise Rejected(str(error)) from error
        return Done(f"Refused: {refusal.label.lower()}")

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Refuse the return: {label_of(params['refusal'], ReturnOrder.Refusal.choices)}"

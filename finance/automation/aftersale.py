"""Asking for the money of a return or of a claim: its lines, tax and delivery as they were sold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from automations.actions import Action, Call, Change, Counts, Done, How, Rejected, Risk, actions
from backoffice.money import Money
from finance.automation.asking import AsksForRefund
from finance.models.refunds import Refund
from finance.services.errors import FinanceError
from finance.services.parts import NewPart, Offered, offered, units_of
from finance.services.refunds import NewRefund, request_refunds
from orders.models.claims import Claim
from orders.models.orders import Order
from orders.models.returns import ReturnOrder


class ReasonForm(forms.Form):
    reason = forms.ChoiceField(choices=Refund.Reason.choices)
    note = forms.CharField(required=False, max_length=2000, widget=forms.Textarea)


class _AskBack(AsksForRefund, Action):
    """Only asks: somebody of finance still approves the money. `of` names the kind of record."""

    form = ReasonForm
    permission = "finance.request_refund"
    risk = Risk.MONEY
    makes = "refund request"
    minutes_by_hand = 4
    announces = ("finance.refund_requested",)
    of: str

    def find(self, pk: int) -> tuple[Order, list[Offered], dict[str, int]]:
        """The order, what is proposed, and what the refund is for; raises Rejected."""
        raise NotImplementedError

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return (Change("order.refunds", How.MAKES, f"a request to refund the {self.of}"),)

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        known = {"refund.reason": params.get("reason")}
        told = {path: value for path, value in known.items() if value}
        return {**told, "refund.by_rule": True, "refund.state": Refund.State.REQUESTED.value}

    def counts(self, params: Mapping[str, Any], stake: Money | None) -> Counts:
        """What the goods are worth, which the event tells."""
        return Counts(money=stake)

    def execute(self, call: Call) -> Done:
        known = Refund.objects.filter(key=call.key).first()
        if known is not None:
            return self.asked(known, already=True)
        order, rows, about = self.find(call.subject_id)
        parts = tuple(
            NewPart(row.what, row.proposed.amount, row.line.pk if row.line else None,
                    row.units or None)
            for row in rows if row.proposed.amount > 0
        )  # fmt: skip
        if not parts:
            raise Rejected(f"Nothing is left to refund of this {self.of}.")
        new = NewRefund(
            order.pk, None, call.params["reason"], call.actor, call.params.get("note") or "",
            key=call.key, parts=parts, **about,
        )  # fmt: skip
        (answer,) = request_refunds([new])
        if isinstance(answer, FinanceError):
            raise Rejected(str(answer))
        return self.asked(answer.refund, already=False)

    def in_words(self, params: Mapping[str, Any]) -> str:
        reason = dict(Refund.Reason.choices).get(params["reason"], params["reason"])
        return f"Ask finance to refund the {self.of}, line by line: {str(reason).lower()}"


@actions.register
class RefundReturn(_AskBack):
    key = "finance.refund_return"
    label = "Ask for the refund of a return"
    subject = "orders.returnorder"
    of = "return"

    def find(self, pk: int) -> tuple[Order, list[Offered], dict[str, int]]:
        row = ReturnOrder.objects.select_related("order__channel").filter(pk=pk).first()
        if row is None or row.order is None:
            raise Rejected("This return has no order, so there is no payment to give back.")
        rows = offered(row.order, units_of(row), everything_else=False)
        return row.order, rows, {"return_id": row.pk}


@actions.register
class RefundClaim(_AskBack):
    key = "finance.refund_claim"
    label = "Ask for the refund of a claim"
    subject = "orders.claim"
    of = "claim"

    def find(self, pk: int) -> tuple[Order, list[Offered], dict[str, int]]:
        claim = Claim.objects.select_related("order__channel").filter(pk=pk).first()
        if claim is None:
            raise Rejected("This claim does not exist any more.")
        units = dict(claim.lines.values_list("order_line", "quantity"))
        rows = offered(claim.order, units, everything_else=False)
        return claim.order, rows, {"claim_id": claim.pk}

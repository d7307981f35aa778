"""What all actions share that ask for money back: what they answer, and how it is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automations.actions import Call, Done, Rejected
from finance.models.refunds import Refund
from finance.services.errors import FinanceError
from finance.services.refunds import withdraw_refund


class AsksForRefund:
    """Mixed into an action: the request can be withdrawn for as long as finance has not decided."""

    def asked(self, refund: Refund, *, already: bool) -> Done:
        return Done(
            f"Asked finance for {refund.money} back: {refund.number}",
            link=("finance.refund", refund.pk),
            already=already,
            undo={"refund": refund.pk, "number": refund.number},
        )

    def why_not_undone(self, subject_id: int, done: Mapping[str, Any]) -> str:
        refund = Refund.objects.filter(pk=done["refund"]).first() if done else None
        if refund is None:
            return "This can't be undone."
        if refund.state != Refund.State.REQUESTED:
            state = refund.get_state_display().lower()
            return f"{refund.number} is {state}: what finance has decided is not taken back."
        return ""

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        if why := self.why_not_undone(call.subject_id, done):
            raise Rejected(why)
        refund = Refund.objects.get(pk=done["refund"])
        try:
            withdraw_refund(refund, version=refund.version, actor=call.actor)
        except FinanceError as error:
            raise Rejected(str(error)) from error
        return Done(f"Withdrew the request {done['number']}", link=("finance.refund", refund.pk))

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        return f"Withdraw the request for a refund {done['number']}"

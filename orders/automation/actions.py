"""What rules can do to orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from automations.actions import (
    Call,
    Change,
    Done,
    How,
    Outcome,
    Rejected,
    Risk,
    SetAction,
    actions,
)
from backoffice.actors import Actors
from orders.forms.orders import CancelForm, HoldForm, ReleaseForm, TagForm, ending
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.services.cancelling import cancel_orders
from orders.services.errors import BadTag
from orders.services.holds import hold_orders, open_holds, release_hold, release_orders
from orders.services.outcomes import Outcomes
from orders.services.tags import clean_tag, tag_orders, untag_orders


def _sets(calls: Sequence[Call], *, alike: bool) -> list[list[int]]:
    """Positions of calls that can go together: each order once, of the same parameters if asked."""
    sets: dict[tuple[Any, int], list[int]] = {}
    seen: dict[tuple[Any, int], int] = {}
    for position, call in enumerate(calls):
        params = tuple(sorted(call.params.items())) if alike else ()
        turn = seen.get((params, call.subject_id), 0)
        seen[params, call.subject_id] = turn + 1
        sets.setdefault((params, turn), []).append(position)
    return list(sets.values())


class OrderAction(SetAction):
    """One set service on orders; subclasses say which and in which words.

    `alike`: the service takes the same parameters for all its orders, so calls are put together by
    their parameters; else by order alone, whatever rules they come from.
    """

    subject = "orders.order"
    alike: ClassVar[bool] = True

    def write(self, params: Mapping[int, Mapping[str, Any]], actor: Actors) -> Outcomes:
        """Write for these orders; `params` by the order's id, equal ones when `alike`."""
        raise NotImplementedError

    def told(self, params: Mapping[str, Any], *, already: bool) -> str:
        raise NotImplementedError

    def kept(
        self, done: Outcomes, params: Mapping[int, Mapping[str, Any]]
    ) -> Mapping[int, dict[str, Any]]:
        """What undoing needs, by the id of each order that was changed; empty: it can't be."""
        return {}

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        answers: dict[int, Done | Outcome] = {}
        for positions in _sets(calls, alike=self.alike):
            part = {calls[position].subject_id: position for position in positions}
            params = {pk: calls[position].params for pk, position in part.items()}
            actor = Actors({pk: calls[position].actor for pk, position in part.items()})
            done = self.write(params, actor)
            kept = self.kept(done, params)
            for order in done.changed:
                says = self.told(params[order.id], already=False)
                mine = kept.get(order.id)
                undo = {**mine, "version": order.version} if mine else None
                answers[part[order.id]] = Done(says, undo=undo)
            for order in done.unchanged:
                says = self.told(params[order.id], already=True)
                answers[part[order.id]] = Done(says, already=True)
            for pk, error in done.refused.items():
                answers[part[pk]] = Rejected(str(error))
        return [answers[position] for position in range(len(calls))]


def undone(outcomes: Outcomes, says: str, otherwise: str) -> Done:
    """The answer to undoing something on one order; raises Rejected when it was refused."""
    for error in outcomes.refused.values():
        raise Rejected(str(error))
    return Done(says) if outcomes.changed else Done(otherwise, already=True)


def _same(params: Mapping[int, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The parameters that all orders of a set share."""
    return next(iter(params.values()))


def _tag_change(params: Mapping[str, Any], how: How) -> tuple[Change, ...]:
    """One tag put on or taken off, in its one spelling."""
    try:
        tag = clean_tag(str(params["tag"])) if params.get("tag") else None
    except BadTag:
        tag = None
    return (Change("order.tags", how, f"the tag “{tag}”" if tag else "a tag", tag),)


HOLDS = "order.holds"  # one for each reason, so an order is held until the last has ended


def _hold_change(reason: Any) -> Change:
    words = label_of(reason, Hold.Reason.choices) if reason else "some reason"
    return Change(HOLDS, How.ADDS, f"the hold: {words}", reason)


def _is_held(value: bool | None) -> Change:
    """What conditions see of holds; None: it depends on the holds for other reasons."""
    return Change("order.is_held", How.SETS, "whether it is on hold", value, follows=True)


def shown(value: Any) -> str:
    """A parameter as the document stores it: a literal, or where it comes from."""
    match value:
        case {"field": str(name)} | {"param": str(name)}:
            return name
        case {"text": str(text)}:
            return text
    return str(value)


def label_of(value: Any, choices: Sequence[tuple[str, Any]]) -> str:
    """The words of a choice, in the middle of a sentence."""
    words = dict(choices).get(value) if isinstance(value, str) else None
    return str(words).lower() if words else shown(value)


@actions.register
class AddTag(OrderAction):
    key = "orders.add_tag"
    label = "Tag the order"
    form = TagForm
    permission = "orders.tag_order"
    writes = ("order.tags",)
    announces = ("orders.order_tagged",)
    alike = False

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return _tag_change(params, How.ADDS)

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        tag = _tag_change(params, How.ADDS)[0].value
        return {"tagged.tags": [tag]} if tag else {}

    def write(self, params: Mapping[int, Mapping[str, Any]], actor: Actors) -> Outcomes:
        return tag_orders({pk: [given["tag"]] for pk, given in params.items()}, actor=actor)

    def told(self, params: Mapping[str, Any], *, already: bool) -> str:
        return f"Had the tag {params['tag']} already" if already else f"Tagged {params['tag']}"

    def kept(
        self, done: Outcomes, params: Mapping[int, Mapping[str, Any]]
    ) -> Mapping[int, dict[str, Any]]:
        return {order.id: {"tag": params[order.id]["tag"]} for order in done.changed}

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        tag = done["tag"]
        found = untag_orders({call.subject_id: [tag]}, actor=call.actor)
        return undone(found, f"Took the tag {tag} off again", f"Had no tag {tag} any more")

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        return f"Take the tag “{done['tag']}” off"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Tag the order “{shown(params['tag'])}”"


@actions.register
class RemoveTag(OrderAction):
    key = "orders.remove_tag"
    label = "Take a tag off the order"
    form = TagForm
    permission = "orders.tag_order"
    writes = ("order.tags",)
    alike = False

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return _tag_change(params, How.TAKES)

    def write(self, params: Mapping[int, Mapping[str, Any]], actor: Actors) -> Outcomes:
        return untag_orders({pk: [given["tag"]] for pk, given in params.items()}, actor=actor)

    def told(self, params: Mapping[str, Any], *, already: bool) -> str:
        tag = params["tag"]
        return f"Had no tag {tag}" if already else f"Tag {tag} removed"

    def kept(
        self, done: Outcomes, params: Mapping[int, Mapping[str, Any]]
    ) -> Mapping[int, dict[str, Any]]:
        return {order.id: {"tag": params[order.id]["tag"]} for order in done.changed}

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        tag = done["tag"]
        found = tag_orders({call.subject_id: [tag]}, actor=call.actor)
        return undone(found, f"Tagged {tag} again", f"Had the tag {tag} already")

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        return f"Tag the order “{done['tag']}” again"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Take the tag “{shown(params['tag'])}” off the order"


@actions.register
class HoldOrder(OrderAction):
    key = "orders.hold_order"
    label = "Put the order on hold"
    form = HoldForm
    permission = "orders.hold_order"
    writes = ("order.is_held",)
    announces = ("orders.order_held",)

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return (_hold_change(params.get("reason")), _is_held(True))

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"hold.reason": params["reason"]} if params.get("reason") else {}

    def write(self, params: Mapping[int, Mapping[str, Any]], actor: Actors) -> Outcomes:
        given = _same(params)
        reason, note = Hold.Reason(given["reason"]), given.get("note", "")
        ends = ending(given)
        return hold_orders(list(params), reason=reason, note=note, ending=ends, actor=actor)

    def told(self, params: Mapping[str, Any], *, already: bool) -> str:
        reason = label_of(params["reason"], Hold.Reason.choices)
        return f"Was on hold already: {reason}" if already else f"Put on hold: {reason}"

    def kept(
        self, done: Outcomes, params: Mapping[int, Mapping[str, Any]]
    ) -> Mapping[int, dict[str, Any]]:
        reason = _same(params)["reason"]
        placed = open_holds(done.changed, Hold.Reason(reason))
        return {order_id: {"hold": pk, "reason": reason} for order_id, pk in placed.items()}

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        found = release_hold(call.subject_id, done["hold"], actor=call.actor)
        return undone(found, "Released from the hold again", "The hold had ended already")

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        return f"Release it from the hold: {label_of(done['reason'], Hold.Reason.choices)}"

    def in_words(self, params: Mapping[str, Any]) -> str:
        lasts = params.get("lasts")
        then = label_of(params.get("then"), Hold.Then.choices)
        hours = "hour" if lasts == 1 else "hours"
        until = f", for {shown(lasts)} {hours}, then {then}" if lasts else ""
        return f"Put the order on hold: {label_of(params['reason'], Hold.Reason.choices)}{until}"


@actions.register
class ReleaseOrder(OrderAction):
    key = "orders.release_order"
    label = "Release the order from hold"
    form = ReleaseForm
    permission = "orders.release_order"
    writes = ("order.is_held",)
    announces = ("orders.order_released",)

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        if "reason" not in params or params["reason"] == "":
            return (
                Change(HOLDS, How.TAKES, "every hold", every=True),
                _is_held(False),
            )
        reason = params["reason"]
        words = label_of(reason, Hold.Reason.choices) if reason else "some reason"
        return (
            Change(HOLDS, How.TAKES, f"the hold: {words}", reason),
            _is_held(None),
        )

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"hold.reason": params["reason"]} if params.get("reason") else {}

    def write(self, params: Mapping[int, Mapping[str, Any]], actor: Actors) -> Outcomes:
        given = _same(params)
        reason = Hold.Reason(given["reason"]) if given.get("reason") else None
        return release_orders(list(params), reason=reason, actor=actor)

    def told(self, params: Mapping[str, Any], *, already: bool) -> str:
        return "Was on no such hold" if already else f"Released from hold{_which(params)}"

    def kept(
        self, done: Outcomes, params: Mapping[int, Mapping[str, Any]]
    ) -> Mapping[int, dict[str, Any]]:
        return {pk: {"reasons": reasons} for pk, reasons in done.reasons.items()}

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        answers = [
            undone(
                hold_orders([call.subject_id], reason=Hold.Reason(reason), actor=call.actor),
                "Put on hold again",
                "Was on hold already",
            )
            for reason in done["reasons"]
        ]
        return next((answer for answer in answers if not answer.already), answers[0])

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        reasons = ", ".join(label_of(each, Hold.Reason.choices) for each in done["reasons"])
        return f"Put the order on hold again: {reasons}"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Release the order from hold{_which(params)}"


def _which(params: Mapping[str, Any]) -> str:
    reason = params.get("reason")
    return f": {label_of(reason, Hold.Reason.choices)}" if reason else ""


@actions.register
class CancelOrder(OrderAction):
    key = "orders.cancel_order"
    label = "Cancel the order"
    form = CancelForm
    permission = "orders.cancel_order"
    risk = Risk.CUSTOMER
    writes = ("order.fulfilment", "order.is_held")
    announces = ("orders.order_cancelled",)
    never_undone = "A cancelled order stays so: its stock was given back. Place it again."

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        gone = Order.Fulfilment.CANCELLED.value
        return (
            Change("order.fulfilment", How.SETS, "the fulfilment", gone),
            Change(HOLDS, How.TAKES, "every hold", every=True),
            _is_held(False),
        )

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"cancellation.reason": params["reason"]} if params.get("reason") else {}

    def write(self, params: Mapping[int, Mapping[str, Any]], actor: Actors) -> Outcomes:
        reason = Order.CancelReason(_same(params)["reason"])
        return cancel_orders(list(params), reason=reason, actor=actor)

    def told(self, params: Mapping[str, Any], *, already: bool) -> str:
        reason = label_of(params["reason"], Order.CancelReason.choices)
        return "Was cancelled already" if already else f"Cancelled: {reason}"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Cancel the order: {label_of(params['reason'], Order.CancelReason.choices)}"

"""What can be done to many orders at once from their list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backoffice.actors import Actor
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome
from orders.forms.orders import HoldForm, TagForm, ending
from orders.models.holds import Hold
from orders.services.allocation import allocate_orders
from orders.services.holds import hold_orders, release_orders
from orders.services.outcomes import Outcomes
from orders.services.picking import start_picking, stop_picking
from orders.services.tags import add_tags, remove_tags


def _told(done: Outcomes) -> Iterable[Outcome]:
    for order in done.changed:
        yield Outcome(order.pk, ok=True)
    for order in done.unchanged:
        yield Outcome(order.pk, ok=True, message="It was so already.")
    for pk, error in done.refused.items():
        yield Outcome(pk, ok=False, message=str(error))


def _tag(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _told(add_tags(ids, [params["tag"]], actor=actor))


def _untag(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _told(remove_tags(ids, [params["tag"]], actor=actor))


def _hold(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    reason = Hold.Reason(params["reason"])
    note = params.get("note", "")
    return _told(hold_orders(ids, reason=reason, note=note, ending=ending(params), actor=actor))


def _release(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _told(release_orders(ids, actor=actor))


def _allocate(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _told(allocate_orders(ids, actor=actor))


def _pick(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _told(start_picking(ids, actor=actor))


def _unpick(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _told(stop_picking(ids, actor=actor))


ACTIONS = (
    BulkAction(
        key="orders.tag",
        label="Tag",
        done="Tagged",
        permission="orders.tag_order",
        run=_tag,
        form=TagForm,
        undo="orders.untag",
        shortcut="t",
        icon="tag",
        subject="orders.order",
    ),
    BulkAction(
        key="orders.untag",
        label="Take a tag off",
        done="Took the tag off",
        permission="orders.tag_order",
        run=_untag,
        form=TagForm,
        undo="orders.tag",
        icon="x",
        subject="orders.order",
    ),
    BulkAction(
        key="orders.hold",
        label="Hold",
        done="Held",
        permission="orders.hold_order",
        run=_hold,
        form=HoldForm,
        shortcut="h",
        icon="hand-stop",
        subject="orders.order",
    ),
    BulkAction(
        key="orders.release",
        label="Release",
        done="Released",
        permission="orders.release_order",
        run=_release,
        shortcut="l",
        icon="player-play",
        subject="orders.order",
    ),
    BulkAction(
        key="orders.pick",
        label="Pick",
        done="Put on the pick list",
        permission="orders.pick_order",
        run=_pick,
        undo="orders.unpick",
        shortcut="p",
        icon="clipboard-list",
        subject="orders.order",
    ),
    BulkAction(
        key="orders.unpick",
        label="Take off the pick list",
        done="Took off the pick list",
        permission="orders.pick_order",
        run=_unpick,
        undo="orders.pick",
        icon="x",
        subject="orders.order",
    ),
    BulkAction(
        key="orders.allocate",
        label="Set stock aside",
        done="Set stock aside for",
        permission="orders.route_order",
        run=_allocate,
        icon="package",
        subject="orders.order",
    ),
)


def register_bulk_actions() -> None:
    """Called once when the app is ready."""
    for action in ACTIONS:
        bulk.register(action)
